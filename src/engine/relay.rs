//! What other servers are told of the replies of this one: one more reader of the live text, at an offset of its own.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::Instant;

use super::{Engine, LiveReply};
use crate::domain::MessageId;
use crate::feed::Fleet;

/// The shortest time between two pieces that are carried: what comes in between goes together.
const CARRY_EVERY: Duration = Duration::from_millis(25);
/// How long it is waited after the others could not be reached.
const AWAY_WAIT: Duration = Duration::from_millis(250);

impl Engine {
    /// Carries the text of a reply to the other servers, until it has ended. Whatever happens to what carries it, the
    /// next piece begins where the last one that is kept ended.
    pub(super) async fn relay(fleet: &Arc<dyn Fleet>, id: MessageId, live: &LiveReply) {
        let mut offset = 0;
        while let Some(piece) = live.piece_behind(&mut offset).await {
            let begun = Instant::now();
            match fleet.carry(id, offset, &piece).await {
                Ok(kept) => {
                    offset = kept;
                    tokio::time::sleep_until(begun + CARRY_EVERY).await;
                }
                Err(_) if live.has_ended() => return,
                Err(_) => tokio::time::sleep(AWAY_WAIT).await,
            }
        }
    }

    /// Looks after the stops that other servers note, as soon as they do, until the engine shuts down.
    pub fn heed_wakes(self: &Arc<Self>) {
        let Some(fleet) = self.feed.fleet() else { return };
        let (engine, mut woken) = (self.clone(), fleet.woken());
        self.tasks.spawn(async move {
            while let Some(Some(id)) = engine.shutdown.run_until_cancelled(woken.next()).await {
                if let Some(live) = engine.live(id) {
                    live.ask_for_beat();
                }
            }
        });
    }
}
