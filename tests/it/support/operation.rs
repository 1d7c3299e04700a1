//! One operation over any of the transports that stream results.

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, Response};
use serde_json::{Value, json};

use super::server::Server;
use super::socket::{Received, Socket};

/// What carries the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `graphql-transport-ws`.
    WebSocket,
    /// GraphQL over SSE, in distinct connections mode.
    Events,
    /// Multipart HTTP.
    Parts,
}

/// What came of an operation.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A result, or the errors that there is none for.
    Result(Value),
    /// Nothing follows.
    Complete,
    /// The transport ended, and the operation did not.
    Broken,
}

/// An operation under way. Dropping it breaks the line.
pub struct Operation(Line);

enum Line {
    Socket(Box<Socket>),
    Http {
        response: Response,
        came: Vec<u8>,
        transport: Transport,
    },
}

impl Operation {
    /// Begins an operation.
    pub async fn begin(transport: Transport, server: &Server, query: &str, variables: Value) -> Self {
        let accept = match transport {
            Transport::WebSocket => {
                let mut socket = Socket::acknowledged(server).await;
                socket.subscribe("1", query, variables).await;
                return Self(Line::Socket(Box::new(socket)));
            }
            Transport::Events => "text/event-stream",
            Transport::Parts => {
                "multipart/mixed;boundary=\"graphql\";subscriptionSpec=\"1.0\", application/json"
            }
        };
        let request = Client::new().post(server.at("/graphql")).header(ACCEPT, accept);
        let body = json!({ "query": query, "variables": variables });
        let response = request.json(&body).send().await.unwrap();
        let kind = response.headers()[CONTENT_TYPE].to_str().unwrap();
        assert!(kind.starts_with(accept.split(';').next().unwrap()), "{kind}");
        // So that no proxy holds a piece back.
        assert_eq!(response.headers()["cache-control"], "no-cache");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Self(Line::Http {
            response,
            came: Vec::new(),
            transport,
        })
    }

    /// What comes next.
    pub async fn next(&mut self) -> Outcome {
        match &mut self.0 {
            Line::Socket(socket) => match socket.receive().await {
                Received::Message(message) => outcome_of(message),
                Received::Closed(..) => Outcome::Broken,
            },
            Line::Http {
                response,
                came,
                transport,
            } => loop {
                if let Some(outcome) = take(came, *transport) {
                    return outcome;
                }
                match response.chunk().await {
                    Ok(Some(chunk)) => came.extend(chunk),
                    Ok(None) | Err(_) => return Outcome::Broken,
                }
            },
        }
    }

    /// The next result, which there must be.
    pub async fn result(&mut self) -> Value {
        match self.next().await {
            Outcome::Result(result) => result,
            other => panic!("{other:?}"),
        }
    }
}

fn outcome_of(mut message: Value) -> Outcome {
    match message["type"].as_str() {
        Some("next") => Outcome::Result(message["payload"].take()),
        // Nothing follows it, so that its end is the next outcome of whoever asks.
        Some("error") => Outcome::Result(json!({ "errors": message["payload"] })),
        Some("complete") => Outcome::Complete,
        _ => panic!("{message}"),
    }
}

/// Takes one event or part off what came, if it is whole.
fn take(came: &mut Vec<u8>, transport: Transport) -> Option<Outcome> {
    let boundary: &[u8] = match transport {
        Transport::Parts => b"\r\n--graphql",
        _ => b"\n\n",
    };
    loop {
        if transport == Transport::Parts && came.starts_with(b"--\r\n") {
            return Some(Outcome::Complete);
        }
        let end = came.windows(boundary.len()).position(|bytes| bytes == boundary)?;
        let block: Vec<u8> = came.drain(..end + boundary.len()).take(end).collect();
        let block = String::from_utf8(block).unwrap();
        let outcome = match transport {
            Transport::Parts => part(&block),
            _ => event(&block),
        };
        if outcome.is_some() {
            return outcome;
        }
    }
}

/// What an event says; nothing, if it is a comment.
fn event(block: &str) -> Option<Outcome> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
    match field("event: ")? {
        "next" => Some(Outcome::Result(serde_json::from_str(field("data: ")?).unwrap())),
        "complete" => Some(Outcome::Complete),
        other => panic!("{other}"),
    }
}

/// What a part says; nothing, if it is the opening or a beat.
fn part(block: &str) -> Option<Outcome> {
    let json = block.strip_prefix("\r\ncontent-type: application/json\r\n\r\n")?;
    let mut part: Value = serde_json::from_str(json).unwrap();
    let is_broken = part.get("errors").is_some();
    let payload = part.get_mut("payload")?.take();
    Some(match is_broken {
        true => Outcome::Broken,
        false => Outcome::Result(payload),
    })
}
