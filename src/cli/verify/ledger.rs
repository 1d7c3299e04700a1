//! What the trial's clients did and saw, for the judge.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::view::View;
use crate::domain::{Clock, SystemClock, Timestamp};

/// Everything that was noted.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// Messages that clients meant to write.
    pub writings: Vec<Writing>,
    /// What readers were shown.
    pub views: Vec<View>,
    /// Replies that were to stop.
    pub stops: Vec<Stop>,
    /// What was done to the servers.
    pub disturbances: Vec<Disturbance>,
    /// Servers that ended otherwise than they were told.
    pub exits: Vec<Exit>,
    /// Bad input, and what came of it.
    pub abuses: Vec<Abuse>,
    /// Stalled readers, and how somebody else fared beside them.
    pub stalls: Vec<Stall>,
    /// The longest that this machine and a calm server with its store kept a write waiting, in milliseconds: what a
    /// bound in time cannot be held against.
    pub slack_ms: i64,
    /// Lines that the proxies cut.
    pub cuts: usize,
}

/// A message under a client key, however often it was sent.
#[derive(Clone, Debug, Default)]
pub struct Writing {
    /// Where.
    pub chat: String,
    /// The sender's name for it.
    pub key: String,
    /// What it says.
    pub text: String,
    /// How often it was sent.
    pub sendings: usize,
    /// The servers that may have heard it.
    pub tried: BTreeSet<usize>,
    /// Each acknowledgement.
    pub acks: Vec<Ack>,
    /// Codes of refusals that no retry mends.
    pub refusals: Vec<String>,
    /// Whether it was to be deleted.
    pub deletion: Deletion,
}

/// An acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The message.
    pub message: String,
    /// The reply to it, if it asked for one.
    pub reply: Option<String>,
}

/// Whether a message was to be deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deletion {
    /// No.
    #[default]
    None,
    /// Yes, and whether it is is not known.
    Asked,
    /// Yes, and it is.
    Acknowledged,
}

/// A reply that was to stop.
#[derive(Clone, Debug)]
pub struct Stop {
    /// Which.
    pub reply: String,
    /// The servers that may generate it.
    pub tried: BTreeSet<usize>,
    /// What was answered, in order.
    pub receipts: Vec<Receipt>,
}

/// The answer to a stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Who answered.
    pub server: usize,
    /// When it came.
    pub at: Timestamp,
    /// What it says of the reply.
    pub outcome: Outcome,
    /// Bytes of text that there are.
    pub offset: i64,
    /// When somebody first asked.
    pub requested_at: Option<String>,
}

/// What a receipt says of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was stopped.
    Stopped,
    /// It will be.
    Stopping,
    /// It had ended before.
    EndedBefore,
}

/// What was done to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// `kill -9`.
    Kill,
    /// `SIGTERM`.
    Terminate,
    /// `SIGSTOP`, and `SIGCONT` later.
    Freeze,
    /// Nothing; it ended by itself.
    Exit,
}

/// Something that was done to a server.
#[derive(Clone, Copy, Debug)]
pub struct Disturbance {
    /// Which.
    pub server: usize,
    /// What.
    pub trouble: Trouble,
    /// When it began.
    pub from: Timestamp,
    /// When the server was no more, or stood still.
    pub died_at: Timestamp,
    /// When it answered again; not yet, if there is none.
    pub back_at: Option<Timestamp>,
}

/// A server that ended otherwise than it was told.
#[derive(Clone, Debug)]
pub struct Exit {
    /// Which.
    pub server: usize,
    /// How.
    pub how: String,
    /// The end of its log.
    pub last_words: String,
}

/// Bad input, and what came of it.
#[derive(Clone, Debug)]
pub struct Abuse {
    /// What it was.
    pub name: &'static str,
    /// What was answered, if it is wrong.
    pub fault: Option<String>,
}

/// A reply beside a stalled reader, on a server that nothing else disturbed.
#[derive(Clone, Debug)]
pub struct Stall {
    /// The number of the writing that asked for it.
    pub number: usize,
    /// How long it took from its sending to its first words, as its reader saw it, in milliseconds; `None` if they did not
    /// come.
    pub took_ms: Option<i64>,
}

/// Notes that many clients make.
#[derive(Default)]
pub struct Ledger(Mutex<Notes>);

impl Ledger {
    /// Notes something, or looks something up.
    pub fn note<T>(&self, what: impl FnOnce(&mut Notes) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes how long something took that takes no time on a machine that is idle.
    pub fn slack(&self, ms: i64) {
        self.note(|notes| notes.slack_ms = notes.slack_ms.max(ms));
    }
}

/// The present moment, on the clock that the servers of this machine have too.
pub fn now() -> Timestamp {
    SystemClock.now()
}
