//! What must hold, looked for in the history of a run and in what the store holds at its end.

use std::collections::{BTreeMap, BTreeSet};

use super::clients::chat_id;
use super::history::{Answer, Effect, Entry, Note, ServerRun, Told, label_of};
use super::plan::Call;
use crate::domain::{ChatEvent, ChatId, Message, MessageId, ReplyState, WhileReplying};
use crate::engine::REPLIES_PER_CHAT_MAX;
use crate::service::StopOutcome;

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
    /// A message that was written after another was acknowledged stands before it; or a reply before its prompt.
    OrderNotRising,
}

/// Kinds that the code is known to breach.
pub const KNOWN: &[Kind] = &[
    Kind::PromptWithoutReply,
    Kind::RefusedYetStored,
    Kind::CalledTwice,
    Kind::AnswersAnother,
    Kind::AskedForGonePrompt,
    Kind::LeftInDeletedChat,
    Kind::CalledForDeletedChat,
    Kind::FinishedStreaming,
    Kind::UnknownElsewhere,
    Kind::StopMissed,
    Kind::StopForgotten,
    Kind::StopIgnored,
    Kind::TooManyUnderWay,
    Kind::NeverTold,
    Kind::MissedUnseen,
    Kind::BroughtBack,
    Kind::AfterDeletion,
    Kind::WrongText,
    Kind::OrderNotRising,
];

/// What was found, and what was expected instead.
#[derive(Clone, Debug)]
pub struct Breach {
    pub kind: Kind,
    pub what: String,
}

/// How long after a chat's deletion a call of the bot may still be on its way, in milliseconds.
const CALL_ON_ITS_WAY_MS: u64 = 5_000;

/// What a run left behind.
pub struct Judge<'a> {
    history: &'a [Entry],
    messages: BTreeMap<MessageId, Message>,
    chats: BTreeSet<ChatId>,
    /// Of each message that was stored: where in the history, and as what.
    stored: BTreeMap<MessageId, (usize, &'a Message)>,
    /// Of each message that was deleted: where in the history.
    deleted: BTreeMap<MessageId, usize>,
    /// Of each reply that ended: where in the history.
    ended: BTreeMap<MessageId, usize>,
    calls: BTreeMap<usize, Asking<'a>>,
    breaches: Vec<Breach>,
}

