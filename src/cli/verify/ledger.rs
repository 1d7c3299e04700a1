//! What the trial's clients did and saw, for the judge.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::bot::{Call, Speech};
use super::view::View;
use crate::domain::{Clock, SystemClock, Timestamp};

/// The code with which a server says that something is not there.
pub const GONE: &str = "NOT_FOUND";

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
    /// Chats that were to be deleted.
    pub deletions: BTreeMap<String, ChatDeletion>,
    /// What servers still had of what was deleted.
    pub looks: Vec<Look>,
    /// Calls to the bot, by their numbers.
    pub calls: Vec<Call>,
    /// Prompts and messages that were sent in the same instant, by their numbers among the writings.
    pub pairs: Vec<[usize; 2]>,
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
    /// What it says. No two say the same.
    pub text: String,
    /// How the bot answers, if it is asked.
    pub speech: Speech,
    /// The calls to the bot that it is the prompt of, by their numbers.
    pub calls: Vec<usize>,
    /// When it was first sent.
    pub sent_at: Option<Timestamp>,
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
    /// The server that acknowledged it.
    pub server: usize,
    /// When that came.
    pub at: Timestamp,
}

/// Whether something was to be deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deletion {
    /// No.
    #[default]
    None,
    /// Yes, and whether it is is not known.
    Asked,
    /// Yes, and since this moment it is known that it is.
    Acknowledged(Timestamp),
}

impl Deletion {
    /// Since when it is known to be deleted, if it is.
    pub fn acknowledged_at(self) -> Option<Timestamp> {
        match self {
            Self::Acknowledged(at) => Some(at),
            Self::None | Self::Asked => None,
        }
    }
}

/// A chat that was to be deleted.
#[derive(Clone, Debug, Default)]
pub struct ChatDeletion {
    /// Whether it is.
    pub deletion: Deletion,
    /// What each of its subscribers was last sent of it, besides that it is deleted.
    pub told: Vec<Told>,
}

/// Something that a server sent to a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Which server.
    pub server: usize,
    /// When it came.
    pub at: Timestamp,
}

/// A look for what was deleted, begun after its deletion was acknowledged.
#[derive(Clone, Debug)]
pub struct Look {
    /// The chat or the message that was deleted.
    pub id: String,
    /// The server that was asked.
    pub server: usize,
    /// What it still had of it.
    pub found: Vec<String>,
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
    /// How long it took from its sending to its first words, as its reader saw it, in milliseconds; `None` if they did
    /// not come.
    pub took_ms: Option<i64>,
}

impl Writing {
    /// When it was first acknowledged.
    pub fn acknowledged_at(&self) -> Option<Timestamp> {
        self.acks.iter().map(|ack| ack.at).min()
    }
}

impl Notes {
    /// Since when a message is known to be deleted, alone or with its chat.
    pub fn gone_since(&self, writing: &Writing) -> Option<Timestamp> {
        let with_chat = self.deletion_of(&writing.chat).acknowledged_at();
        let alone = writing.deletion.acknowledged_at();
        with_chat.into_iter().chain(alone).min()
    }

    /// How many chats are known to be deleted.
    pub fn chats_deleted(&self) -> usize {
        let deletions = self.deletions.values();
        let known = deletions.filter(|noted| noted.deletion.acknowledged_at().is_some());
        known.count()
    }

    /// How many messages are known to be deleted alone.
    pub fn messages_deleted(&self) -> usize {
        let writings = self.writings.iter();
        let known = writings.filter(|writing| writing.deletion.acknowledged_at().is_some());
        known.count()
    }

    /// Whether a chat was to be deleted.
    pub fn deletion_of(&self, chat: &str) -> Deletion {
        let noted = self.deletions.get(chat);
        noted.map_or(Deletion::None, |noted| noted.deletion)
    }
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
