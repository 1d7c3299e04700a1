//! What happened in a run, in the order in which it did: what clients asked and were told, what the store did, what the
//! feed carried, what the bot was asked.

use std::fmt;

use crate::domain::{ChatEvent, ChatId, Message, MessageId, ReplyState};
use crate::service::StopOutcome;

use super::plan::Call;

/// How the run of a server ends: without a word,
pub const KILLED: &str = "killed";
/// in order, after nothing had been done to it,
pub const ENDED: &str = "ends";
/// the same, before the ends of all its replies were stored,
pub const ENDED_UNSTORED: &str = "ends, and the ends of replies are not stored";
/// in order, after it was frozen or cut off, on a store that is not reliable, or before a slow feed was done.
pub const ENDED_HURT: &str = "ends, after it was hurt";

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When, in milliseconds since the start.
    pub at: u64,
    pub note: Note,
}

/// A run of a server: another one after each start. The number tells it apart from all others of the run.
pub type ServerRun = usize;

#[derive(Clone, Debug)]
pub enum Note {
    /// A client called.
    Asked {
        call: usize,
        server: ServerRun,
        what: Call,
    },
    /// It was answered.
    Answered { call: usize, answer: Answer },
    /// A follower of a chat, or of a reply in it, was told something.
    Told {
        follower: usize,
        chat: ChatId,
        told: Told,
    },
    /// The store did something for a server.
    Did { server: ServerRun, effect: Effect },
    /// The answer to what the store did last for this server was lost.
    AnswerLost { server: ServerRun, effect: &'static str },
    /// A server published an event.
    Published {
        server: ServerRun,
        chat: ChatId,
        event: ChatEvent,
    },
    /// The feed took it.
    Carried { chat: ChatId, event: ChatEvent },
    /// The log of a chat began anew, because events are missing in it: followers are told to read again.
    Renewed { chat: ChatId },
    /// The bot was called: with this question last.
    Called {
        call: usize,
        server: ServerRun,
        question: String,
    },
    /// The text that a call of the bot began became that of a reply.
    Wrote { call: usize, reply: MessageId },
    /// A server began, ended, or was hurt.
    Server { server: ServerRun, what: String },
    /// A server was missed, and all logs began anew.
    Missed { server: ServerRun },
    /// The feed was saved or came back.
    Feed { what: &'static str },
}

/// How a call ended.
#[derive(Clone, Debug)]
pub enum Answer {
    Sent {
        message: MessageId,
        reply: MessageId,
    },
    Created {
        message: MessageId,
    },
    Regenerated {
        reply: MessageId,
    },
    Edited,
    Deleted,
    Stopped {
        reply: MessageId,
        outcome: StopOutcome,
    },
    StoppedAll {
        replies: Vec<MessageId>,
    },
    /// Refused for good, with this code.
    Refused {
        code: &'static str,
    },
    /// Failed, and whether anything was done is not known.
    Unknown {
        code: &'static str,
    },
    /// The server died.
    Lost,
    /// The caller went away.
    Left,
    /// There was nothing to do it to.
    Nothing,
}

/// What a follower is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is connected to this server, and follows this reply, or the chat.
    Connected {
        server: ServerRun,
        reply: Option<MessageId>,
    },
    /// The server that it is connected to has come to its end, and lets it go.
    LetGo {
        server: ServerRun,
    },
    Resync,
    Added {
        id: MessageId,
        text: String,
    },
    Updated {
        id: MessageId,
        text: String,
        reaction: Option<String>,
        /// Whether it is a reply that has not ended.
        is_growing: bool,
    },
    Deleted(MessageId),
    ChatUpdated {
        title: String,
    },
    Typing,
    ChatDeleted,
    /// There is no such chat or reply any more.
    Gone,
    /// A reply, with its text so far.
    Shown {
        reply: MessageId,
        reaction: Option<String>,
        is_exact: bool,
    },
    /// More of a reply's text; whether all that it has is what the cursor stands for.
    Text {
        reply: MessageId,
        is_exact: bool,
    },
    Finished {
        reply: MessageId,
        state: Option<ReplyState>,
        text: String,
        reaction: Option<String>,
        is_exact: bool,
    },
}

/// What the store did.
#[derive(Clone, Debug)]
pub enum Effect {
    /// A message was stored, with how many replies of its chat then stream.
    Stored {
        message: Box<Message>,
        streaming: usize,
    },
    Updated {
        chat: ChatId,
        id: MessageId,
        reaction: Option<String>,
    },
    Deleted {
        chat: ChatId,
        id: MessageId,
    },
    /// A reply was removed that nobody may see: half of an exchange, or what is left in a chat that is gone.
    Removed {
        chat: ChatId,
        id: MessageId,
    },
    ChatUpdated {
        chat: ChatId,
    },
    ChatDeleted {
        chat: ChatId,
    },
    StopNoted {
        id: MessageId,
    },
    Ended {
        id: MessageId,
        state: ReplyState,
    },
}

impl fmt::Display for Entry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:>6} ms  ", self.at)?;
        match &self.note {
            Note::Asked { call, server, what } => write!(out, "call {call} to server {server}: {what:?}"),
            Note::Answered { call, answer } => write!(out, "call {call} ends: {answer}"),
            Note::Told { follower, chat, told } => {
                write!(out, "follower {follower} of chat {chat}: {told:?}")
            }
            Note::Did { server, effect } => write!(out, "the store, for server {server}: {effect}"),
            Note::AnswerLost { server, effect } => write!(out, "server {server} is not answered {effect}"),
            Note::Published { server, chat, event } => {
                write!(out, "server {server} tells chat {chat}: {event:?}")
            }
            Note::Carried { chat, event } => write!(out, "the feed tells chat {chat}: {event:?}"),
            Note::Renewed { chat } => write!(out, "the feed begins the log of chat {chat} anew"),
            Note::Called {
                call,
                server,
                question,
            } => {
                write!(out, "server {server} asks the bot, as c{call}: \"{question}\"")
            }
            Note::Wrote { call, reply } => write!(out, "c{call} is the text of {reply}"),
            Note::Server { server, what } => write!(out, "server {server} {what}"),
            Note::Missed { server } => write!(out, "server {server} is missed, and all logs begin anew"),
            Note::Feed { what } => write!(out, "the feed {what}"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { code } => write!(out, "refused with {code}"),
            Self::Unknown { code } => write!(out, "failed with {code}"),
            answer => write!(out, "{answer:?}"),
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored { message, streaming } => {
                let Message {
                    id, chat_id, text, ..
                } = message.as_ref();
                match &message.reply {
                    Some(reply) => write!(
                        out,
                        "reply {id} in chat {chat_id} to {:?} of {}, ",
                        reply.in_reply_to, reply.owner
                    )?,
                    None => write!(out, "message {id} in chat {chat_id} \"{text}\", ")?,
                }
                write!(out, "at {}; {streaming} replies stream", message.created_at)
            }
            Self::StopNoted { id } => write!(out, "a stop of {id} is noted"),
            Self::Ended { id, state } => write!(out, "{id} ends as {}", state.name()),
            effect => write!(out, "{effect:?}"),
        }
    }
}

/// The label that a text begins with: `p12` of `p12 tell me more`.
pub fn label_of(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}
