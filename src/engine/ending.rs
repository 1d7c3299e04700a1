//! The end of a reply is stored, however long the store takes.

use std::time::Duration;

use tokio::time::Instant;

use super::{Ended, Engine, Waits};
use crate::domain::{Bill, Message, ReplyOutcome};
use crate::store::{Claim, StoreError};
use crate::telemetry::replies;

/// How long the terminal write is tried again while the store is away.
const TRIED_FOR: Duration = Duration::from_secs(300);
/// The same from the moment on in which the server shuts down.
const TRIED_IN_SHUTDOWN_FOR: Duration = Duration::from_secs(2);
/// The first and the longest wait between two tries, before chance doubles them at most.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

impl Engine {
    /// Writes the end, again and again while the store is away, and returns it as it is stored: if somebody else ended the
    /// reply before, theirs is the end. `None` if it could not be written. Readers are told no end before: another server
    /// may end the reply otherwise as soon as its lease is over.
    pub(super) async fn finish(
        &self,
        reply: &Message,
        outcome: &ReplyOutcome,
        bill: Option<&Bill>,
    ) -> Option<Ended> {
        let mut deadline = Instant::now() + TRIED_FOR;
        let mut is_shutting_down = false;
        let (wait_min, wait_max) = WAITS;
        let mut waits = Waits::between(wait_min, wait_max);
        let mut unstored = None;
        loop {
            match self.try_to_end(reply, outcome, bill).await {
                Ok(Some(ended)) => return Some(ended),
                // It is still streaming, under another owner's name: the store was restored from a backup.
                Ok(None) => return None,
                Err(error) => {
                    unstored.get_or_insert_with(replies::unstored);
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(message.id = %reply.id, error, "the end of a reply could not be stored yet");
                }
            }
            if Instant::now() >= deadline {
                tracing::error!(message.id = %reply.id, "the end of a reply was never stored");
                return None;
            }
            tokio::select! {
                // The shutdown first: it shortens what is waited for, whatever else is ready.
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

    async fn try_to_end(
        &self,
        reply: &Message,
        outcome: &ReplyOutcome,
        bill: Option<&Bill>,
    ) -> Result<Option<Ended>, StoreError> {
        let (claim, chat) = (Claim::Owner(&self.owner), reply.chat_id);
        let finish = self.store.finish_reply(chat, reply.id, claim, outcome, bill);
        let message = match finish.await? {
            Some(message) => Some(message),
            // Ended by another, or deleted meanwhile.
            None => self.store.messages(&[reply.id]).await?.pop(),
        };
        Ok(Self::ended(message))
    }
}
