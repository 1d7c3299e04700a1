//! Closing abandoned replies: if a server dies, another one closes its replies, or the next one that starts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::{Instant, MissedTickBehavior};

use super::lease_judge::NOTE_EVERY;
use super::{Engine, SWEEP_EVERY, count_tokens};
use crate::domain::{Bill, ChatEvent, EndState, Message, MessageId, ReplyOutcome, TokenCount, Usage, UserId};
use crate::store::{Claim, StoreError};
use crate::telemetry::causes::causes;
use crate::telemetry::replies;

/// The most replies that are read from the store at once.
const REPLIES_PER_LOOK_MAX: usize = 200;
/// How many are closed concurrently.
const CLOSED_AT_ONCE: usize = 16;
/// A store that takes longer for a write counts as unavailable meanwhile. Several of these fit into a lease.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(1);

/// The prompt of an abandoned reply.
enum Prompt<'a> {
    /// The reply names none.
    None,
    /// The reply names one that is not stored.
    Missing,
    There(&'a Message),
}

impl Engine {
    /// Closes every streaming reply that meets the claim: as stopped if a stop request is stored, and else as
    /// interrupted. Returns how many it closed. A reply that cannot be closed does not keep it from closing the others.
    pub async fn recover(&self, claim: Claim<'_>) -> Result<usize, StoreError> {
        let mut closed = 0;
        loop {
            if claim == Claim::Lapsed && !self.is_store_sound().await? {
                return Ok(closed);
            }
            let found = self.store.claimable_replies(claim, REPLIES_PER_LOOK_MAX).await?;
            // Leases expired also while this server and the others were paused in between.
            if claim == Claim::Lapsed && !self.lease_judge.may_judge() {
                return Ok(closed);
            }
            let is_all = found.len() < REPLIES_PER_LOOK_MAX;
            let progress = self.close_all(claim, found).await?;
            closed += progress;
            if is_all || progress == 0 {
                return Ok(closed);
            }
        }
    }

    /// Whether the store has answered for so long that an expired lease means that its owner is dead. Tries a write
    /// first: a store that only answers reads lets no server renew its leases.
    async fn is_store_sound(&self) -> Result<bool, StoreError> {
        let begun = Instant::now();
        self.store.ping().await?;
        if begun.elapsed() > ANSWER_WAIT_MAX {
            self.lease_judge.note_unavailable();
        }
        Ok(self.lease_judge.may_judge())
    }

    /// Closes those of these replies that meet the claim. Returns how many it closed.
    pub(super) async fn close_all(
        &self,
        claim: Claim<'_>,
        mut found: Vec<Message>,
    ) -> Result<usize, StoreError> {
        // Skip replies that this server generates: it is alive even if it could not renew.
        found.retain(|message| self.live(message.id).is_none());
        if found.is_empty() {
            return Ok(0);
        }
        let chats: Vec<_> = found.iter().map(|message| message.chat_id).collect();
        let chats = self.store.chats(&chats).await?;
        let users: HashMap<_, _> = chats.into_iter().map(|chat| (chat.id, chat.user_id)).collect();
        let prompts: Vec<_> = found.iter().filter_map(prompt_of).collect();
        let prompts = self.store.messages(&prompts).await?;
        let prompts: HashMap<_, _> = prompts.into_iter().map(|message| (message.id, message)).collect();
        let closes = found.into_iter().map(|message| {
            let user = users.get(&message.chat_id);
            let prompt = match prompt_of(&message) {
                None => Prompt::None,
                Some(id) => prompts.get(&id).map_or(Prompt::Missing, Prompt::There),
            };
            async move {
                let id = message.id;
                (id, self.close_or_remove(message, claim, user, prompt).await)
            }
        });
        let mut closes = stream::iter(closes).buffer_unordered(CLOSED_AT_ONCE);
        let (mut closed, mut unavailable) = (0, None);
        while let Some((id, outcome)) = closes.next().await {
            match outcome {
                // An owner that renewed its lease meanwhile keeps its reply.
                Ok(is_closed) => closed += usize::from(is_closed),
                Err(error @ StoreError::Unavailable(_)) => unavailable = Some(error),
                Err(error) => {
                    tracing::error!(message.id = %id, error = %causes(&error), "a reply whose server died cannot be closed");
                }
            }
        }
        match unavailable {
            Some(error) => Err(error),
            None => Ok(closed),
        }
    }

