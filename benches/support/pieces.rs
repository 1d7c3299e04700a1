//! A service that speaks Chat Completions and never comes to an end by itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// Longer than any stop takes.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// When the connection of each question was closed by the one who asked.
type Closed = HashMap<String, Instant>;

/// A running service.
pub struct PieceService {
    port: u16,
    questions: AtomicUsize,
    closed: watch::Receiver<Closed>,
    serving: JoinHandle<()>,
}

impl PieceService {
    /// How fast each answer comes.
    pub const PIECES_PER_SECOND: u32 = 50;

    /// Starts the service.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, closed) = watch::channel(Closed::new());
        let tell = Arc::new(tell);
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let tell = tell.clone();
                tokio::spawn(async move {
                    let question = answer(socket).await;
                    tell.send_modify(|closed| {
                        closed.insert(question, Instant::now());
                    });
                });
            }
        });
        Self {
            port,
            questions: AtomicUsize::new(0),
            closed,
            serving,
        }
    }

    /// What `--openai-base-url` takes.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// A question that was not asked before.
    pub fn question(&self) -> String {
        format!("Question {}", self.questions.fetch_add(1, Ordering::Relaxed))
    }

    /// Waits until the connection of a question is closed: when that was.
    pub async fn closed(&self, question: &str) -> Instant {
        let mut closed = self.closed.clone();
        let wait = closed.wait_for(|closed| closed.contains_key(question));
        let closed = tokio::time::timeout(WAIT_MAX, wait).await;
        closed.expect("the connection was not closed").unwrap()[question]
    }
}

impl Drop for PieceService {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Answers the one request of a connection until the client closes it, and returns the question.
async fn answer(mut socket: TcpStream) -> String {
    socket.set_nodelay(true).unwrap();
    let question = read_question(&mut socket).await;
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\n";
    let piece = format!(
        "data: {}\n\n",
        json!({ "choices": [{ "index": 0, "delta": { "content": "word " } }] })
    );
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / PieceService::PIECES_PER_SECOND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut from_client, mut to_client) = socket.split();
    let mut written = to_client.write_all(head.as_bytes()).await;
    // The client has nothing more to say, so whatever there is to read is its end.
    let mut end = [0];
    let gone = from_client.read(&mut end);
    tokio::pin!(gone);
    while written.is_ok() {
        tokio::select! {
            _ = &mut gone => break,
            _ = ticks.tick() => written = to_client.write_all(piece.as_bytes()).await,
        }
    }
    question
}

/// Reads the request, and returns the last message that it holds.
async fn read_question(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        assert_ne!(
            socket.read_buf(&mut bytes).await.unwrap(),
            0,
            "the request is cut off"
        );
        let Some(head_end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        // The body is one JSON value, so it is whole as soon as it can be read.
        if let Ok(body) = serde_json::from_slice::<Value>(&bytes[head_end + 4..]) {
            let last = body["messages"].as_array().and_then(|messages| messages.last());
            return last
                .and_then(|message| message["content"].as_str())
                .unwrap()
                .to_owned();
        }
    }
}
