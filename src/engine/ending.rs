//! Storing the end of a reply, while the store may be unavailable.

use std::time::Duration;

use tokio::time::Instant;

use super::{Ended, Engine, Waits};
use crate::domain::{Bill, Message, ReplyOutcome};
use crate::store::{Claim, StoreError};
use crate::telemetry::causes::causes;
use crate::telemetry::replies;

/// How long the terminal write is retried while the store is unavailable.
const TRIED_FOR: Duration = Duration::from_secs(300);
/// The same, once the server is shutting down.
const TRIED_IN_SHUTDOWN_FOR: Duration = Duration::from_secs(2);

impl Engine {
    /// Stores the end, retrying while the store is unavailable, and returns the end that the store has: if another
    /// server ended the reply first, that server's end counts. `None` if it could not be stored. Readers receive the
    /// end only after this, because another server may end the reply differently as soon as the lease has expired.
    pub(super) async fn finish(&self, reply: &Message, outcome: &ReplyOutcome, bill: &Bill) -> Option<Ended> {
        let mut deadline = Instant::now() + TRIED_FOR;
        let mut is_shutting_down = false;
        let mut waits = Waits::for_store();
        let mut unstored = None;
        loop {
            match self.try_to_end(reply, outcome, bill).await {
                Ok(Some(ended)) => return Some(ended),
                // It is streaming under another owner: another server closes it, or the store was restored from a
                // backup.
                Ok(None) => return None,
                Err(error) => {
                    unstored.get_or_insert_with(replies::unstored);
                    tracing::warn!(message.id = %reply.id, error = %causes(&error), "the end of a reply could not be stored yet");
                }
            }
            if Instant::now() >= deadline {
                tracing::error!(message.id = %reply.id, "the end of a reply was never stored");
                return None;
            }
            tokio::select! {
                // The shutdown first: it shortens the deadline, even if another attempt is due.
                biased;
                () = self.shutdown.cancelled(), if !is_shutting_down => {
                    is_shutting_down = true;
                    deadline = deadline.min(Instant::now() + TRIED_IN_SHUTDOWN_FOR);
                    waits.reset();
                }
                () = waits.wait() => {}
            }
        }
    }

    /// Whether the lease still runs is not asked: if another server closed the reply, neither the end nor the bill is
    /// stored here.
    async fn try_to_end(
        &self,
        reply: &Message,
        outcome: &ReplyOutcome,
        bill: &Bill,
    ) -> Result<Option<Ended>, StoreError> {
        let (chat, id) = (reply.chat_id, reply.id);
        let owner = Claim::Owner(&self.owner);
        let finish = self.store.finish_reply(chat, id, owner, outcome, Some(bill));
        let message = match finish.await? {
            Some(message) => Some(message),
            // Ended by another, or deleted meanwhile.
            None => self.store.messages(&[id]).await?.pop(),
        };
        Ok(Self::ended(message))
    }
}