    /// Closes an abandoned reply, or removes it: one in a chat that is gone, and the half of an exchange whose prompt
    /// was never stored, or deleted before the reply had text.
    async fn close_or_remove(
        &self,
        message: Message,
        claim: Claim<'_>,
        user: Option<&UserId>,
        prompt: Prompt<'_>,
    ) -> Result<bool, StoreError> {
        let (chat, id) = (message.chat_id, message.id);
        let has_begun = !message.text.is_empty();
        let is_half = matches!(prompt, Prompt::Missing) && !has_begun;
        let Some(user) = user.filter(|_| !is_half) else {
            let is_removed = self.store.remove_reply(chat, id, claim).await?;
            if is_removed {
                self.publish(chat, ChatEvent::MessageDeleted(id)).await;
            }
            return Ok(is_removed);
        };
        if !has_begun {
            // Its server may have died before it published these events. They go before the end: behind it, they would
            // make subscribers receive the end twice.
            if let Prompt::There(prompt) = prompt {
                self.feed.publish(chat, ChatEvent::message_added(prompt)).await;
            }
            self.feed.publish(chat, ChatEvent::reply_started(&message)).await;
        }
        let is_closed = self.close(&message, claim, user).await?;
        if is_closed {
            replies::recovered();
        }
        Ok(is_closed)
    }

    /// Closes a reply that meets the claim, with the longest text that is known: what was published to other servers,
    /// or the last checkpoint. Bills `user` for that text. Returns false if the claim does not hold, or another server
    /// closed it first.
    async fn close(&self, message: &Message, claim: Claim<'_>, user: &UserId) -> Result<bool, StoreError> {
        let fleet = self.feed.fleet();
        let carried = match &fleet {
            Some(fleet) => fleet.text(message.id).await,
            None => None,
        };
        // Both are prefixes of one text, unless Redis has something else under this name, which is ignored.
        let text = carried.filter(|text| text.starts_with(&message.text));
        let usage = Usage {
            // Only the dead server knew what it sent to the bot.
            prompt: TokenCount {
                tokens: 0,
                is_estimated: true,
            },
            completion: count_tokens(text.as_deref().unwrap_or(&message.text)).await,
        };
        let outcome = ReplyOutcome {
            text,
            usage: Some(usage),
            ..ReplyOutcome::bare(EndState::Interrupted, self.clock.now())
        };
        let bill = Bill {
            user: user.clone(),
            at: outcome.finished_at,
            model: message.reply.as_ref().and_then(|reply| reply.model.clone()),
            usage,
        };
        let (chat, id) = (message.chat_id, message.id);
        let finish = self.store.finish_reply(chat, id, claim, &outcome, Some(&bill));
        let is_closed = finish.await?.is_some();
        if let Some(fleet) = fleet.filter(|_| is_closed) {
            fleet.end(id).await;
        }
        Ok(is_closed)
    }

    /// Closes the replies of other servers that meet the claim, again and again until the engine shuts down; and notes
    /// meanwhile that this server runs, without which no lease counts as expired.
    pub fn keep_recovering(self: &Arc<Self>, claim: Claim<'static>) {
        let engine = self.clone();
        self.tasks.spawn(async move {
            let mut notes = tokio::time::interval(NOTE_EVERY);
            notes.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while engine.shutdown.run_until_cancelled(notes.tick()).await.is_some() {
                engine.lease_judge.note_running();
            }
        });
        let engine = self.clone();
        self.tasks.spawn(async move {
            let mut looks = tokio::time::interval(SWEEP_EVERY);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while engine.shutdown.run_until_cancelled(looks.tick()).await.is_some() {
                match engine.recover(claim).await {
                    Ok(0) => {}
                    Ok(closed) => tracing::info!(closed, "closed replies whose server died"),
                    Err(error) => {
                        if matches!(error, StoreError::Unavailable(_)) {
                            engine.lease_judge.note_unavailable();
                        }
                        tracing::warn!(
                            error = %causes(&error),
                            "could not look for lapsed replies"
                        );
                    }
                }
            }
        });
    }
}

fn prompt_of(reply: &Message) -> Option<MessageId> {
    reply.reply.as_ref().and_then(|reply| reply.in_reply_to)
}
