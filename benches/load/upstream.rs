//! A service that speaks Chat Completions: its answers are as long and as fast as the question asks, and each piece tells
//! which it is and when it was sent.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::MissedTickBehavior;

use super::clock;

/// What the service is told.
#[derive(clap::Args)]
pub struct Arguments {
    #[arg(long)]
    listen: SocketAddr,
    /// The moment from which it counts, in microseconds of the shared clock.
    #[arg(long)]
    origin: u64,
}

/// What to answer. It is a prompt's text, as JSON.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Question {
    /// How many pieces.
    pub pieces: u32,
    /// How many of them a second.
    pub pace: u32,
}

impl Question {
    /// As a prompt says it.
    pub fn text(self) -> String {
        serde_json::to_string(&self).unwrap()
    }
}

/// Answers for ever.
pub async fn serve(arguments: Arguments) {
    let listener = TcpListener::bind(arguments.listen).await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    while let Ok((socket, _)) = listener.accept().await {
        // Whoever left has got what they wanted.
        tokio::spawn(async move { drop(answer(socket, arguments.origin).await) });
    }
}

/// The text of a piece: its number in two bytes and its moment in four, each byte a word of two letters. Few words, as in
/// any language: the store keeps an index of them.
fn piece(number: u32, sent_at: u64) -> String {
    let (number, sent_at) = (u16::try_from(number).unwrap(), u32::try_from(sent_at).unwrap());
    let bytes = number.to_be_bytes().into_iter().chain(sent_at.to_be_bytes());
    let letter = |half: u8| char::from(b'a' + half);
    bytes
        .flat_map(|byte| [letter(byte >> 4), letter(byte & 15), ' '])
        .collect()
}

/// Bytes of a piece.
const PIECE_BYTES: usize = 18;

/// The pieces of some text: of each its number, and when it was sent. The text must not begin or end within one.
pub fn pieces(text: &str) -> impl Iterator<Item = (u32, u64)> {
    let (pieces, torn) = text.as_bytes().as_chunks::<PIECE_BYTES>();
    assert!(torn.is_empty(), "a piece is torn");
    pieces.iter().map(|piece| {
        let (words, _) = piece.as_chunks::<3>();
        let mut bytes = words
            .iter()
            .map(|[high, low, _]| (u64::from(high - b'a') << 4) | u64::from(low - b'a'));
        let mut number_of = |count| {
            bytes
                .by_ref()
                .take(count)
                .fold(0, |number, byte| (number << 8) | byte)
        };
        (u32::try_from(number_of(2)).unwrap(), number_of(4))
    })
}

async fn answer(mut socket: TcpStream, origin: u64) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let question = read_question(&mut socket).await?;
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\n";
    socket.write_all(head.as_bytes()).await?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / question.pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 0..question.pieces {
        ticks.tick().await;
        let delta = json!({ "content": piece(number, clock::now() - origin) });
        let chunk = json!({
            "id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
            "choices": [{ "index": 0, "delta": delta, "finish_reason": null }],
        });
        socket.write_all(format!("data: {chunk}\n\n").as_bytes()).await?;
    }
    let end = json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
    let usage = json!({ "choices": [], "usage": {
        "prompt_tokens": 10, "completion_tokens": question.pieces, "total_tokens": 10 + question.pieces,
    } });
    let end = format!("data: {end}\n\ndata: {usage}\n\ndata: [DONE]\n\n");
    socket.write_all(end.as_bytes()).await
}

/// Reads the request: the question is the last message in it.
async fn read_question(socket: &mut TcpStream) -> std::io::Result<Question> {
    let mut bytes = Vec::new();
    loop {
        if socket.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let Some(head_end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        // The body is one JSON value, so it is whole as soon as it can be read.
        if let Ok(body) = serde_json::from_slice::<Value>(&bytes[head_end + 4..]) {
            let messages = body["messages"].as_array().unwrap();
            let text = messages.last().unwrap()["content"].as_str().unwrap();
            return Ok(serde_json::from_str(text)?);
        }
    }
}
