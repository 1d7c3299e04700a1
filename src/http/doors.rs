//! Where connections come in, until the doors are closed; without turning away anybody who stood before them.

use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::lines;

/// Connections that are taken at the last moment; as many as may wait in the kernel's queue.
const LAST_MAX: usize = 1024;

/// A listener that ends by itself.
pub struct Doors {
    listener: Option<TcpListener>,
    closing: Pin<Box<dyn Future<Output = ()> + Send>>,
    last: Vec<(TcpStream, SocketAddr)>,
    closed: CancellationToken,
    address: io::Result<SocketAddr>,
}

impl Doors {
    /// Takes connections until `closing` completes. Then `closed` is cancelled, and nobody listens any more.
    pub fn new(
        listener: TcpListener,
        closing: impl Future<Output = ()> + Send + 'static,
        closed: CancellationToken,
    ) -> Self {
        Self {
            address: listener.local_addr(),
            listener: Some(listener),
            closing: Box::pin(closing),
            last: Vec::new(),
            closed,
        }
    }
}

impl Listener for Doors {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        if let Some(listener) = &mut self.listener {
            tokio::select! {
                accepted = Listener::accept(listener) => return tuned(accepted),
                () = &mut self.closing => {}
            }
            self.last = self.listener.take().map(queue).unwrap_or_default();
            self.closed.cancel();
        }
        match self.last.pop() {
            Some(accepted) => tuned(accepted),
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.address {
            Ok(address) => Ok(*address),
            Err(error) => Err(error.kind().into()),
        }
    }
}

fn tuned((connection, address): (TcpStream, SocketAddr)) -> (TcpStream, SocketAddr) {
    lines::tune(&connection);
    (connection, address)
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy)]
pub struct Peer(pub SocketAddr);

impl Connected<IncomingStream<'_, Doors>> for Peer {
    fn connect_info(incoming: IncomingStream<'_, Doors>) -> Self {
        Self(*incoming.remote_addr())
    }
}

/// Whoever waits to be taken: with the listener the kernel would cut them off. Asked of the kernel, because the runtime
/// learns of them a moment late.
fn queue(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let Ok(listener) = listener.into_std() else {
        return Vec::new();
    };
    let waiting = std::iter::from_fn(|| listener.accept().ok()).take(LAST_MAX);
    let taken = waiting.filter_map(|(connection, address)| {
        connection.set_nonblocking(true).ok()?;
        Some((TcpStream::from_std(connection).ok()?, address))
    });
    taken.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_stands_before_the_doors_is_let_in_and_nobody_else() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let closed = CancellationToken::new();
        let mut doors = Doors::new(listener, std::future::ready(()), closed.clone());
        // By the kernel alone: the runtime is not asked meanwhile.
        let waiting = [(); 3].map(|()| std::net::TcpStream::connect(address).unwrap());
        let mut expected = waiting.each_ref().map(|line| line.local_addr().unwrap());
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.push(doors.accept().await.1);
        }
        taken.sort();
        expected.sort();
        assert_eq!(taken, expected);
        assert!(futures_util::poll!(Box::pin(doors.accept())).is_pending());
        assert!(closed.is_cancelled());
        assert!(std::net::TcpStream::connect(address).is_err());
        assert_eq!(doors.local_addr().unwrap(), address);
    }
}
