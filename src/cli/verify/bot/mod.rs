//! The bot of the trial: a service on the loopback interface that speaks OpenAI's Chat Completions protocol. It answers
//! no two calls alike, so that two calls for one prompt never look like one, and notes each call.

pub mod answers;
mod calls;
pub mod request;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::ledger::{Ledger, Notes, now};
use super::words;
pub use calls::{Call, CallEnd, Speech, Turn};
use request::{Message, Request, read};

/// The name of the model.
pub const MODEL: &str = "trial";
/// The time between two pieces.
const PACE: Duration = Duration::from_millis(40);
/// How long it may think before its first words, in milliseconds.
const THINKS_MS: std::ops::Range<u64> = 0..300;
/// One call of so many fails before its first words.
const FAILS_ONE_OF: u32 = 8;
/// One answer of so many breaks off in the middle.
const BREAKS_OFF_ONE_OF: u32 = 16;

/// The running service. Its end is the end of every connection.
pub struct Bot {
    /// Where it listens.
    pub address: SocketAddr,
    _connections: JoinSet<()>,
}

/// What shall go wrong in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing.
    Well,
    /// A status that says to come back later.
    Status(u16),
    /// The connection breaks before the head of the response.
    NoHead,
    /// The connection breaks after the head of the response.
    HeadOnly,
    /// The answer ends after so many pieces, without a word of its end.
    Pieces(usize),
}

/// One call, as it is answered.
struct Answering {
    ledger: Arc<Ledger>,
    number: usize,
    pieces: Vec<String>,
    fate: Fate,
    thinks: Duration,
}

impl Bot {
    /// Listens on a free port.
    pub async fn start(rng: Rng, ledger: Arc<Ledger>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut connections = JoinSet::new();
        connections.spawn(accept(listener, Arc::new(Mutex::new(rng)), ledger));
        Ok(Self {
            address,
            _connections: connections,
        })
    }
}

async fn accept(listener: TcpListener, rng: Arc<Mutex<Rng>>, ledger: Arc<Ledger>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((connection, _)) = accepted else { continue };
                let (rng, ledger) = (rng.clone(), ledger.clone());
                // A connection that fails is one whose server has left, which is noted.
                connections.spawn(async move { serve(connection, &rng, ledger).await.unwrap_or_default() });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(mut connection: TcpStream, rng: &Mutex<Rng>, ledger: Arc<Ledger>) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let Some(request) = read(&mut connection).await? else {
        return Ok(());
    };
    let (number, speech) = ledger.note(|notes| note_call(notes, &request));
    let pieces = answers::pieces(number, speech);
    let answering = {
        let mut rng = rng.lock().unwrap_or_else(PoisonError::into_inner);
        Answering {
            fate: Fate::choose(&mut rng, speech, pieces.len()),
            thinks: Duration::from_millis(rng.u64(THINKS_MS)),
            ledger,
            number,
            pieces,
        }
    };
    let (mut from_server, mut to_server) = connection.into_split();
    let end = tokio::select! {
        said = answering.say(&mut to_server) => said.unwrap_or(CallEnd::Left),
        // It has sent all it had to say: whatever comes now is its end.
        _ = from_server.read_u8() => CallEnd::Left,
    };
    answering.note(|call| call.end = end);
    let connection = from_server.reunite(to_server);
    match (end, connection) {
        // Only before the first words: what is sent must arrive, or the server may well ask again.
        (CallEnd::Failed, Ok(connection)) if !matches!(answering.fate, Fate::Status(_)) => {
            connection.set_zero_linger()
        }
        _ => Ok(()),
    }
}

/// Notes a call: its number, and how it is to be answered.
fn note_call(notes: &mut Notes, request: &Request) -> (usize, Speech) {
    let number = notes.calls.len();
    let turns = request.messages.iter().filter(|message| message.role != "system");
    let mut history: Vec<_> = turns.map(|message| turn(notes, message)).collect();
    let prompt = history.pop().unwrap_or(Turn::Strange);
    let writing = match prompt {
        Turn::Writing(writing) => notes.writings.get_mut(writing),
        Turn::Answer(_) | Turn::Strange => None,
    };
    let speech = writing.map(|writing| {
        writing.calls.push(number);
        writing.speech
    });
    notes.calls.push(Call {
        server: request.server,
        start: request.start,
        at: now(),
        prompt,
        history,
        begun_at: None,
        end: CallEnd::Open,
    });
    (number, speech.unwrap_or_default())
}

