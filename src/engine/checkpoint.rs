//! Checkpoints: each stores the text so far, renews the lease, and finds stop requests. The reader of the bot's stream
//! never waits for one.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{CHECKPOINT_EVERY, Engine, LEASE, LiveReply, RENEW_EVERY, Waits};
use crate::domain::MessageId;
use crate::store::Checkpointed;
use crate::telemetry::causes::causes;
use crate::telemetry::replies;

/// The longest wait after a failed checkpoint, which jitter at most doubles. Much shorter than [`LEASE`]: when the
/// store is back, the lease is renewed before any server may treat it as expired.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Checkpoints fall on a grid of this step, so that the store can write those of many replies in one command, and all
/// replies together are spread over several of these moments. [`CHECKPOINT_EVERY`] is a multiple of it.
const CHECKPOINTS_APART: Duration = Duration::from_millis(100);

impl Engine {
    /// When a reply that begins now has its first checkpoint: not at once, because it was just stored.
    fn first_checkpoint(&self) -> Instant {
        let behind_last = self.begun_at.elapsed().as_millis() % CHECKPOINTS_APART.as_millis();
        let behind_last = Duration::from_millis(u64::try_from(behind_last).unwrap_or_default());
        Instant::now() + CHECKPOINT_EVERY - behind_last
    }

    /// Stores checkpoints until `done`. A checkpoint that arrives after the terminal write changes nothing: it requires
    /// that the reply is still streaming.
    pub(super) async fn keep_checkpointing(&self, id: MessageId, live: &LiveReply, done: CancellationToken) {
        let chat = live.chat();
        let mut ticks = tokio::time::interval_at(self.first_checkpoint(), CHECKPOINT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let (mut stored, mut renewed_at) = (0, Instant::now());
        let mut waits = Waits::between(CHECKPOINT_EVERY, WAIT_MAX);
        loop {
            tokio::select! {
                biased;
                () = done.cancelled() => return,
                () = live.checkpoint_requested() => {}
                _ = ticks.tick() => {
                    if live.length() == stored && renewed_at.elapsed() < RENEW_EVERY {
                        continue;
                    }
                }
            }
            let (text, asked_at) = (live.text(), Instant::now());
            match self.store.checkpoint(chat, id, &self.owner, &text, LEASE).await {
                Ok(Checkpointed::Held { is_stop_requested }) => {
                    (stored, renewed_at) = (text.len(), asked_at);
                    waits.reset();
                    if is_stop_requested {
                        live.stop(None);
                    }
                }
                // Another server has ended the reply; the terminal write finds out how.
                Ok(Checkpointed::Lost) => live.stop(None),
                Err(error) => {
                    replies::checkpoint_failed();
                    tracing::warn!(message.id = %id, error = %causes(&error), "a checkpoint failed");
                    // All replies of all servers fail at once, and must not retry at once.
                    if done.run_until_cancelled(waits.wait()).await.is_none() {
                        return;
                    }
                }
            }
        }
    }
}
