//! What must hold, looked for in the history of a run and in what the store holds at its end.

mod followers;
mod messages;
mod replies;

use std::collections::{BTreeMap, BTreeSet};

use super::history::{Answer, Effect, Entry, Note};
use super::plan::Call;
use crate::domain::{Chat, ChatId, Message, MessageId};

/// A kind of breach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// What was acknowledged is gone, and nobody deleted it.
    Lost,
    /// One sending was stored twice.
    Doubled,
    /// A prompt names a reply that does not exist, and that nobody deleted.
    PromptWithoutReply,
    /// A message is stored that its sender was refused, each time.
    RefusedYetStored,
    /// A reply never ended.
    NeverEnds,
    /// The bot was called for a reply, and no bill says what that used.
    Unbilled,
    /// The bot was called twice for one reply.
    CalledTwice,
    /// The bot was asked something else than the prompt that its reply names.
    AnswersAnother,
    /// The bot was called for a reply whose prompt was deleted, and asked what stood before it.
    AskedForGonePrompt,
    /// A message is left in a chat that was deleted.
    LeftInDeletedChat,
    /// The bot was called for a chat that had been deleted for seconds.
    CalledForDeletedChat,
    /// A follower was told that a reply has ended that still streams.
    FinishedStreaming,
    /// A reply was under way when a follower read the chat, and it was never told its end.
    UnknownElsewhere,
    /// A reply was under way when all were stopped, and nobody noted that it shall stop.
    StopMissed,
    /// Somebody was told that a reply stops, and it ended as interrupted.
    StopForgotten,
    /// A stop was noted, and the reply ended by itself.
    StopIgnored,
    /// More replies of a chat were under way than there may be.
    TooManyUnderWay,
    /// A server changed something, was not killed, and followers were never told.
    NeverTold,
    /// An event was carried, and a follower was neither told it nor told to read again.
    MissedUnseen,
    /// What a follower was told last of a message or a chat is not what is stored.
    Stale,
    /// A message was stored again after its deletion.
    BroughtBack,
    /// A follower was told of a message behind its deletion.
    AfterDeletion,
    /// A follower had another text of a reply than its cursor, or its end, stands for.
    WrongText,
    /// A follower was told that a reply ended otherwise than is stored.
    WrongState,
    /// A follower was told the end of a reply twice, without being cut off in between.
    EndTwice,
    /// Whoever followed one reply was never told its end.
    EndUntold,
    /// Whoever followed a reply on its own server was not told its end when that server shut down.
    LetGoUntold,
    /// A server that nothing was done to ended before the ends of its replies were stored.
    EndsUnstored,
    /// A reply is kept whose prompt was never stored.
    HalfIsKept,
    /// A message that was written after another was acknowledged stands before it; or a reply before its prompt.
    OrderNotRising,
}

/// Kinds that the code is known to breach.
pub const KNOWN: &[Kind] = &[];

/// What was found, and what was expected instead.
#[derive(Clone, Debug)]
pub struct Breach {
    pub kind: Kind,
    pub what: String,
}

impl Breach {
    fn new(kind: Kind, what: String) -> Self {
        Self { kind, what }
    }
}

/// What the store holds at the end of a run.
pub struct Left {
    pub messages: Vec<Message>,
    pub chats: BTreeMap<ChatId, Chat>,
    /// The replies that have a bill.
    pub billed: BTreeSet<MessageId>,
}

/// A run, and what it left behind.
pub struct Judge<'a> {
    history: &'a [Entry],
    messages: BTreeMap<MessageId, Message>,
    chats: BTreeMap<ChatId, Chat>,
    billed: BTreeSet<MessageId>,
    /// Of each message that was stored: where in the history, and as what.
    stored: BTreeMap<MessageId, (usize, &'a Message)>,
    /// Of each message that was deleted: where in the history.
    deleted: BTreeMap<MessageId, usize>,
    /// Replies that were removed by a server and not by a user: a late write may store the whole exchange after all.
    removed: BTreeSet<MessageId>,
    /// Of each reply that ended: where in the history.
    ended: BTreeMap<MessageId, usize>,
    calls: BTreeMap<usize, Asking<'a>>,
    breaches: Vec<Breach>,
}

/// A call of a client: where it begins and ends in the history.
struct Asking<'a> {
    from: usize,
    what: &'a Call,
    answer: Option<(usize, &'a Answer)>,
}

impl<'a> Judge<'a> {
    pub fn new(history: &'a [Entry], left: Left) -> Self {
        let messages = left.messages.into_iter();
        let mut judge = Self {
            history,
            messages: messages.map(|message| (message.id, message)).collect(),
            chats: left.chats,
            billed: left.billed,
            stored: BTreeMap::new(),
            deleted: BTreeMap::new(),
            removed: BTreeSet::new(),
            ended: BTreeMap::new(),
            calls: BTreeMap::new(),
            breaches: Vec::new(),
        };
        for (at, entry) in history.iter().enumerate() {
            judge.index(at, &entry.note);
        }
        judge
    }

    fn index(&mut self, at: usize, note: &'a Note) {
        match note {
            Note::Did {
                effect: Effect::Stored { message, .. },
                ..
            } => {
                if self.deleted.contains_key(&message.id) && !self.removed.contains(&message.id) {
                    let what = format!("{} stays deleted, and is not stored again", message.id);
                    self.breaches.push(Breach::new(Kind::BroughtBack, what));
                }
                self.stored.entry(message.id).or_insert((at, message));
            }
            Note::Did {
                effect: Effect::Deleted { id, .. },
                ..
            } => drop(self.deleted.insert(*id, at)),
            Note::Did {
                effect: Effect::Removed { id, .. },
                ..
            } => {
                self.deleted.insert(*id, at);
                self.removed.insert(*id);
            }
            Note::Did {
                effect: Effect::Ended { id, .. },
                ..
            } => drop(self.ended.insert(*id, at)),
            Note::Asked { call, what, .. } => {
                let asking = Asking {
                    from: at,
                    what,
                    answer: None,
                };
                self.calls.insert(*call, asking);
            }
            Note::Answered { call, answer } => {
                if let Some(asking) = self.calls.get_mut(call) {
                    asking.answer = Some((at, answer));
                }
            }
            _ => {}
        }
    }

    /// The message of an answer, if it acknowledges one, and the reply.
    fn acknowledged(answer: &Answer) -> Vec<MessageId> {
        match answer {
            Answer::Sent { message, reply } => vec![*message, *reply],
            Answer::Created { message } => vec![*message],
            Answer::Regenerated { reply } => vec![*reply],
            _ => Vec::new(),
        }
    }

    /// Every breach, once of each kind.
    pub fn judge(mut self) -> Vec<Breach> {
        let found = [
            self.what_is_stored(),
            self.what_was_refused(),
            self.calls_of_the_bot(),
            self.stops(),
            self.bound(),
            self.tellings(),
            self.followers(),
            self.shutdowns(),
            self.order(),
        ];
        self.breaches.extend(found.into_iter().flatten());
        self.breaches.sort_by_key(|breach| breach.kind);
        self.breaches.dedup_by_key(|breach| breach.kind);
        self.breaches
    }
}
