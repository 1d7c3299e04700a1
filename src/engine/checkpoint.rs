//! The owner's heartbeat: the text so far goes to the store, the lease is renewed, a stop is noticed. The reader of
//! the bot's stream never waits for it.

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{BEAT_EVERY, Engine, LEASE_MS, LiveReply};
use crate::domain::MessageId;
use crate::store::Checkpointed;

impl Engine {
    /// Beats until `done`; a beat under way is finished first, so that none follows the terminal write.
    pub(super) async fn beat(&self, id: MessageId, live: &LiveReply, done: CancellationToken) {
        let mut beats = tokio::time::interval(BEAT_EVERY);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is immediate, and the reply was stored just now.
        beats.tick().await;
        loop {
            tokio::select! {
                () = done.cancelled() => return,
                _ = beats.tick() => {}
            }
            let lease_until = self.clock.now().plus_millis(LEASE_MS);
            match self
                .store
                .checkpoint(id, &self.owner, &live.text(), lease_until)
                .await
            {
                Ok(Checkpointed::Held {
                    is_stop_requested: false,
                }) => {}
                // Lost: somebody else has ended the reply, and the terminal write will learn how.
                Ok(
                    Checkpointed::Held {
                        is_stop_requested: true,
                    }
                    | Checkpointed::Lost,
                ) => live.stop(),
                Err(error) => {
                    tracing::warn!(message.id = %id, error = &error as &dyn std::error::Error, "a checkpoint failed");
                }
            }
        }
    }
}