/// What a follower was told, and where in the history.
type Telling<'a> = (usize, &'a Told);
type Tellings<'a> = Vec<Telling<'a>>;

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
                if self.deleted.contains_key(&message.id) {
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
        for asking in self.calls.values() {
            let ids = asking
                .answer
                .map_or_else(Vec::new, |(_, answer)| Self::acknowledged(answer));
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

    fn calls_of_the_bot(&mut self) {
        let mut replies: BTreeMap<usize, MessageId> = BTreeMap::new();
        for entry in self.history {
            if let Note::Wrote { call, reply } = entry.note {
                replies.entry(call).or_insert(reply);
            }
        }
        let mut found = Vec::new();
        let mut answered: BTreeMap<MessageId, usize> = BTreeMap::new();
        for (at, entry) in self.history.iter().enumerate() {
            let Note::Called { call, question, .. } = &entry.note else {
                continue;
            };
            let Some(reply) = replies.get(call) else {
                continue;
            };
            if let Some(first) = answered.insert(*reply, *call) {
                found.push((
                    Kind::CalledTwice,
                    format!("the bot is called once for the reply {reply}, and not by c{first} and c{call}"),
                ));
            }
            let Some((_, message)) = self.stored.get(reply) else {
                continue;
            };
            let chat = message.chat_id;
            if let Some(deleted_at) = self.chat_deleted_at(chat)
                && entry.at > deleted_at + CALL_ON_ITS_WAY_MS
            {
                found.push((
                    Kind::CalledForDeletedChat,
                    format!("c{call} is not made: the chat was deleted at {deleted_at} ms"),
                ));
            }
            let prompt = message.reply.as_ref().and_then(|reply| reply.in_reply_to);
            let Some((_, prompt)) = prompt.and_then(|prompt| self.stored.get(&prompt)) else {
                continue;
            };
            if label_of(&prompt.text) == label_of(question) {
                continue;
            }
            let kind = match self.deleted.get(&prompt.id).is_some_and(|deleted| *deleted < at) {
                true => Kind::AskedForGonePrompt,
                false => Kind::AnswersAnother,
            };
            found.push((
                kind,
                format!(
                    "c{call}, for the reply to \"{}\", asks that, and not \"{question}\"",
                    prompt.text
                ),
            ));
        }
        self.breaches
            .extend(found.into_iter().map(|(kind, what)| Breach { kind, what }));
    }

    /// When the deletion of a chat was acknowledged.
    fn chat_deleted_at(&self, chat: ChatId) -> Option<u64> {
        let mut askings = self.calls.values();
        askings.find_map(|asking| match (asking.what, asking.answer) {
            (Call::DeleteChat { chat: deleted }, Some((at, Answer::Deleted)))
                if chat_id(*deleted) == chat =>
            {
                self.history.get(at).map(|entry| entry.at)
            }
            _ => None,
        })
    }

    fn state_of(&self, reply: MessageId) -> Option<&Message> {
        self.messages
            .get(&reply)
            .filter(|message| !message.is_under_way())
    }

    fn stops(&mut self) {
        let mut found = Vec::new();
        for asking in self.calls.values() {
            let Some((answered, answer)) = asking.answer else {
                continue;
            };
            let (chat, own) = match (asking.what, answer) {
                (Call::StopReply { .. }, Answer::Stopped { reply, outcome }) => {
                    if *outcome != StopOutcome::EndedBefore {
                        found.extend(self.told_to_stop(*reply));
                    }
                    continue;
                }
                (Call::StopAll { chat }, Answer::StoppedAll { replies }) => {
                    found.extend(replies.iter().filter_map(|reply| self.told_to_stop(*reply)));
                    (chat_id(*chat), None)
                }
                (
                    Call::Send {
                        chat,
                        wish: WhileReplying::Interrupt,
                        ..
                    },
                    Answer::Sent { reply, .. },
                ) => (chat_id(*chat), Some(*reply)),
                _ => continue,
            };
            // Another call of the same key may have joined.
            let is_first =
                own.is_none_or(|own| self.stored.get(&own).is_some_and(|(at, _)| *at > asking.from));
            for (reply, begun) in self.replies_acknowledged(chat) {
                let runs =
                    begun < asking.from && self.ended.get(&reply).is_none_or(|ended| *ended > answered);
                let Some(message) = self
                    .state_of(reply)
                    .filter(|_| runs && is_first && own != Some(reply))
                else {
                    continue;
                };
                let is_noted = message.reply.as_ref().is_some_and(|reply| reply.stop.is_some());
                let state = message.reply.as_ref().map(|reply| reply.state);
                if !is_noted && state != Some(ReplyState::Interrupted) {
                    let what = format!(
                        "{reply} was under way when all were stopped ({:?}), and stops",
                        asking.what
                    );
                    found.push((Kind::StopMissed, what));
                }
            }
        }
        for message in self
            .messages
            .values()
            .filter(|message| self.chats.contains(&message.chat_id))
        {
            let Some(reply) = message.reply.as_ref().filter(|reply| reply.stop.is_some()) else {
                continue;
            };
            let kind = match reply.state {
                ReplyState::Stopped | ReplyState::Streaming => continue,
                ReplyState::Interrupted => Kind::StopForgotten,
                _ => Kind::StopIgnored,
            };
            found.push((
                kind,
                format!(
                    "{}, for which a stop is noted, is STOPPED and not {:?}",
                    message.id, reply.state
                ),
            ));
        }
        self.breaches
            .extend(found.into_iter().map(|(kind, what)| Breach { kind, what }));
    }

    /// A breach, if somebody was told that a reply stops and it did not.
    fn told_to_stop(&self, reply: MessageId) -> Option<(Kind, String)> {
        let state = self.state_of(reply)?.reply.as_ref()?.state;
        let kind = match state {
            ReplyState::Stopped => return None,
            ReplyState::Interrupted => Kind::StopForgotten,
            _ => Kind::StopIgnored,
        };
        Some((
            kind,
            format!("{reply}, of which a caller was told that it stops, is STOPPED and not {state:?}"),
        ))
    }

    /// The replies of a chat whose prompts were acknowledged, and where.
    fn replies_acknowledged(&self, chat: ChatId) -> Vec<(MessageId, usize)> {
        let sent = self.calls.values().filter_map(|asking| match asking.answer? {
            (at, Answer::Sent { reply, .. }) => Some((*reply, at)),
            _ => None,
        });
        let of_chat = |id: &MessageId| {
            self.stored
                .get(id)
                .is_some_and(|(_, message)| message.chat_id == chat)
        };
        sent.filter(|(reply, _)| of_chat(reply)).collect()
    }

    fn bound(&mut self) {
        let most = self.history.iter().filter_map(|entry| match &entry.note {
            Note::Did {
                effect: Effect::Stored { streaming, .. },
                ..
            } => Some(*streaming),
            _ => None,
        });
        if let Some(most) = most.max().filter(|most| *most > REPLIES_PER_CHAT_MAX) {
            let what =
                format!("at most {REPLIES_PER_CHAT_MAX} replies of a chat are under way, and not {most}");
            self.breach(Kind::TooManyUnderWay, what);
        }
    }

    /// What a server did and lived to tell.
    fn tellings(&mut self) {
        let mut found = Vec::new();
        for (at, entry) in self.history.iter().enumerate() {
            let Note::Did { server, effect } = &entry.note else {
                continue;
            };
            let (name, chat, event) = match effect {
                Effect::Stored { message, .. } if message.reply.is_none() => (
                    "insert_message",
                    message.chat_id,
                    ChatEvent::MessageAdded(message.id),
                ),
                Effect::Updated { chat, id } => ("update_message", *chat, ChatEvent::MessageUpdated(*id)),
                Effect::Deleted { chat, id } => ("delete_message", *chat, ChatEvent::MessageDeleted(*id)),
                Effect::ChatDeleted { chat } => ("delete_chat", *chat, ChatEvent::ChatDeleted),
                _ => continue,
            };
            let is_told = self.history[at..].iter().any(|later| {
                matches!(&later.note, Note::Published { chat: told, event: other, .. } if *told == chat && *other == event)
            });
            if !is_told && !self.could_not_tell(*server, name) {
                found.push(format!("{event:?} is told to followers"));
            }
        }
        for what in found {
            self.breach(Kind::NeverTold, what);
        }
    }

    /// Whether a server died, or was not told that it had done something of this name.
    fn could_not_tell(&self, server: ServerRun, name: &str) -> bool {
        self.history.iter().any(|entry| match &entry.note {
            Note::Server { server: hurt, what } => *hurt == server && what == "killed",
            Note::AnswerLost { server: hurt, effect } => *hurt == server && *effect == name,
            _ => false,
        })
    }

    fn followers(&mut self) {
        let mut told: BTreeMap<usize, (ChatId, Tellings<'_>)> = BTreeMap::new();
        for (at, entry) in self.history.iter().enumerate() {
            if let Note::Told {
                follower,
                chat,
                told: what,
            } = &entry.note
            {
                let (_, all) = told.entry(*follower).or_insert_with(|| (*chat, Vec::new()));
                all.push((at, what));
            }
        }
        let mut found = Vec::new();
        for (follower, (chat, told)) in told {
            self.one_follower(chat, &told, &mut |kind, what| {
                found.push((kind, format!("follower {follower}: {what}")));
            });
        }
        self.breaches
            .extend(found.into_iter().map(|(kind, what)| Breach { kind, what }));
    }

    fn one_follower(&self, chat: ChatId, told: &[Telling<'_>], found: &mut dyn FnMut(Kind, String)) {
        let mut gone = BTreeSet::new();
        for (_, what) in told {
            match what {
                Told::Deleted(id) => drop(gone.insert(*id)),
                Told::Finished {
                    reply,
                    state: Some(ReplyState::Streaming),
                    ..
                } => {
                    found(
                        Kind::FinishedStreaming,
                        format!("the end of {reply} is a final state"),
                    );
                }
                Told::Text {
                    reply,
                    is_exact: false,
                } => {
                    found(
                        Kind::WrongText,
                        format!("the text of {reply} is what its cursor stands for"),
                    );
                }
                Told::Finished {
                    reply,
                    is_exact: false,
                    ..
                } => {
                    found(
                        Kind::WrongText,
                        format!("the text of {reply} at its end is what was told before"),
                    );
                }
                _ => {}
            }
            if let Told::Finished { reply, text, .. } = what
                && let Some(message) = self.messages.get(reply)
                && !message.is_edited
                && message.text != *text
                && self.chats.contains(&chat)
                && !self.deleted.contains_key(reply)
            {
                found(
                    Kind::WrongText,
                    format!("the text of {reply} at its end is what is stored"),
                );
            }
            if let Told::Added(id)
            | Told::Updated(id)
            | Told::Text { reply: id, .. }
            | Told::Finished { reply: id, .. } = what
                && gone.contains(id)
            {
                found(
                    Kind::AfterDeletion,
                    format!("nothing is told of {id} behind its deletion, and not {what:?}"),
                );
            }
        }
        self.what_was_missed(chat, told, found);
    }

    fn what_was_missed(&self, chat: ChatId, told: &[Telling<'_>], found: &mut dyn FnMut(Kind, String)) {
        let place = |wanted: &dyn Fn(&Told) -> bool| {
            told.iter()
                .rev()
                .find(|(_, told)| wanted(told))
                .map(|(at, _)| *at)
        };
        let first_read = told
            .iter()
            .find(|(_, told)| **told == Told::Resync)
            .map(|(at, _)| *at);
        let last_read = place(&|told| *told == Told::Resync);
        let is_over = place(&|told| matches!(told, Told::ChatDeleted | Told::NoChat)).is_some();
        let (Some(first_read), Some(last_read), false) = (first_read, last_read, is_over) else {
            return;
        };
        for (at, entry) in self.history.iter().enumerate().skip(last_read.max(first_read)) {
            let Note::Carried { chat: carried, event } = &entry.note else {
                continue;
            };
            if *carried != chat || self.is_told(event, at, told) {
                continue;
            }
            found(
                Kind::MissedUnseen,
                format!("{event:?} is told, or the follower reads again"),
            );
        }
        for (reply, ended) in &self.ended {
            let Some((begun, message)) = self.stored.get(reply) else {
                continue;
            };
            let is_due = message.chat_id == chat && *begun < last_read && *ended > last_read;
            let is_known = self.messages.contains_key(reply) && self.chats.contains(&chat);
            let is_told = told.iter().any(|(at, told)| {
                *at > last_read && matches!(told, Told::Finished { reply: other, .. } if other == reply)
            });
            if is_due && is_known && !is_told {
                let what = format!(
                    "the end of {reply} is told, which was under way when the follower read the chat"
                );
                found(Kind::UnknownElsewhere, what);
            }
        }
    }

    /// Whether a follower was told an event that was carried at this place of the history, or need not be.
    fn is_told(&self, event: &ChatEvent, carried: usize, told: &[Telling<'_>]) -> bool {
        let matches = |told: &Told| match event {
            ChatEvent::MessageAdded(id) => *told == Told::Added(*id) || !self.messages.contains_key(id),
            ChatEvent::MessageUpdated(id) => *told == Told::Updated(*id) || !self.messages.contains_key(id),
            ChatEvent::MessageDeleted(id) => *told == Told::Deleted(*id),
            ChatEvent::ReplyStarted(id) => {
                matches!(told, Told::Finished { reply, .. } if reply == id) || !self.messages.contains_key(id)
            }
            ChatEvent::ChatDeleted => *told == Told::ChatDeleted,
            ChatEvent::ChatUpdated | ChatEvent::TypingChanged(_) => true,
        };
        // One that follows a reply which it found by itself may know its end before its beginning is carried.
        let since = if matches!(event, ChatEvent::ReplyStarted(_)) {
            0
        } else {
            carried
        };
        told.iter().any(|(at, told)| *at > since && matches(told))
    }

    fn order(&mut self) {
        let place = |id: &MessageId| {
            self.messages
                .get(id)
                .map(|message| (message.created_at, message.id))
        };
        let mut acknowledged = Vec::new();
        for asking in self.calls.values() {
            if let Some((at, Answer::Sent { message, .. } | Answer::Created { message })) = asking.answer {
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
