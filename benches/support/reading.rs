//! What one is told of a reply, and when.

use std::time::Instant;

use super::server::Server;
use super::socket::{follow, next_event};

/// What was told, and when.
pub struct Reading {
    /// The text that was assembled.
    pub text: String,
    /// Each event that brought some of it.
    pub events: Vec<Told>,
}

/// That a reply had so much text.
pub struct Told {
    /// Bytes.
    pub length: usize,
    /// When it came.
    pub at: Instant,
}

impl Reading {
    /// Follows a reply over a socket of its own, to its end.
    pub async fn to_the_end(server: &Server, reply: &str) -> Self {
        let mut socket = follow(server, reply).await;
        let mut reading = Self {
            text: String::new(),
            events: Vec::new(),
        };
        loop {
            let event = next_event(&mut socket).await;
            let at = Instant::now();
            let text = event["text"].as_str().unwrap_or_default();
            match event["__typename"].as_str().unwrap() {
                "ReplySnapshot" => text.clone_into(&mut reading.text),
                "ReplyPartial" => reading.text.push_str(text),
                _ => return reading,
            }
            if !text.is_empty() {
                let length = reading.text.len();
                reading.events.push(Told { length, at });
            }
        }
    }
}
