//! The server's own parts in this process, over lines in memory, where time is what the test says.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::serve::Listener;
use colloquy::bot::BuiltinBot;
use colloquy::config::Limits;
use colloquy::domain::{Clock, Timestamp};
use colloquy::service::Service;
use colloquy::store::Store;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;

use super::make;
use super::parts::Parts;
use super::scratch::Scratch;

/// What a line holds before its reader takes some.
pub const LINE_BYTES: usize = 64 * 1024;

/// A clock that stands still unless it is moved.
pub struct Still(AtomicI64);

impl Still {
    /// Moves it to a moment in milliseconds since the Unix epoch.
    pub fn set(&self, millis: i64) {
        self.0.store(millis, Ordering::SeqCst);
    }
}

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// The other ends of lines that were laid.
struct Lines(mpsc::UnboundedReceiver<DuplexStream>);

impl Listener for Lines {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.recv().await {
            Some(line) => (line, ()),
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Some routes over a service of their own.
pub struct House {
    /// What the service keeps its chats in.
    pub store: Arc<dyn Store>,
    /// What the service takes for the time.
    pub clock: Arc<Still>,
    lines: mpsc::UnboundedSender<DuplexStream>,
}

impl House {
    /// Serves `routes` over a store.
    pub async fn new(scratch: &Scratch, routes: impl FnOnce(&Arc<Service>) -> Router) -> Self {
        let store = scratch.open().await;
        let clock = Arc::new(Still(AtomicI64::new(make::now().millis())));
        let bot = BuiltinBot::new(0.0, 0);
        let parts = Parts::over(store.clone(), clock.clone(), bot, Limits::default(), None);
        let routes = routes(&parts.service);
        let (lines, others) = mpsc::unbounded_channel();
        tokio::spawn(async move { axum::serve(Lines(others), routes).await });
        Self { store, clock, lines }
    }

    /// A line to it.
    pub fn line(&self) -> DuplexStream {
        let (line, other) = duplex(LINE_BYTES);
        self.lines.send(other).unwrap();
        line
    }
}
