//! A line to a server that is cut in the middle of things, as those of phones and proxies are.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::server::Server;

/// What the pieces of replies are recognised by, in frames and in server-sent events alike.
const PIECE: &str = "ReplyPartial";
/// The last chunk of a body in chunks.
const BODY_END: &[u8] = b"0\r\n\r\n";
/// A close frame with the code 1000.
const SOCKET_END: &[u8] = &[0x88, 2, 0x03, 0xe8];

/// Where a line is cut, and how.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// A line whose request or answer has these words: nothing of the answer arrives, and the line is reset.
    Answer(&'static str),
    /// A WebSocket that brought so many bytes: nothing beyond them arrives, and the line ends.
    Bytes(usize),
    /// A line that brought so many pieces of replies: half of the last arrives, and the line ends.
    Close(usize),
    /// The same, but the line is reset.
    Reset(usize),
    /// The same, but all of the last arrives, and then what says that there is nothing more: the end of the body, or a
    /// close with 1000. So do proxies that know no better.
    End(usize),
}

/// What all lines share.
struct Shared {
    server: Mutex<String>,
    cuts: Mutex<VecDeque<Cut>>,
    /// What was sent, line by line.
    requests: Mutex<Vec<Vec<u8>>>,
    answers: Mutex<Vec<u8>>,
    pieces: watch::Sender<usize>,
}

/// A proxy in front of a server, which makes some cuts, in their order, one for each line.
pub struct Cutter {
    /// `http://` and its address.
    pub url: String,
    shared: Arc<Shared>,
    // Its end is the end of every line.
    _lines: JoinSet<()>,
}

impl Cutter {
    /// Listens in front of a server.
    pub async fn start(server: &Server, cuts: impl IntoIterator<Item = Cut>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shared = Arc::new(Shared {
            server: Mutex::new(address(server)),
            cuts: Mutex::new(cuts.into_iter().collect()),
            requests: Mutex::default(),
            answers: Mutex::default(),
            pieces: watch::Sender::new(0),
        });
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut lines = JoinSet::new();
        lines.spawn(accept(listener, shared.clone()));
        Self {
            url,
            shared,
            _lines: lines,
        }
    }

    /// From now on new lines lead to another server.
    pub fn lead_to(&self, server: &Server) {
        *self.shared.server.lock().unwrap() = address(server);
    }

    /// Waits until so many pieces of replies came, over all lines together.
    pub async fn brought(&self, pieces: usize) {
        let mut brought = self.shared.pieces.subscribe();
        brought.wait_for(|brought| *brought >= pieces).await.unwrap();
    }

    /// The cuts that were not made.
    pub fn cuts_left(&self) -> Vec<Cut> {
        self.shared.cuts.lock().unwrap().iter().copied().collect()
    }

    /// What was sent and answered since this was last asked, as far as it is text.
    pub fn heard(&self) -> (String, String) {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let requests = self
            .shared
            .requests
            .lock()
            .unwrap()
            .iter_mut()
            .flat_map(std::mem::take)
            .collect();
        let answers = std::mem::take(&mut *self.shared.answers.lock().unwrap());
        (text(requests), text(answers))
    }

    /// What was sent since [`Cutter::heard`] was last asked, line by line.
    pub fn sent(&self) -> Vec<Vec<u8>> {
        self.shared.requests.lock().unwrap().clone()
    }
}

fn address(server: &Server) -> String {
    server.url.strip_prefix("http://").unwrap().to_owned()
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut lines = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let shared = shared.clone();
        // A line that fails is one that breaks, which is what they are for.
        lines.spawn(async move { serve(client, &shared).await.unwrap_or_default() });
    }
}

/// Carries bytes both ways until either side ends, or the line is cut.
async fn serve(mut client: TcpStream, shared: &Shared) -> io::Result<()> {
    let address = shared.server.lock().unwrap().clone();
    let mut server = TcpStream::connect(address).await?;
    let line = {
        let mut lines = shared.requests.lock().unwrap();
        lines.push(Vec::new());
        lines.len() - 1
    };
    let (mut requests, mut answers) = (Vec::new(), Vec::new());
    loop {
        let (sent, answered) = (requests.len(), answers.len());
        tokio::select! {
            read = client.read_buf(&mut requests) => {
                if read? == 0 {
                    return Ok(());
                }
                let new = &requests[sent..];
                shared.requests.lock().unwrap()[line].extend_from_slice(new);
                server.write_all(new).await?;
            }
            read = server.read_buf(&mut answers) => {
                if read? == 0 {
                    return client.shutdown().await;
                }
                let new = &answers[answered..];
                shared.answers.lock().unwrap().extend_from_slice(new);
                let pieces = occurrences(&answers, PIECE);
                let Some(cut) = shared.due(&requests, &answers, pieces) else {
                    let new_pieces = pieces - occurrences(&answers[..answered], PIECE);
                    shared.pieces.send_modify(|brought| *brought += new_pieces);
                    client.write_all(new).await?;
                    continue;
                };
                drop(server);
                match cut {
                    Cut::Answer(_) => {}
                    Cut::Bytes(count) => client.write_all(&answers[answered..count.max(answered)]).await?,
                    Cut::Close(_) | Cut::Reset(_) => client.write_all(&new[..new.len() / 2]).await?,
                    Cut::End(_) => {
                        client.write_all(new).await?;
                        client.write_all(if is_socket(&answers) { SOCKET_END } else { BODY_END }).await?;
                    }
                }
                if matches!(cut, Cut::Answer(_) | Cut::Reset(_)) {
                    return client.set_zero_linger();
                }
                client.shutdown().await?;
                // A socket with something left to read would be reset.
                return tokio::io::copy(&mut client, &mut tokio::io::sink()).await.map(drop);
            }
        }
    }
}

impl Shared {
    /// Takes the next cut, if it is to be made on a line that carried this.
    fn due(&self, requests: &[u8], answers: &[u8], pieces: usize) -> Option<Cut> {
        let mut cuts = self.cuts.lock().unwrap();
        let is_due = match *cuts.front()? {
            Cut::Answer(words) => occurrences(requests, words) + occurrences(answers, words) > 0,
            Cut::Bytes(count) => is_socket(answers) && answers.len() >= count,
            Cut::Close(count) | Cut::Reset(count) | Cut::End(count) => pieces >= count,
        };
        if is_due { cuts.pop_front() } else { None }
    }
}

fn is_socket(answers: &[u8]) -> bool {
    answers.starts_with(b"HTTP/1.1 101")
}

fn occurrences(bytes: &[u8], words: &str) -> usize {
    let windows = bytes.windows(words.len());
    windows.filter(|window| *window == words.as_bytes()).count()
}
