//! Replies whose server died are closed by any other, or by the next one.

use std::sync::Arc;

use tokio::time::MissedTickBehavior;

use super::{Engine, SWEEP_EVERY};
use crate::domain::{ReplyOutcome, ReplyState, Timestamp};
use crate::store::StoreError;
use crate::telemetry::replies;

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
                let Some(reply) = message.reply.filter(|_| self.live(message.id).is_none()) else {
                    continue;
                };
                let outcome = ReplyOutcome::bare(ReplyState::Interrupted, self.clock.now());
                let owner = Some(reply.owner.as_str());
                if self
                    .store
                    .finish_reply(message.id, owner, &outcome)
                    .await?
                    .is_some()
                {
                    replies::recovered();
                    progress += 1;
                }
            }
            closed += progress;
            if found < REPLIES_PER_LOOK_MAX || progress == 0 {
                return Ok(closed);
            }
        }
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
