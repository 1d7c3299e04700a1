//! Why the server closes a socket: the codes of the protocol document, and those of RFC 6455 that clients retry on.

use std::borrow::Cow;

use axum::extract::ws::{CloseFrame, Utf8Bytes};

/// A close code and what to say with it, at most 123 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close(u16, Cow<'static, str>);

impl Close {
    /// A message that the protocol does not have.
    pub const BAD_MESSAGE: Self = Self(4400, Cow::Borrowed("Invalid message"));
    /// An operation before `connection_ack`.
    pub const UNAUTHORIZED: Self = Self(4401, Cow::Borrowed("Unauthorized"));
    /// A handshake that offers no subprotocol that is spoken here.
    pub const BAD_SUBPROTOCOL: Self = Self(4406, Cow::Borrowed("Subprotocol not acceptable"));
    /// No token, or none that is valid, or one that is no more. Clients come back with another.
    pub const FORBIDDEN: Self = Self(4403, Cow::Borrowed("Forbidden"));
    /// What is needed to let anybody in is not there now.
    pub const TRY_AGAIN_LATER: Self = Self(1013, Cow::Borrowed("Try again later"));
    /// No `connection_init` in time.
    pub const INIT_TIMEOUT: Self = Self(4408, Cow::Borrowed("Connection initialisation timeout"));
    /// A second `connection_init`.
    pub const TOO_MANY_INITS: Self = Self(4429, Cow::Borrowed("Too many initialisation requests"));
    /// The server ends.
    pub const GOING_AWAY: Self = Self(1012, Cow::Borrowed("Service restart"));
    /// A frame waited too long to be taken.
    pub const SLOW_CONSUMER: Self = Self(1013, Cow::Borrowed("Slow consumer"));
    /// Nothing came for too long.
    pub const DEAD_PEER: Self = Self(1001, Cow::Borrowed("No answer to pings"));

    /// A message over the bound.
    pub const TOO_BIG: Self = Self(1009, Cow::Borrowed("Message too big"));

    /// The id of an operation that is under way is used again.
    pub fn subscriber_exists(id: &str) -> Self {
        let shown = id.get(..id.floor_char_boundary(64)).unwrap_or_default();
        Self(4409, Cow::Owned(format!("Subscriber for {shown} already exists")))
    }

    /// Whether mutations under way are answered first. Clients come back after this, and send again what has no answer.
    pub fn lets_answers_pass(&self) -> bool {
        [Self::GOING_AWAY, Self::FORBIDDEN].contains(self)
    }

    /// The frame that says so.
    pub fn frame(self) -> CloseFrame {
        CloseFrame {
            code: self.0,
            reason: Utf8Bytes::from(self.1.as_ref()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_fits_into_a_close_frame_however_long_the_id() {
        for id in ["1", "", &"क".repeat(1000)] {
            let reason = Close::subscriber_exists(id).frame().reason;
            assert!(reason.len() <= 123, "{reason}");
        }
    }
}
