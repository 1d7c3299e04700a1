//! Replies whose server died are closed by any other, or by the next one.

use std::sync::Arc;

use tokio::time::MissedTickBehavior;

use super::{Engine, SWEEP_EVERY};
use crate::domain::{Message, ReplyOutcome, ReplyState, Timestamp};
use crate::store::StoreError;

/// The most replies that one look closes before it looks again.
const REPLIES_PER_LOOK_MAX: usize = 100;

impl Engine {
    /// Closes every streaming reply whose lease ended before `until` as interrupted, with the text of its last
    /// checkpoint; how many it closed.
    pub async fn recover(&self, until: Timestamp) -> Result<usize, StoreError> {
        let mut closed = 0;
        loop {
            let lapsed = self.store.lapsed_replies(until, REPLIES_PER_LOOK_MAX).await?;
            let found = lapsed.len();
            let mut progress = 0;
            for message in lapsed {
                // An owner that could not renew its lease is not dead while it is this one.
                let is_ours = self.live(message.id).is_some();
                let Some(reply) = message.reply.as_ref().filter(|_| !is_ours) else {
                    continue;
                };
                let owner = Some(reply.owner.as_str());
                let closed = self.close(&message, ReplyState::Interrupted, owner).await?;
                progress += usize::from(closed.is_some());
            }
            closed += progress;
            if found < REPLIES_PER_LOOK_MAX || progress == 0 {
                return Ok(closed);
            }
        }
    }

    /// Closes a reply that nobody generates any more, with the longest text that is known of it: what was carried to
    /// other servers, or the last checkpoint. `None` if somebody else closed it first, or `owner` is not its owner.
    pub(super) async fn close(
        &self,
        message: &Message,
        state: ReplyState,
        owner: Option<&str>,
    ) -> Result<Option<Message>, StoreError> {
        let fleet = self.feed.fleet();
        let carried = match &fleet {
            Some(fleet) => fleet.text(message.id).await,
            None => None,
        };
        let outcome = ReplyOutcome {
            // Of one reply, so either begins with the other, unless what was carried is none of its text at all.
            text: carried.filter(|text| text.starts_with(&message.text)),
            ..ReplyOutcome::bare(state, self.clock.now())
        };
        let closed = self.store.finish_reply(message.id, owner, &outcome).await?;
        if let (Some(fleet), Some(_)) = (fleet, &closed) {
            fleet.end(message.id).await;
        }
        Ok(closed)
    }

    /// Looks for lapsed replies from now on, until the engine shuts down.
    pub fn keep_recovering(self: &Arc<Self>) {
        let engine = self.clone();
        self.tasks.spawn(async move {
            let mut looks = tokio::time::interval(SWEEP_EVERY);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while engine.shutdown.run_until_cancelled(looks.tick()).await.is_some() {
                match engine.recover(engine.clock.now()).await {
                    Ok(0) => {}
                    Ok(closed) => tracing::info!(closed, "closed replies whose server died"),
                    Err(error) => {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "could not look for lapsed replies"
                        );
                    }
                }
            }
        });
    }
}
