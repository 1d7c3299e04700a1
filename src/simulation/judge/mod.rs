//! What must hold, looked for in the history of a run and in what the store holds at its end.

mod followers;
mod replies;

use std::collections::{BTreeMap, BTreeSet};

use super::history::{Answer, Effect, Entry, Note, label_of};
use super::plan::Call;
use crate::domain::{ChatId, Message, MessageId};

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
    /// A server changed something, lived, and never told followers.
    NeverTold,
    /// An event was carried, and a follower was neither told it nor told to read again.
    MissedUnseen,
    /// A message was stored again after its deletion.
    BroughtBack,
    /// A follower was told of a message behind its deletion.
    AfterDeletion,
    /// A follower had another text of a reply than its cursor, or its end, stands for.
    WrongText,
    /// A follower was told that a reply ended otherwise than is stored.
    WrongState,
    /// Whoever followed one reply was never told its end.
    EndUntold,
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

/// What a run left behind.
pub struct Judge<'a> {
    history: &'a [Entry],
    messages: BTreeMap<MessageId, Message>,
    chats: BTreeSet<ChatId>,
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
    pub fn new(history: &'a [Entry], messages: Vec<Message>, chats: BTreeSet<ChatId>) -> Self {
        let mut judge = Self {
            history,
            messages: messages
                .into_iter()
                .map(|message| (message.id, message))
                .collect(),
            chats,
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
                    self.breach(Kind::BroughtBack, what);
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

    /// Every breach, once of each kind.
    pub fn judge(mut self) -> Vec<Breach> {
        self.what_is_stored();
        self.what_was_refused();
        self.calls_of_the_bot();
        self.stops();
        self.bound();
        self.tellings();
        self.followers();
        self.order();
        self.breaches.sort_by_key(|breach| breach.kind);
        self.breaches.dedup_by_key(|breach| breach.kind);
        self.breaches
    }

    fn breach(&mut self, kind: Kind, what: String) {
        self.breaches.push(Breach { kind, what });
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

    fn what_is_stored(&mut self) {
        let mut found = Vec::new();
        let mut labels = BTreeMap::new();
        for message in self.messages.values() {
            let id = message.id;
            if !self.chats.contains(&message.chat_id) {
                found.push((
                    Kind::LeftInDeletedChat,
                    format!("{id} ({}) is gone with its chat", message.text),
                ));
                continue;
            }
            if message.is_under_way() {
                found.push((Kind::NeverEnds, format!("{id} has ended")));
            }
            if message.reply.is_none()
                && let Some(other) = labels.insert((message.chat_id, label_of(&message.text)), id)
            {
                found.push((
                    Kind::Doubled,
                    format!("{other} and {id} ({}) are one message", message.text),
                ));
            }
            let prompt = message.reply.as_ref().and_then(|reply| reply.in_reply_to);
            if let Some(prompt) = prompt.filter(|prompt| !self.stored.contains_key(prompt)) {
                let what = format!("{id} is removed, whose prompt {prompt} was never stored");
                found.push((Kind::HalfIsKept, what));
            }
            if let Some(reply) = message.reply_id
                && !self.messages.contains_key(&reply)
                && !self.deleted.contains_key(&reply)
            {
                found.push((
                    Kind::PromptWithoutReply,
                    format!(
                        "the prompt {id} ({}) has the reply {reply} that it names",
                        message.text
                    ),
                ));
            }
        }
        let mut of_keys = BTreeMap::new();
        for asking in self.calls.values() {
            let ids = asking
                .answer
                .map_or_else(Vec::new, |(_, answer)| Self::acknowledged(answer));
            if let (Some(key), Some(id)) = (asking.what.key(), ids.first())
                && self.messages.contains_key(id)
                && let Some(other) = of_keys.insert(key, *id).filter(|other| other != id)
            {
                found.push((Kind::Doubled, format!("{other} and {id} were sent as one")));
            }
            for id in ids {
                let is_gone = !self.messages.contains_key(&id) && !self.deleted.contains_key(&id);
                let chat = self.stored.get(&id).map(|(_, message)| message.chat_id);
                if is_gone && chat.is_none_or(|chat| self.chats.contains(&chat)) {
                    found.push((Kind::Lost, format!("{id} was acknowledged and is there")));
                }
            }
        }
        self.breaches
            .extend(found.into_iter().map(|(kind, what)| Breach { kind, what }));
    }

    fn what_was_refused(&mut self) {
        let mut refused: BTreeMap<String, bool> = BTreeMap::new();
        for asking in self.calls.values() {
            let label = match asking.what {
                Call::Send { label, .. } => format!("p{label}"),
                Call::Create { label, .. } => format!("m{label}"),
                _ => continue,
            };
            let is_refused = matches!(asking.answer, Some((_, Answer::Refused { .. })));
            let always = refused.entry(label).or_insert(true);
            *always &= is_refused;
        }
        let stored = self
            .messages
            .values()
            .filter(|message| message.reply.is_none() && refused.get(label_of(&message.text)) == Some(&true));
        let stored: Vec<_> = stored
            .map(|message| format!("{} was refused and is not stored", message.text))
            .collect();
        for what in stored {
            self.breach(Kind::RefusedYetStored, what);
        }
    }

    fn order(&mut self) {
        let place = |id: &MessageId| {
            self.messages
                .get(id)
                .map(|message| (message.created_at, message.id))
        };
        let mut acknowledged = Vec::new();
        for asking in self.calls.values() {
            if let Some((at, answer)) = asking.answer
                && let Some(message) = Self::acknowledged(answer).first()
            {
                let stored_in = self
                    .stored
                    .get(message)
                    .map(|(at, message)| (*at, message.chat_id));
                // Of one that was joined, the first call counts.
                if let Some((_, chat)) = stored_in.filter(|(stored, _)| *stored > asking.from) {
                    acknowledged.push((asking.from, at, chat, *message));
                }
            }
        }
        let mut found = Vec::new();
        for (_, answered, chat, first) in &acknowledged {
            for (from, _, other_chat, second) in &acknowledged {
                let is_later = from > answered && chat == other_chat && first != second;
                if is_later
                    && place(first)
                        .zip(place(second))
                        .is_some_and(|(first, second)| first >= second)
                {
                    found.push(format!(
                        "{second} was sent after {first} was acknowledged, and stands behind it"
                    ));
                }
            }
        }
        for message in self.messages.values() {
            let prompt = message.reply.as_ref().and_then(|reply| reply.in_reply_to);
            if let Some(prompt) = prompt.and_then(|prompt| place(&prompt))
                && prompt >= (message.created_at, message.id)
            {
                found.push(format!("the reply {} stands behind its prompt", message.id));
            }
        }
        for what in found {
            self.breach(Kind::OrderNotRising, what);
        }
    }
}
