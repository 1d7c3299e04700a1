//! A service that speaks Chat Completions, or speaks it wrongly: raw bytes on a socket, as a script says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longer than any wait of the server's own.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The time between two beats: shorter than any patience.
const BEAT: Duration = Duration::from_millis(50);
/// Turns that the client gets to read a packet before the next is written: the runtime looks at the sockets between
/// them.
const YIELDS: usize = 8;

/// One step of a script.
#[derive(Clone)]
pub enum Act {
    /// Writes these bytes at once.
    Send(Vec<u8>),
    /// Writes these bytes one by one, each as a packet of its own.
    Trickle(Vec<u8>),
    /// Lets the client read what was written, where both run on one thread.
    Breathe,
    /// Writes these bytes again and again until the client has had enough.
    Repeat(Vec<u8>),
    /// Writes these bytes every now and then, until the client has had enough.
    Beat(Vec<u8>),
    /// Breaks the connection in the middle, as a machine that dies.
    Reset,
    /// Says nothing until the test cancels this.
    Await(CancellationToken),
    /// Says nothing more until the client closes.
    Hold,
}

/// What is done with one request; at its end the connection is closed.
pub type Script = Vec<Act>;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method and the path.
    pub line: String,
    /// The headers, by names in lower case.
    pub headers: HashMap<String, String>,
    /// The body.
    pub body: Value,
}

impl Request {
    /// The text of the last message: what a test finds its request by.
    pub fn question(&self) -> &str {
        let messages = self.body["messages"].as_array();
        let last = messages.and_then(|messages| messages.last());
        // A request that is no prompt asks for nothing in words.
        last.and_then(|message| message["content"].as_str())
            .unwrap_or_default()
    }
}

/// A running service. Each request is answered by the next of the scripts that are filed under its question; the last
/// one answers all that follow.
pub struct Upstream {
    port: u16,
    seen: watch::Receiver<Seen>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    requests: Vec<Request>,
    /// The questions of the requests whose clients closed before the service did.
    closed: Vec<String>,
}

impl Upstream {
    /// Starts a service with scripts for each question.
    pub async fn start(scripts: HashMap<String, Vec<Script>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, seen) = watch::channel(Seen::default());
        let (tell, scripts) = (Arc::new(tell), Arc::new(Mutex::new(scripts)));
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (tell, scripts) = (tell.clone(), scripts.clone());
                tokio::spawn(async move {
                    // A connection that the client breaks is none of the test's failures.
                    let _ = serve(socket, &tell, &scripts).await;
                });
            }
        });
        Self { port, seen, serving }
    }

    /// A service that answers everything by one script.
    pub async fn always(question: &str, script: Script) -> Self {
        Self::start(HashMap::from([(question.to_owned(), vec![script])])).await
    }

    /// What `--openai-base-url` takes.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// The requests with this question, so far.
    pub fn requests(&self, question: &str) -> Vec<Request> {
        let seen = self.seen.borrow();
        let requests = seen
            .requests
            .iter()
            .filter(|request| request.question() == question);
        requests.cloned().collect()
    }

    /// Waits until there is a request with this question.
    pub async fn asked(&self, question: &str) {
        self.until(|seen| seen.requests.iter().any(|request| request.question() == question))
            .await;
    }

    /// Waits until the client has closed the connection of a request with this question.
    pub async fn closed(&self, question: &str) {
        self.until(|seen| seen.closed.iter().any(|closed| closed == question))
            .await;
    }

    async fn until(&self, is_so: impl FnMut(&Seen) -> bool) {
        let mut seen = self.seen.clone();
        let waited = tokio::time::timeout(WAIT_MAX, seen.wait_for(is_so)).await;
        waited.expect("it did not happen").unwrap();
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(
    mut socket: TcpStream,
    tell: &watch::Sender<Seen>,
    scripts: &Mutex<HashMap<String, Vec<Script>>>,
) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let Some(request) = read_request(&mut socket).await? else {
        return Ok(());
    };
    let question = request.question().to_owned();
    tell.send_modify(|seen| seen.requests.push(request));
    let script = {
        let mut scripts = scripts.lock().unwrap();
        let scripts = scripts
            .get_mut(&question)
            .unwrap_or_else(|| panic!("no script for {question}"));
        if scripts.len() > 1 {
            scripts.remove(0)
        } else {
            scripts[0].clone()
        }
    };
    let played = play(&mut socket, script).await;
    match played {
        Ok(Left::Here) => socket.shutdown().await?,
        Ok(Left::Broken) => {}
        Ok(Left::Client) | Err(_) => tell.send_modify(|seen| seen.closed.push(question)),
    }
    Ok(())
}

/// Who ended the connection.
enum Left {
    Here,
    Broken,
    Client,
}

async fn play(socket: &mut TcpStream, script: Script) -> std::io::Result<Left> {
    for act in script {
        match act {
            Act::Send(bytes) => socket.write_all(&bytes).await?,
            Act::Trickle(bytes) => {
                for byte in bytes {
                    socket.write_all(&[byte]).await?;
                    tokio::task::yield_now().await;
                }
            }
            Act::Breathe => {
                for _ in 0..YIELDS {
                    tokio::task::yield_now().await;
                }
            }
            Act::Repeat(bytes) => loop {
                socket.write_all(&bytes).await?;
            },
            Act::Beat(bytes) => loop {
                socket.write_all(&bytes).await?;
                tokio::time::sleep(BEAT).await;
            },
            Act::Await(word) => word.cancelled().await,
            Act::Reset => {
                rustix::net::sockopt::set_socket_linger(&*socket, Some(Duration::ZERO))?;
                return Ok(Left::Broken);
            }
            Act::Hold => {
                // Whatever the client does now ends it: it has nothing more to say.
                let _ = socket.read(&mut [0]).await;
                return Ok(Left::Client);
            }
        }
    }
    Ok(Left::Here)
}

async fn read_request(socket: &mut TcpStream) -> std::io::Result<Option<Request>> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if socket.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().to_owned();
    let headers: HashMap<_, _> = lines
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        })
        .collect();
    let mut body = bytes[head_end + 4..].to_vec();
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    while body.len() < length {
        if socket.read_buf(&mut body).await? == 0 {
            return Ok(None);
        }
    }
    let body = match body.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&body).unwrap(),
    };
    Ok(Some(Request { line, headers, body }))
}

/// The head of a response whose body ends with the connection.
pub fn head(status: u16, headers: &str) -> Act {
    let lines: String = headers
        .split_terminator('|')
        .map(|line| format!("{}\r\n", line.trim()))
        .collect();
    Act::Send(format!("HTTP/1.1 {status} Scripted\r\nConnection: close\r\n{lines}\r\n").into_bytes())
}

/// The head of a stream of events.
pub fn stream() -> Act {
    head(200, "Content-Type: text/event-stream; charset=utf-8")
}

/// Bytes.
pub fn send(bytes: impl AsRef<[u8]>) -> Act {
    Act::Send(bytes.as_ref().to_vec())
}

/// An event.
pub fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// An event with a part of the text.
pub fn piece(text: &str) -> String {
    event(&json!({
        "id": "x", "object": "chat.completion.chunk",
        "choices": [{ "index": 0, "delta": { "content": text }, "finish_reason": null }],
        "usage": null,
    }))
}

/// The event that ends the text.
pub fn finish(reason: &str) -> String {
    event(&json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] }))
}

/// The event that tells the cost.
pub fn usage(prompt: i64, completion: i64) -> String {
    event(&json!({
        "choices": [],
        "usage": { "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion },
    }))
}

/// The last event.
pub const DONE: &str = "data: [DONE]\n\n";
