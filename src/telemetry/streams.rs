//! Streams and those who follow something on them, in figures.

use metrics::{counter, gauge};

use super::Counted;
use super::faces::Face;
use super::names::{FOLLOWERS, SLOW_READERS, STREAMS_MAX, STREAMS_OPEN};

/// How a stream reaches its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// A WebSocket that speaks GraphQL.
    WebSocket,
    /// GraphQL over server-sent events.
    Sse,
    /// GraphQL in parts of one answer.
    Multipart,
    /// A WebSocket that speaks `mt` frames.
    Mt,
}

impl StreamKind {
    const ALL: [Self; 4] = [Self::WebSocket, Self::Sse, Self::Multipart, Self::Mt];

    fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Sse => "sse",
            Self::Multipart => "multipart",
            Self::Mt => "mt",
        }
    }
}

/// A stream that is open from now on.
pub fn open(kind: StreamKind) -> Counted {
    Counted::by(gauge!(STREAMS_OPEN, "kind" => kind.name()))
}

/// How many streams may be open.
pub fn allowed(streams_max: usize) {
    // Precise far beyond what any machine can hold.
    gauge!(STREAMS_MAX).set(u32::try_from(streams_max).map_or(f64::INFINITY, f64::from));
}

/// Whoever follows one reply from now on.
pub fn follows_reply() -> Counted {
    Counted::by(gauge!(FOLLOWERS, "kind" => "reply"))
}

/// Whoever follows a chat from now on.
pub fn follows_chat() -> Counted {
    Counted::by(gauge!(FOLLOWERS, "kind" => "chat"))
}

/// A socket was closed because its client took a frame too slowly.
pub fn slow_reader(face: Face) {
    counter!(SLOW_READERS, "face" => face.name()).increment(1);
}

/// Shows what has not happened yet as 0.
pub(super) fn begin() {
    for kind in StreamKind::ALL {
        gauge!(STREAMS_OPEN, "kind" => kind.name()).increment(0.0);
    }
    for kind in ["reply", "chat"] {
        gauge!(FOLLOWERS, "kind" => kind).increment(0.0);
    }
    for face in [Face::Graphql, Face::Mt] {
        counter!(SLOW_READERS, "face" => face.name()).absolute(0);
    }
}
