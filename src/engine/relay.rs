//! Publishes this server's replies to the other servers, as one more reader of the live text, at an offset of its own.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::Instant;

use super::{Engine, LiveReply};
use crate::domain::MessageId;
use crate::feed::Fleet;

/// The shortest time between two published pieces: text that arrives in between is published together.
const CARRY_EVERY: Duration = Duration::from_millis(25);
/// How long to wait after the other servers could not be reached.
const AWAY_WAIT: Duration = Duration::from_millis(250);

impl Engine {
    /// Publishes the text of a reply to the other servers until it has ended. If Redis lost some of it, the next piece
    /// begins where the text that Redis still has ends.
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

    /// Reads the stop requests that other servers stored as soon as they send a wake-up, until the engine shuts down.
    pub fn watch_stop_requests(self: &Arc<Self>) {
        let Some(fleet) = self.feed.fleet() else { return };
        let (engine, mut woken) = (self.clone(), fleet.woken());
        self.tasks.spawn(async move {
            while let Some(Some(id)) = engine.shutdown.run_until_cancelled(woken.next()).await {
                if let Some(live) = engine.live(id) {
                    live.request_checkpoint();
                }
            }
        });
    }
}
