//! What must hold of replies: who calls the bot and with what, who stops them, how many there are.

use std::collections::BTreeMap;

use super::{Breach, Judge, Kind};
use crate::domain::{ChatId, Message, MessageId, ReplyState, WhileReplying};
use crate::service::StopOutcome;
use crate::simulation::clients::chat_id;
use crate::simulation::history::{Answer, Effect, Note, label_of};
use crate::simulation::plan::Call;
use crate::store::ACTIVE_REPLIES_MAX;

/// How long after a chat's deletion a call of the bot may still be on its way, in milliseconds.
const CALL_ON_ITS_WAY_MS: u64 = 5_000;

impl Judge<'_> {
    pub(super) fn calls_of_the_bot(&self) -> Vec<Breach> {
        let mut replies: BTreeMap<usize, MessageId> = BTreeMap::new();
        for entry in self.history {
            if let Note::Wrote { call, reply } = entry.note {
                replies.entry(call).or_insert(reply);
            }
        }
        let mut found = Vec::new();
        let mut answered: BTreeMap<MessageId, usize> = BTreeMap::new();
        for (at, entry) in self.history.iter().enumerate() {
            let Note::Called {
                call,
                question,
                server,
            } = &entry.note
            else {
                continue;
            };
            let Some(reply) = replies.get(call) else {
                continue;
            };
            // Of a reply that is gone, nobody but its server knows what it used.
            let is_unknown = !self.messages.contains_key(reply) && self.was_killed(*server);
            if !self.billed.contains(reply) && !is_unknown {
                found.push(Breach::new(
                    Kind::Unbilled,
                    format!("what the reply {reply} used, by c{call}, is billed"),
                ));
            }
            if let Some(first) = answered.insert(*reply, *call) {
                found.push(Breach::new(
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
                found.push(Breach::new(
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
            found.push(Breach::new(
                kind,
                format!(
                    "c{call}, for the reply to \"{}\", asks that, and not \"{question}\"",
                    prompt.text
                ),
            ));
        }
        found
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

    pub(super) fn stops(&self) -> Vec<Breach> {
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
                (
                    Call::Regenerate {
                        wish: WhileReplying::Interrupt,
                        ..
                    },
                    Answer::Regenerated { reply },
                ) => match self.stored.get(reply) {
                    Some((_, message)) => (message.chat_id, Some(*reply)),
                    None => continue,
                },
                _ => continue,
            };
            // It may have joined what another call of the same key began, which looked at other replies than this one.
            let is_joinable = self.calls.values().any(|other| {
                !std::ptr::eq(other, asking) && own.is_some() && other.what.key() == asking.what.key()
            });
            let is_stored_later =
                own.is_none_or(|own| self.stored.get(&own).is_some_and(|(at, _)| *at > asking.from));
            let is_first = is_stored_later && !is_joinable;
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
                    found.push(Breach::new(Kind::StopMissed, what));
                }
            }
        }
        for message in self
            .messages
            .values()
            .filter(|message| self.chats.contains_key(&message.chat_id))
        {
            let Some(reply) = message.reply.as_ref().filter(|reply| reply.stop.is_some()) else {
                continue;
            };
            let kind = match reply.state {
                ReplyState::Stopped | ReplyState::Streaming => continue,
                ReplyState::Interrupted => Kind::StopForgotten,
                _ => Kind::StopIgnored,
            };
            found.push(Breach::new(
                kind,
                format!(
                    "{}, for which a stop is noted, is STOPPED and not {:?}",
                    message.id, reply.state
                ),
            ));
        }
        found
    }

    /// A breach, if somebody was told that a reply stops and it did not.
    fn told_to_stop(&self, reply: MessageId) -> Option<Breach> {
        let state = self.state_of(reply)?.reply.as_ref()?.state;
        let kind = match state {
            ReplyState::Stopped => return None,
            ReplyState::Interrupted => Kind::StopForgotten,
            _ => Kind::StopIgnored,
        };
        Some(Breach::new(
            kind,
            format!("{reply}, of which a caller was told that it stops, is STOPPED and not {state:?}"),
        ))
    }

    /// The replies of a chat whose prompts were acknowledged, and where.
    fn replies_acknowledged(&self, chat: ChatId) -> Vec<(MessageId, usize)> {
        let sent = self.calls.values().filter_map(|asking| match asking.answer? {
            (at, Answer::Sent { reply, .. } | Answer::Regenerated { reply }) => Some((*reply, at)),
            _ => None,
        });
        let of_chat = |id: &MessageId| {
            self.stored
                .get(id)
                .is_some_and(|(_, message)| message.chat_id == chat)
        };
        sent.filter(|(reply, _)| of_chat(reply)).collect()
    }

    pub(super) fn bound(&self) -> Vec<Breach> {
        let most = self.history.iter().filter_map(|entry| match &entry.note {
            Note::Did {
                effect: Effect::Stored { streaming, .. },
                ..
            } => Some(*streaming),
            _ => None,
        });
        let most = most.max().filter(|most| *most > ACTIVE_REPLIES_MAX);
        most.map(|most| {
            let what =
                format!("at most {ACTIVE_REPLIES_MAX} replies of a chat are under way, and not {most}");
            Breach::new(Kind::TooManyUnderWay, what)
        })
        .into_iter()
        .collect()
    }
}
