//! What must hold of messages: what is stored, what is not, and in which order.

use std::collections::BTreeMap;

use super::{Breach, Judge, Kind};
use crate::domain::MessageId;
use crate::simulation::history::{Answer, label_of};
use crate::simulation::plan::Call;

impl Judge<'_> {
    pub(super) fn what_is_stored(&self) -> Vec<Breach> {
        let mut found = Vec::new();
        let mut labels = BTreeMap::new();
        for message in self.messages.values() {
            let id = message.id;
            if !self.chats.contains_key(&message.chat_id) {
                found.push(Breach::new(
                    Kind::LeftInDeletedChat,
                    format!("{id} ({}) is gone with its chat", message.text),
                ));
                continue;
            }
            if message.is_under_way() {
                found.push(Breach::new(Kind::NeverEnds, format!("{id} has ended")));
            }
            if message.reply.is_none()
                && let Some(other) = labels.insert((message.chat_id, label_of(&message.text)), id)
            {
                found.push(Breach::new(
                    Kind::Doubled,
                    format!("{other} and {id} ({}) are one message", message.text),
                ));
            }
            let prompt = message.reply.as_ref().and_then(|reply| reply.in_reply_to);
            if let Some(prompt) = prompt.filter(|prompt| !self.stored.contains_key(prompt)) {
                let what = format!("{id} is removed, whose prompt {prompt} was never stored");
                found.push(Breach::new(Kind::HalfIsKept, what));
            }
            if let Some(reply) = message.reply_id
                && !self.messages.contains_key(&reply)
                && !self.deleted.contains_key(&reply)
            {
                found.push(Breach::new(
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
                found.push(Breach::new(
                    Kind::Doubled,
                    format!("{other} and {id} were sent as one"),
                ));
            }
            for id in ids {
                let is_gone = !self.messages.contains_key(&id) && !self.deleted.contains_key(&id);
                let chat = self.stored.get(&id).map(|(_, message)| message.chat_id);
                if is_gone && chat.is_none_or(|chat| self.chats.contains_key(&chat)) {
                    found.push(Breach::new(
                        Kind::Lost,
                        format!("{id} was acknowledged and is there"),
                    ));
                }
            }
        }
        found
    }

    pub(super) fn what_was_refused(&self) -> Vec<Breach> {
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
        stored
            .map(|message| {
                let what = format!("{} was refused and is not stored", message.text);
                Breach::new(Kind::RefusedYetStored, what)
            })
            .collect()
    }

    pub(super) fn order(&self) -> Vec<Breach> {
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
                    let what =
                        format!("{second} was sent after {first} was acknowledged, and comes after it");
                    found.push(Breach::new(Kind::OrderNotRising, what));
                }
            }
        }
        for message in self.messages.values() {
            let prompt = message.reply.as_ref().and_then(|reply| reply.in_reply_to);
            if let Some(prompt) = prompt.and_then(|prompt| place(&prompt))
                && prompt >= (message.created_at, message.id)
            {
                let what = format!("the reply {} comes after its prompt", message.id);
                found.push(Breach::new(Kind::OrderNotRising, what));
            }
        }
        found
    }
}