/// Who of the trial said this.
fn turn(notes: &Notes, message: &Message) -> Turn {
    let text = message.content.as_str();
    let known = match message.role.as_str() {
        "user" => words::number(text, words::WRITING_MARK).filter(|number| {
            let writing = notes.writings.get(*number);
            writing.is_some_and(|writing| writing.text == text)
        }),
        _ => None,
    };
    if let Some(writing) = known {
        return Turn::Writing(writing);
    }
    let call = words::number(text, words::ANSWER_MARK).filter(|number| {
        let speech = match notes.calls.get(*number).map(|call| call.prompt) {
            Some(Turn::Writing(writing)) => notes.writings.get(writing).map(|writing| writing.speech),
            _ => None,
        };
        let answer = speech.map(|speech| answers::text(*number, speech));
        message.role == "assistant" && answer.is_some_and(|answer| answer.starts_with(text))
    });
    call.map_or(Turn::Strange, Turn::Answer)
}

impl Fate {
    fn choose(rng: &mut Rng, speech: Speech, pieces: usize) -> Self {
        if speech != Speech::Any {
            return Self::Well;
        }
        if rng.u32(..FAILS_ONE_OF) == 0 {
            return match rng.u8(..4) {
                0 => Self::Status(503),
                1 => Self::Status(429),
                2 => Self::NoHead,
                _ => Self::HeadOnly,
            };
        }
        match rng.u32(..BREAKS_OFF_ONE_OF) {
            0 => Self::Pieces(rng.usize(1..pieces.max(2))),
            _ => Self::Well,
        }
    }
}

impl Answering {
    fn note(&self, change: impl FnOnce(&mut Call)) {
        self.ledger
            .note(|notes| notes.calls.get_mut(self.number).map(change));
    }

    /// Says the answer as far as it comes.
    async fn say(&self, to: &mut OwnedWriteHalf) -> io::Result<CallEnd> {
        tokio::time::sleep(self.thinks).await;
        match self.fate {
            Fate::NoHead => return Ok(CallEnd::Failed),
            Fate::Status(status) => {
                let refusal =
                    format!("HTTP/1.1 {status} Later\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
                to.write_all(refusal.as_bytes()).await?;
                return Ok(CallEnd::Failed);
            }
            Fate::Well | Fate::HeadOnly | Fate::Pieces(_) => {}
        }
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\n";
        to.write_all(head.as_bytes()).await?;
        if self.fate == Fate::HeadOnly {
            return Ok(CallEnd::Failed);
        }
        for (said, piece) in self.pieces.iter().enumerate() {
            if self.fate == Fate::Pieces(said) {
                return Ok(CallEnd::BrokenOff);
            }
            match said {
                // Before it is sent: from then on a server may have it.
                0 => self.note(|call| call.begun_at = Some(now())),
                _ => tokio::time::sleep(PACE).await,
            }
            let choice = json!({ "index": 0, "delta": { "content": piece }, "finish_reason": null });
            write(
                to,
                &json!({ "object": "chat.completion.chunk", "choices": [choice] }),
            )
            .await?;
        }
        let choice = json!({ "index": 0, "delta": {}, "finish_reason": "stop" });
        write(
            to,
            &json!({ "object": "chat.completion.chunk", "choices": [choice] }),
        )
        .await?;
        let (prompt, completion) = (1, self.pieces.len());
        let usage = json!({
            "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
        });
        write(to, &json!({ "choices": [], "usage": usage })).await?;
        to.write_all(b"data: [DONE]\n\n").await?;
        Ok(CallEnd::Whole)
    }
}

async fn write(to: &mut OwnedWriteHalf, event: &serde_json::Value) -> io::Result<()> {
    to.write_all(format!("data: {event}\n\n").as_bytes()).await
}
