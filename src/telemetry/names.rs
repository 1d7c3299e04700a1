//! What is measured: every metric with its name, its labels and what it counts. `docs/metrics.md` has the same table, and
//! `ops/` asks for nothing else.
//!
//! Every label has few values: routes, states, codes and operations are named by the code, never by a caller.

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, until the process ends.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It sorts durations, in seconds, by these upper bounds.
    Histogram(Buckets),
}

/// The upper bounds of a histogram, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buckets {
    /// Half a millisecond to ten seconds: what one call of a store, a feed or an HTTP route takes.
    Calls,
    /// 50 milliseconds to two minutes: what somebody waits for a bot.
    Waits,
    /// A tenth of a millisecond to one second: what a whole reply takes of our own time.
    Overheads,
}

impl Buckets {
    /// The bounds, in seconds.
    pub const fn bounds(self) -> &'static [f64] {
        match self {
            Self::Calls => &[
                0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
            ],
            Self::Waits => &[
                0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0,
            ],
            Self::Overheads => &[
                0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
            ],
        }
    }
}

/// One metric, as operators see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// What it is called.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// Its labels, in the order of `docs/metrics.md`.
    pub labels: &'static [&'static str],
    /// What it counts.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($name:ident = $text:literal, $kind:expr, [$($label:literal),*]: $help:literal;)*) => {
        $(
            #[doc = concat!($help, ".")]
            pub const $name: &str = $text;
        )*

        /// Every metric of Colloquy's own. Those of the process (`process_…`) come from the operating system.
        pub const METRICS: &[Metric] = &[$(
            Metric { name: $name, kind: $kind, labels: &[$($label),*], help: $help },
        )*];
    };
}

use Kind::{Counter, Gauge, Histogram};

metrics! {
    REPLIES_LIVE = "colloquy_replies_live", Gauge, []: "Replies that this server generates, those that wait for their turn included";
    REPLIES = "colloquy_replies_total", Counter, ["state"]: "Replies of this server that have ended, by how";
    REPLY_PIECES = "colloquy_reply_pieces_total", Counter, []: "Pieces of text that bots said";
    REPLY_FIRST_PIECE = "colloquy_reply_first_piece_seconds", Histogram(Buckets::Waits), []: "From the moment a reply was asked for to its first piece of text, its turn in the chat waited for";
    REPLY_OVERHEAD = "colloquy_reply_overhead_seconds", Histogram(Buckets::Overheads), []: "What Colloquy itself took of a whole reply, the bot not waited for";
    REPLY_TOKENS = "colloquy_reply_tokens_total", Counter, ["kind", "figure"]: "Tokens that replies cost, by what they were and who counted them";
    REPLIES_RECOVERED = "colloquy_replies_recovered_total", Counter, []: "Replies of servers that died, closed by this one";
    REPLIES_UNSTORED = "colloquy_replies_unstored", Gauge, []: "Replies that have ended and whose end waits for the store";
    CHECKPOINT_FAILURES = "colloquy_checkpoint_failures_total", Counter, []: "Checkpoints that were not stored; the next one holds their text as well";
    STREAMS_OPEN = "colloquy_streams_open", Gauge, ["kind"]: "WebSockets, event streams and multipart answers that are open";
    STREAMS_MAX = "colloquy_streams_max", Gauge, []: "How many of them the limit streams allows";
    FOLLOWERS = "colloquy_followers", Gauge, ["kind"]: "Whoever follows one reply, or a chat with all its replies";
    SLOW_READERS = "colloquy_slow_readers_total", Counter, ["face"]: "Sockets that were closed because their client took a frame too slowly";
    STORE_OPERATION = "colloquy_store_operation_seconds", Histogram(Buckets::Calls), ["operation"]: "What the store took for one operation, failed ones included";
    STORE_ERRORS = "colloquy_store_errors_total", Counter, ["operation", "kind"]: "Operations that the store failed";
    FEED_OPERATION = "colloquy_feed_operation_seconds", Histogram(Buckets::Calls), ["operation"]: "What a feed outside this process took for one operation, failed ones included";
    FEED_ERRORS = "colloquy_feed_errors_total", Counter, ["operation"]: "Operations that a feed outside this process failed";
    FEED_UP = "colloquy_feed_up", Gauge, []: "1 while the feed carries events, else 0; the one within the process always does";
    ERRORS = "colloquy_errors_total", Counter, ["code", "face"]: "Errors that callers were told, by their code in docs/errors.md";
    HTTP_REQUEST = "colloquy_http_request_seconds", Histogram(Buckets::Calls), ["route", "method", "status"]: "From the head of a request to the head of its answer";
    BUILD_INFO = "colloquy_build_info", Gauge, ["version"]: "Always 1";
    READY = "colloquy_ready", Gauge, []: "1 while /health/ready answers 200, else 0";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_bounds_ascend() {
        let mut names: Vec<_> = METRICS.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METRICS.len());
        for metric in METRICS {
            assert!(metric.name.starts_with("colloquy_"), "{}", metric.name);
            assert_eq!(
                metric.kind == Counter,
                metric.name.ends_with("_total"),
                "{}",
                metric.name
            );
            if let Histogram(buckets) = metric.kind {
                assert!(metric.name.ends_with("_seconds"), "{}", metric.name);
                assert!(buckets.bounds().is_sorted_by(|one, next| one < next));
            }
        }
    }
}
