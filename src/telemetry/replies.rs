//! Replies in figures.

use metrics::{Counter, counter, gauge, histogram};

use super::Counted;
use super::names::{
    CHECKPOINT_FAILURES, REPLIES, REPLIES_LIVE, REPLIES_RECOVERED, REPLIES_UNSTORED, REPLY_FIRST_PIECE,
    REPLY_OVERHEAD, REPLY_PIECES, REPLY_TOKENS,
};
use crate::domain::{ReplyOutcome, ReplyState, Timestamp, TokenCount};

/// A reply that this server generates from now on.
pub fn live() -> Counted {
    Counted::by(gauge!(REPLIES_LIVE))
}

/// An end that waits for the store from now on.
pub fn unstored() -> Counted {
    Counted::by(gauge!(REPLIES_UNSTORED))
}

/// Counts the pieces of one reply: found once, so that a piece costs one addition.
pub struct Pieces(Counter);

/// The count for a reply that begins.
pub fn pieces() -> Pieces {
    Pieces(counter!(REPLY_PIECES))
}

impl Pieces {
    /// One more piece.
    pub fn add(&self) {
        self.0.increment(1);
    }
}

/// A reply that was asked for at `asked_at` has ended.
pub fn ended(outcome: &ReplyOutcome, asked_at: Timestamp) {
    counter!(REPLIES, "state" => outcome.state.name()).increment(1);
    if let Some(first) = outcome.first_piece_at {
        let waited_ms = first.millis().saturating_sub(asked_at.millis()).max(0);
        histogram!(REPLY_FIRST_PIECE).record(seconds(waited_ms, 1e3));
    }
    if let Some(overhead_us) = outcome.overhead_us {
        histogram!(REPLY_OVERHEAD).record(seconds(overhead_us, 1e6));
    }
    if let Some(usage) = outcome.usage {
        spent("prompt", usage.prompt);
        spent("completion", usage.completion);
    }
}

/// A reply of a server that died was closed.
pub fn recovered() {
    counter!(REPLIES_RECOVERED).increment(1);
}

/// A checkpoint was not stored.
pub fn checkpoint_failed() {
    counter!(CHECKPOINT_FAILURES).increment(1);
}

fn spent(kind: &'static str, count: TokenCount) {
    tokens(kind, count.is_estimated).increment(u64::try_from(count.tokens).unwrap_or(0));
}

fn tokens(kind: &'static str, is_estimated: bool) -> Counter {
    let figure = match is_estimated {
        true => "estimated",
        false => "reported",
    };
    counter!(REPLY_TOKENS, "kind" => kind, "figure" => figure)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "durations are far below 2^53 of any unit"
)]
fn seconds(time: i64, per_second: f64) -> f64 {
    time as f64 / per_second
}

/// Shows what has not happened yet as 0, so that its first time is seen as a growth.
pub(super) fn begin() {
    for state in ReplyState::ALL {
        if state.is_final() {
            counter!(REPLIES, "state" => state.name()).absolute(0);
        }
    }
    for kind in ["prompt", "completion"] {
        for is_estimated in [false, true] {
            tokens(kind, is_estimated).absolute(0);
        }
    }
    for name in [REPLY_PIECES, REPLIES_RECOVERED, CHECKPOINT_FAILURES] {
        counter!(name).absolute(0);
    }
    for name in [REPLIES_LIVE, REPLIES_UNSTORED] {
        gauge!(name).increment(0.0);
    }
}
