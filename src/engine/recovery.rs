//! Replies whose server died are closed by any other, or by the next one.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use super::{Engine, LEASE, SWEEP_EVERY};
use crate::domain::{Message, ReplyOutcome, ReplyState};
use crate::store::{Claim, StoreError};
use crate::telemetry::replies;

/// The most replies that one look closes before it looks again.
const REPLIES_PER_LOOK_MAX: usize = 100;
/// A store that takes longer to answer a look was away in between.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(1);

impl Engine {
    /// Closes every streaming reply of which the claim holds as interrupted, with the text of its last checkpoint; how
    /// many it closed.
    pub async fn recover(&self, claim: Claim<'_>) -> Result<usize, StoreError> {
        self.recover_if(claim, |_| true).await
    }

    /// [`Engine::recover`], while `may_judge` allows it, which is told how long each look took.
    async fn recover_if(
        &self,
        claim: Claim<'_>,
        mut may_judge: impl FnMut(Duration) -> bool,
    ) -> Result<usize, StoreError> {
        let mut closed = 0;
        loop {
            let begun = Instant::now();
            let found = self.store.claimable_replies(claim, REPLIES_PER_LOOK_MAX).await?;
            if !may_judge(begun.elapsed()) {
                return Ok(closed);
            }
            let is_all = found.len() < REPLIES_PER_LOOK_MAX;
            let progress = self.interrupt_all(claim, found).await?;
            closed += progress;
            if is_all || progress == 0 {
                return Ok(closed);
            }
        }
    }

    async fn interrupt_all(&self, claim: Claim<'_>, replies: Vec<Message>) -> Result<usize, StoreError> {
        let mut closed = 0;
        // An owner that could not renew its lease is not dead while it is this one.
        for message in replies
            .into_iter()
            .filter(|message| self.live(message.id).is_none())
        {
            // An owner that renewed its lease meanwhile keeps its reply.
            if self
                .close(&message, ReplyState::Interrupted, claim)
                .await?
                .is_some()
            {
                replies::recovered();
                closed += 1;
            }
        }
        Ok(closed)
    }

    /// Closes a reply of which the claim holds, with the longest text that is known of it: what was carried to other
    /// servers, or the last checkpoint. `None` if the claim does not hold, or somebody else closed it first.
    pub(super) async fn close(
        &self,
        message: &Message,
        state: ReplyState,
        claim: Claim<'_>,
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
        let closed = self.store.finish_reply(message.id, claim, &outcome).await?;
        if let (Some(fleet), Some(_)) = (fleet, &closed) {
            fleet.end(message.id).await;
        }
        Ok(closed)
    }

    /// Looks for lapsed replies from now on, until the engine shuts down. While the store is away nobody can renew a
    /// lease. So none is judged until the store has answered for as long as one lasts, since the start or since it last
    /// did not: by then whoever lives has renewed.
    pub fn keep_recovering(self: &Arc<Self>) {
        let engine = self.clone();
        self.tasks.spawn(async move {
            let mut looks = tokio::time::interval(SWEEP_EVERY);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut answers_since = Instant::now();
            while engine.shutdown.run_until_cancelled(looks.tick()).await.is_some() {
                let looked = engine.recover_if(Claim::Lapsed, |took| {
                    if took > ANSWER_WAIT_MAX {
                        answers_since = Instant::now();
                    }
                    answers_since.elapsed() >= LEASE
                });
                match looked.await {
                    Ok(0) => {}
                    Ok(closed) => tracing::info!(closed, "closed replies whose server died"),
                    Err(error) => {
                        answers_since = Instant::now();
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
