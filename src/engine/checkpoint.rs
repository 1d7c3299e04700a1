//! The owner's heartbeat: the text so far goes to the store, the lease is renewed, a stop is noticed. The reader of
//! the bot's stream never waits for it.

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{BEAT_EVERY, Engine, LEASE_MS, LiveReply, RENEW_EVERY};
use crate::domain::MessageId;
use crate::store::Checkpointed;
use crate::telemetry::replies;

impl Engine {
    /// Beats until `done`. A beat that overtakes or follows the terminal write changes nothing: it is conditional on
    /// the reply's still streaming.
    pub(super) async fn beat(&self, id: MessageId, live: &LiveReply, done: CancellationToken) {
        let mut beats = tokio::time::interval(BEAT_EVERY);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is immediate, and the reply was stored just now.
        beats.tick().await;
        let (mut stored, mut renewed_at) = (0, Instant::now());
        while done.run_until_cancelled(beats.tick()).await.is_some() {
            if live.length() == stored && renewed_at.elapsed() < RENEW_EVERY {
                continue;
            }
            let lease_until = self.clock.now().plus_millis(LEASE_MS);
            let text = live.text();
            match self.store.checkpoint(id, &self.owner, &text, lease_until).await {
                Ok(Checkpointed::Held { is_stop_requested }) => {
                    (stored, renewed_at) = (text.len(), Instant::now());
                    if is_stop_requested {
                        live.stop(None);
                    }
                }
                // Somebody else has ended the reply, and the terminal write will learn how.
                Ok(Checkpointed::Lost) => live.stop(None),
                Err(error) => {
                    replies::checkpoint_failed();
                    tracing::warn!(message.id = %id, error = &error as &dyn std::error::Error, "a checkpoint failed");
                }
            }
        }
    }
}
