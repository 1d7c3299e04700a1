//! A TCP proxy between a client and a server, which cuts lines where it is told, byte by byte.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::server::Server;

/// A proxy that lives as long as the test.
pub struct Proxy {
    /// `http://` and the address.
    pub url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    target: String,
    /// After how many bytes towards the client each of the next WebSockets is cut.
    socket_cuts: VecDeque<usize>,
    /// The next request that says this is delivered, and its answer is not.
    lost_answer: Option<&'static str>,
    cuts: usize,
    /// What came from the client, line by line.
    sent: Vec<Vec<u8>>,
}

impl Proxy {
    /// A proxy to a server.
    pub async fn start(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let proxy = Self {
            url,
            state: state.clone(),
        };
        proxy.point_at(server);
        tokio::spawn(async move {
            loop {
                let (line, _) = listener.accept().await.unwrap();
                tokio::spawn(carry(line, state.clone()));
            }
        });
        proxy
    }

    /// Leads new lines to another server.
    pub fn point_at(&self, server: &Server) {
        self.state.lock().unwrap().target = server.url.trim_start_matches("http://").to_owned();
    }

    /// Cuts the next WebSockets, each after so many bytes towards the client.
    pub fn cut_sockets_after(&self, bytes: &[usize]) {
        self.state.lock().unwrap().socket_cuts.extend(bytes);
    }

    /// Delivers the next request that says this, and cuts the line instead of delivering its answer.
    pub fn lose_answer_to(&self, request: &'static str) {
        self.state.lock().unwrap().lost_answer = Some(request);
    }

    /// How many lines were cut.
    pub fn cuts(&self) -> usize {
        self.state.lock().unwrap().cuts
    }

    /// What the client sent, line by line.
    pub fn sent(&self) -> Vec<Vec<u8>> {
        self.state.lock().unwrap().sent.clone()
    }
}

/// Carries bytes both ways until an end closes, or the line is to be cut.
async fn carry(mut client: TcpStream, state: Arc<Mutex<State>>) {
    let (target, line) = {
        let mut state = state.lock().unwrap();
        state.sent.push(Vec::new());
        (state.target.clone(), state.sent.len() - 1)
    };
    // A client that finds nobody there sees its line closed.
    let Ok(mut server) = TcpStream::connect(target).await else {
        return;
    };
    let (mut up, mut down) = ([0; 16 * 1024], [0; 16 * 1024]);
    let mut bytes_left = None;
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(count @ 1..) = read else { return };
                let asked = String::from_utf8_lossy(&up[..count]);
                {
                    let mut state = state.lock().unwrap();
                    state.sent[line].extend(&up[..count]);
                    if asked.to_lowercase().contains("upgrade: websocket") {
                        bytes_left = state.socket_cuts.pop_front();
                    }
                    if state.lost_answer.is_some_and(|request| asked.contains(request)) {
                        state.lost_answer = None;
                        bytes_left = Some(0);
                    }
                }
                if server.write_all(&up[..count]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut down) => {
                let Ok(count @ 1..) = read else { return };
                let allowed = bytes_left.unwrap_or(count).min(count);
                if client.write_all(&down[..allowed]).await.is_err() {
                    return;
                }
                if let Some(left) = &mut bytes_left {
                    *left -= allowed;
                    if *left == 0 {
                        state.lock().unwrap().cuts += 1;
                        return;
                    }
                }
            }
        }
    }
}
