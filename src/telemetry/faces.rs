//! What callers ask for and what they are told, in figures.

use std::time::Duration;

use metrics::{SharedString, counter, histogram};

use super::names::{ERRORS, HTTP_REQUEST};

/// Who talks to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// GraphQL, over whatever transport.
    Graphql,
    /// The documented REST API.
    Rest,
    /// The documented frames over a WebSocket.
    Mt,
}

impl Face {
    /// What a label calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Graphql => "graphql",
            Self::Rest => "rest",
            Self::Mt => "mt",
        }
    }
}

/// A caller was told an error. The code is one of `docs/errors.md`, never a caller's word.
pub fn error(face: Face, code: impl Into<SharedString>) {
    let code: SharedString = code.into();
    counter!(ERRORS, "code" => code, "face" => face.name()).increment(1);
}

/// What a label calls a method of HTTP: a caller can make others up.
pub fn method(name: &str) -> &'static str {
    let known = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];
    known.into_iter().find(|known| *known == name).unwrap_or("OTHER")
}

/// A request was answered: by the route that matched, as the router has it, never by its path.
pub fn request(route: String, method: &'static str, status: u16, took: Duration) {
    histogram!(HTTP_REQUEST, "route" => route, "method" => method, "status" => status.to_string())
        .record(took.as_secs_f64());
}
