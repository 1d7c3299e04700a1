//! What must hold of followers: what they are told, and what must be told to them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Breach, Judge, Kind};
use crate::domain::{ChatEvent, ChatId, EventMessage, MessageId, ReplyState};
use crate::simulation::history::{ENDED, ENDED_HURT, ENDED_UNSTORED, Effect, KILLED, Note, ServerRun, Told};

/// What a follower was told, and where in the history.
type Telling<'a> = (usize, &'a Told);
type Tellings<'a> = Vec<Telling<'a>>;

/// The part of a message or a chat that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content<'a> {
    Text(&'a str),
    Reaction(Option<&'a str>),
}

impl Judge<'_> {
    /// What a server did and lived to tell.
    pub(super) fn tellings(&self) -> Vec<Breach> {
        let mut found = Vec::new();
        for (at, entry) in self.history.iter().enumerate() {
            let Note::Did { server, effect } = &entry.note else {
                continue;
            };
            let (chat, event) = match effect {
                Effect::Stored { message, .. } => {
                    let stored = EventMessage::Id(message.id);
                    let event = match message.reply.is_none() {
                        true => ChatEvent::MessageAdded(stored),
                        false => ChatEvent::ReplyStarted(stored),
                    };
                    (message.chat_id, event)
                }
                Effect::Updated { chat, id, .. } => (*chat, ChatEvent::MessageUpdated(EventMessage::Id(*id))),
                Effect::Deleted { chat, id } => (*chat, ChatEvent::MessageDeleted(*id)),
                // Whoever found by itself a reply that nobody told of, finds by itself that it is gone.
                Effect::Removed { chat, id } if self.was_told_of(*id) => {
                    (*chat, ChatEvent::MessageDeleted(*id))
                }
                Effect::ChatUpdated { chat } => (*chat, ChatEvent::ChatUpdated(None)),
                Effect::ChatDeleted { chat } => (*chat, ChatEvent::ChatDeleted),
                _ => continue,
            };
            let is_told = self.history[at..].iter().zip(at..).any(|(later, at)| {
                matches!(&later.note, Note::Published { chat: told, event: other, server }
                    if *told == chat
                        && other.without_content() == event
                        && (!self.has_ended(*server) || self.is_carried(chat, &event, at)))
            });
            // Of what is deleted since there is nothing to tell but that.
            let is_gone =
                |id| self.deleted.contains_key(&id) && !matches!(event, ChatEvent::MessageDeleted(_));
            let is_gone = event.message_id().is_some_and(is_gone) || !self.chats.contains_key(&chat);
            let is_gone = is_gone && event != ChatEvent::ChatDeleted;
            if !is_told && !is_gone && !self.was_missed(*server, at) {
                let what = format!("{event:?} is told to followers");
                found.push(Breach::new(Kind::NeverTold, what));
            }
        }
        found
    }

    /// Whether the beginning of a reply was told to followers.
    fn was_told_of(&self, reply: MessageId) -> bool {
        self.history.iter().any(|entry| {
            matches!(&entry.note, Note::Published { event: ChatEvent::ReplyStarted(begun), .. } if begun.id() == reply)
        })
    }

    /// Whether an event that was published at this place of the history reached other servers, or those who follow the
    /// chat were told to read again.
    fn is_carried(&self, chat: ChatId, event: &ChatEvent, published: usize) -> bool {
        self.history[published..].iter().any(|later| match &later.note {
            Note::Carried {
                chat: carried,
                event: other,
            } => *carried == chat && other.without_content() == *event,
            Note::Renewed { chat: renewed } => *renewed == chat,
            Note::Missed { .. } => true,
            Note::Feed { what } => what.starts_with("restarts"),
            _ => false,
        })
    }

    /// Whether the run of a server ended in this way.
    fn ended(&self, server: ServerRun, how: &str) -> bool {
        let mut notes = self.history.iter().map(|entry| &entry.note);
        notes.any(
            |note| matches!(note, Note::Server { server: ended, what } if *ended == server && what == how),
        )
    }

    /// Whether the run of a server has ended in any way.
    fn has_ended(&self, server: ServerRun) -> bool {
        [KILLED, ENDED, ENDED_HURT, ENDED_UNSTORED]
            .iter()
            .any(|how| self.ended(server, how))
    }

    /// Whether a server was missed behind this place of the history, so that followers read again.
    fn was_missed(&self, server: ServerRun, place: usize) -> bool {
        let mut later = self.history[place..].iter();
        later.any(|entry| matches!(entry.note, Note::Missed { server: missed } if missed == server))
    }

    /// Whether a server was killed, or hurt before it ended, with whatever it had in its hands.
    pub(super) fn was_killed(&self, server: ServerRun) -> bool {
        self.ended(server, KILLED) || self.ended(server, ENDED_HURT)
    }

    /// Servers that nothing was done to store the ends of their replies before they end.
    pub(super) fn shutdowns(&self) -> Vec<Breach> {
        let ends = self.history.iter().filter_map(|entry| match &entry.note {
            Note::Server { server, what } if what == ENDED_UNSTORED => Some(server),
            _ => None,
        });
        ends.map(|server| {
            let what = format!("the ends of all replies of server {server} are stored before it ends");
            Breach::new(Kind::EndsUnstored, what)
        })
        .collect()
    }

    /// Who follows a reply on its own server when it ends, because that shuts down, is told its end. Whoever comes to the
    /// reply only then, behind other events, reads on elsewhere.
    fn end_at_a_shutdown(&self, told: &[Telling<'_>], found: &mut dyn FnMut(Kind, String)) {
        let mut read = BTreeSet::new();
        for (at, what) in told {
            match what {
                Told::Connected { reply, .. } => read = reply.iter().copied().collect(),
                Told::Shown { reply, .. } | Told::Text { reply, .. }
                    if self.ended.get(reply).is_none_or(|ended| at < ended) =>
                {
                    read.insert(*reply);
                }
                Told::Finished { reply: id, .. } | Told::Deleted(id) => drop(read.remove(id)),
                Told::LetGo { server } if self.ended(*server, ENDED) => {
                    for reply in &read {
                        let owner = self
                            .messages
                            .get(reply)
                            .and_then(|message| message.reply.as_ref());
                        let is_own = owner.is_some_and(|reply| reply.owner == format!("server {server}"));
                        if is_own && self.ended.get(reply).is_some_and(|ended| ended < at) {
                            let what = format!("the end of {reply} is told before server {server} ends");
                            found(Kind::LetGoUntold, what);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    pub(super) fn followers(&self) -> Vec<Breach> {
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
                found.push(Breach::new(kind, format!("follower {follower}: {what}")));
            });
        }
        found
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
                }
                | Told::Shown {
                    reply,
                    is_exact: false,
                    ..
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
            if let Told::Finished {
                reply, text, state, ..
            } = what
                && let Some(message) = self.messages.get(reply)
                && self.chats.contains_key(&chat)
                && !self.deleted.contains_key(reply)
            {
                if !message.is_edited && message.text != *text {
                    found(
                        Kind::WrongText,
                        format!("the text of {reply} at its end is what is stored"),
                    );
                }
                let stored = message.reply.as_ref().map(|reply| reply.state);
                if stored != *state {
                    found(
                        Kind::WrongState,
                        format!("{reply} ends as what is stored, {stored:?}, and not as {state:?}"),
                    );
                }
            }
            if let Told::Added { id, .. }
            | Told::Updated { id, .. }
            | Told::Shown { reply: id, .. }
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
        Self::ends_once(told, found);
        self.end_of_one_reply(chat, told, found);
        self.end_at_a_shutdown(told, found);
        self.reactions_taken_back(told, found);
        self.what_was_missed(chat, told, found);
    }

    /// Where a follower is shown a reply, its reaction is not older than what this connection told of it before; nor,
    /// where the connection began with a resync, than what was stored when it was opened. If it is, a later event puts it
    /// right before the end does.
    fn reactions_taken_back(&self, told: &[Telling<'_>], found: &mut dyn FnMut(Kind, String)) {
        let (mut known, mut taken_back) = (BTreeMap::new(), BTreeSet::new());
        let mut opened = None;
        for (at, what) in told {
            match what {
                Told::Connected { .. } => {
                    (known, taken_back) = (BTreeMap::new(), BTreeSet::new());
                    opened = Some(*at);
                    continue;
                }
                Told::Resync => {
                    if let Some(opened) = opened {
                        known = self.reactions_before(opened);
                    }
                }
                // Of a reply that has ended, the event of its beginning may still come, at a server that thinks it grows:
                // the end, which follows, has what is known.
                Told::Updated {
                    id,
                    reaction,
                    is_growing: true,
                    ..
                }
                | Told::Shown {
                    reply: id, reaction, ..
                } if self.ended.get(id).is_none_or(|ended| at < ended) => {
                    let change = self.change_to(*id, reaction.as_deref());
                    let latest = known.get(id).copied();
                    match change < latest {
                        true => drop(taken_back.insert(*id)),
                        false => drop(taken_back.remove(id)),
                    }
                    if let Some(latest) = change.max(latest) {
                        known.insert(*id, latest);
                    }
                }
                Told::Finished { reply, .. } if taken_back.contains(reply) => {
                    let what = format!("a reaction to {reply} that is known is not taken back");
                    found(Kind::Stale, what);
                }
                _ => {}
            }
            opened = None;
        }
    }

    /// The changes of reactions, in the order in which they were stored: where, of which message, and to what.
    fn reactions(&self) -> impl Iterator<Item = (usize, MessageId, Option<&str>)> {
        let notes = self.history.iter().enumerate();
        notes.filter_map(|(at, entry)| match &entry.note {
            Note::Did {
                effect: Effect::Updated { id, reaction, .. },
                ..
            } => Some((at, *id, reaction.as_deref())),
            _ => None,
        })
    }

    /// Where a message got this reaction; `None` if it never did, as without one.
    fn change_to(&self, message: MessageId, reaction: Option<&str>) -> Option<usize> {
        let mut changes = self.reactions();
        let change = changes.find(|(_, id, to)| *id == message && to.is_some() && *to == reaction);
        change.map(|(at, ..)| at)
    }

    /// Where each message got the reaction that it had at a place of the history.
    fn reactions_before(&self, place: usize) -> BTreeMap<MessageId, usize> {
        let changes = self.reactions().take_while(|(at, ..)| *at < place);
        let latest: BTreeMap<_, _> = changes.map(|(_, id, to)| (id, to)).collect();
        let had = latest.into_iter();
        had.filter_map(|(id, to)| Some((id, self.change_to(id, to)?)))
            .collect()
    }

    /// The end of a reply is told once on each connection.
    fn ends_once(told: &[Telling<'_>], found: &mut dyn FnMut(Kind, String)) {
        let mut ended = BTreeSet::new();
        for (_, what) in told {
            match what {
                Told::Connected { .. } => ended.clear(),
                Told::Finished { reply, .. } if !ended.insert(*reply) => {
                    found(Kind::EndTwice, format!("the end of {reply} is told once"));
                }
                _ => {}
            }
        }
    }

    /// Whoever follows one reply is told its end, unless the reply is gone.
    fn end_of_one_reply(&self, chat: ChatId, told: &[Telling<'_>], found: &mut dyn FnMut(Kind, String)) {
        let followed = told.iter().find_map(|(_, told)| match told {
            Told::Connected { reply, .. } => *reply,
            _ => None,
        });
        let is_told = told.iter().any(|(_, told)| matches!(told, Told::Finished { .. }));
        if let Some(reply) = followed.filter(|reply| self.messages.contains_key(reply))
            && self.chats.contains_key(&chat)
            && !is_told
        {
            found(
                Kind::EndUntold,
                format!("the end of {reply} is told to who follows it"),
            );
        }
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
        let is_over = place(&|told| matches!(told, Told::ChatDeleted | Told::Gone)).is_some();
        let (Some(first_read), Some(last_read), false) = (first_read, last_read, is_over) else {
            return;
        };
        self.what_was_told_last(
            chat,
            &told[told.partition_point(|(at, _)| *at < last_read)..],
            found,
        );
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
            let is_known = self.messages.contains_key(reply) && self.chats.contains_key(&chat);
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

    /// What a follower was told last of a message, or of its chat, since it read the chat, is what is stored.
    fn what_was_told_last(&self, chat: ChatId, told: &[Telling<'_>], found: &mut dyn FnMut(Kind, String)) {
        let mut last: BTreeMap<Option<MessageId>, (usize, Content<'_>)> = BTreeMap::new();
        for (at, told) in told {
            let (id, content) = match told {
                Told::Added { id, text } => (Some(*id), Content::Text(text)),
                Told::Updated {
                    id, text, reaction, ..
                } => {
                    let content = match self.stored.get(id) {
                        // The text of a reply grows, and is looked at elsewhere.
                        Some((_, message)) if message.reply.is_some() => {
                            Content::Reaction(reaction.as_deref())
                        }
                        _ => Content::Text(text),
                    };
                    (Some(*id), content)
                }
                Told::Shown { reply, reaction, .. } | Told::Finished { reply, reaction, .. } => {
                    (Some(*reply), Content::Reaction(reaction.as_deref()))
                }
                Told::ChatUpdated { title } => (None, Content::Text(title)),
                _ => continue,
            };
            last.insert(id, (*at, content));
        }
        for (id, (at, content)) in last {
            let message = id.and_then(|id| self.messages.get(&id));
            let stored = match (message, content) {
                (Some(message), Content::Reaction(_)) => Some(Content::Reaction(message.reaction.as_deref())),
                (Some(message), Content::Text(_)) => Some(Content::Text(&message.text)),
                (None, _) if id.is_none() => self.chats.get(&chat).map(|chat| Content::Text(&chat.title)),
                (None, _) => None,
            };
            let changes = self.history.iter().enumerate().rev();
            let change = changes
                .map(|(at, entry)| (at, &entry.note))
                .find_map(|(at, note)| match note {
                    Note::Did {
                        effect: Effect::Updated { id: other, .. },
                        ..
                    } => (id == Some(*other)).then_some(at),
                    Note::Did {
                        effect: Effect::ChatUpdated { chat: other },
                        ..
                    } => (id.is_none() && *other == chat).then_some(at),
                    _ => None,
                });
            // One that was told before the last change is told that, or misses it.
            if let Some(stored) = stored.filter(|stored| *stored != content)
                && change.is_some_and(|changed| changed < at)
            {
                let what = format!("{stored:?} is told last of {id:?}, and not {content:?}");
                found(Kind::Stale, what);
            }
        }
    }

    /// Whether a follower was told an event that was carried at this place of the history, or need not be.
    fn is_told(&self, event: &ChatEvent, carried: usize, told: &[Telling<'_>]) -> bool {
        // What is deleted by now may have been so when the event came.
        let is_deletion = matches!(event, ChatEvent::MessageDeleted(_));
        let id = event.message_id().filter(|_| !is_deletion);
        if id.is_some_and(|id| !self.messages.contains_key(&id)) {
            return true;
        }
        let matches = |told: &Told| match event {
            ChatEvent::MessageAdded(message) => matches!(told, Told::Added { id, .. } if *id == message.id()),
            ChatEvent::MessageUpdated(message) => {
                matches!(told, Told::Updated { id, .. } if *id == message.id())
            }
            ChatEvent::MessageDeleted(id) => *told == Told::Deleted(*id),
            ChatEvent::ReplyStarted(message) => {
                matches!(told, Told::Finished { reply, .. } if *reply == message.id())
            }
            ChatEvent::ChatDeleted => *told == Told::ChatDeleted,
            ChatEvent::ChatUpdated(_) => matches!(told, Told::ChatUpdated { .. }),
        };
        // One that follows a reply which it found by itself may know its end before its beginning is carried, and that
        // it is gone before that is.
        let since = match event {
            ChatEvent::ReplyStarted(_) | ChatEvent::MessageDeleted(_) => 0,
            _ => carried,
        };
        told.iter().any(|(at, told)| *at > since && matches(told))
    }
}
