//! The owner's heartbeat: the text so far goes to the store, the lease is renewed, a stop is noticed. The reader of
//! the bot's stream never waits for it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{BEAT_EVERY, Engine, LEASE, LiveReply, RENEW_EVERY, Waits};
use crate::domain::MessageId;
use crate::store::Checkpointed;
use crate::telemetry::replies;

/// The longest wait after a checkpoint that failed, before chance doubles it at most. Short beside [`LEASE`]: when the
/// store is back, the lease is renewed before anybody may judge it.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Replies beat at moments this far apart, many at the same, so that the store can take together what they write; and not
/// all of them, so that there is not too much of it at once. A part of [`BEAT_EVERY`].
const BEATS_APART: Duration = Duration::from_millis(100);

impl Engine {
    /// When a reply beats first that begins now: it was stored just before.
    fn first_beat(&self) -> Instant {
        let behind_last = self.begun_at.elapsed().as_millis() % BEATS_APART.as_millis();
        let behind_last = Duration::from_millis(u64::try_from(behind_last).unwrap_or_default());
        Instant::now() + BEAT_EVERY - behind_last
    }

    /// Beats until `done`; `leased_at` becomes when the lease that runs was asked for. A beat that overtakes or follows the terminal write changes nothing: it is conditional on
    /// the reply's still streaming.
    pub(super) async fn beat(
        &self,
        id: MessageId,
        live: &LiveReply,
        leased_at: &watch::Sender<Instant>,
        done: CancellationToken,
    ) {
        let chat = live.chat();
        let mut beats = tokio::time::interval_at(self.first_beat(), BEAT_EVERY);
        beats.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let (mut stored, mut renewed_at) = (0, Instant::now());
        let mut waits = Waits::between(BEAT_EVERY, WAIT_MAX);
        loop {
            tokio::select! {
                biased;
                () = done.cancelled() => return,
                () = live.beat_asked_for() => {}
                _ = beats.tick() => {
                    if live.length() == stored && renewed_at.elapsed() < RENEW_EVERY {
                        continue;
                    }
                }
            }
            let (text, asked_at) = (live.text(), Instant::now());
            match self.store.checkpoint(chat, id, &self.owner, &text, LEASE).await {
                Ok(Checkpointed::Held { is_stop_requested }) => {
                    (stored, renewed_at) = (text.len(), asked_at);
                    leased_at.send_replace(asked_at);
                    waits.reset();
                    if is_stop_requested {
                        live.stop(None);
                    }
                }
                // Somebody else has ended the reply, and the terminal write will learn how.
                Ok(Checkpointed::Lost) => live.stop(None),
                Err(error) => {
                    replies::checkpoint_failed();
                    tracing::warn!(message.id = %id, error = &error as &dyn std::error::Error, "a checkpoint failed");
                    // All replies of all servers fail at once, and must not come back at once.
                    if done.run_until_cancelled(waits.wait()).await.is_none() {
                        return;
                    }
                }
            }
        }
    }
}
