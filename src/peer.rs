//! What every WebSocket of this server expects of its peer, whatever is spoken over it.

use std::time::Duration;

/// How often the server sends a WebSocket ping.
pub const PING_EVERY: Duration = Duration::from_secs(20);
/// How long a peer may be silent, pongs included, before it is taken for dead.
pub const SILENCE_MAX: Duration = Duration::from_secs(45);
/// How long one frame may wait for the peer to take it.
pub const WRITE_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long the closing handshake may take.
pub const CLOSE_WAIT_MAX: Duration = Duration::from_secs(1);

/// Whether what came was over the bound. The WebSocket library's own error type is not at hand here, only its words.
pub fn sent_too_much(error: &dyn std::error::Error) -> bool {
    error.to_string().starts_with("Space limit exceeded")
}
