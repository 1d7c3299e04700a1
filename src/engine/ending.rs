//! Storing the end of a reply, while the store may be unavailable.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::{Ended, Engine, LEASE, Waits};
use crate::domain::{Bill, Message, ReplyOutcome};
use crate::store::{Checkpointed, Claim, StoreError};
use crate::telemetry::replies;

/// How long the terminal write is retried while the store is unavailable.
const TRIED_FOR: Duration = Duration::from_secs(300);
/// The same, once the server is shutting down.
const TRIED_IN_SHUTDOWN_FOR: Duration = Duration::from_secs(2);
/// For how long after its lease was requested this server may end a reply without renewing the lease. Well below the
/// lease, so that the terminal write is carried out before the lease expires.
const SURE_FOR: Duration = Duration::from_secs(4);

impl Engine {
    /// Stores the end, retrying while the store is unavailable, and returns the end that the store has: if another
    /// server ended the reply first, that server's end counts. `None` if it could not be stored. Readers receive the
    /// end only after this, because another server may end the reply differently as soon as the lease has expired.
    pub(super) async fn finish(
        &self,
        reply: &Message,
        leased_at: &watch::Receiver<Instant>,
        outcome: &ReplyOutcome,
        bill: &Bill,
    ) -> Option<Ended> {
        let mut deadline = Instant::now() + TRIED_FOR;
        let mut is_shutting_down = false;
        let mut waits = Waits::for_store();
        let mut unstored = None;
        loop {
            match self.try_to_end(reply, leased_at, outcome, bill).await {
                Ok(Some(ended)) => return Some(ended),
                // It is streaming under another owner: another server closes it, or the store was restored from a
                // backup.
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

    async fn try_to_end(
        &self,
        reply: &Message,
        leased_at: &watch::Receiver<Instant>,
        outcome: &ReplyOutcome,
        bill: &Bill,
    ) -> Result<Option<Ended>, StoreError> {
        let (chat, id) = (reply.chat_id, reply.id);
        let mut claim = Claim::Owner(&self.owner);
        let is_sure = leased_at.borrow().elapsed() < SURE_FOR;
        if !is_sure && self.is_lost(reply, outcome).await? {
            let message = self.store.messages(&[id]).await?.pop();
            // The server that ended it has also billed it.
            if message.is_some() {
                return Ok(Self::ended(message));
            }
            // Deleted, and maybe ended and billed by another server before that: as one that closes it, this one looks
            // whether it was.
            claim = Claim::Lapsed;
        }
        let finish = self.store.finish_reply(chat, id, claim, outcome, Some(bill));
        let message = match finish.await? {
            Some(message) => Some(message),
            // Ended by another, or deleted meanwhile.
            None => self.store.messages(&[id]).await?.pop(),
        };
        Ok(Self::ended(message))
    }

    /// Renews the lease. Returns whether this server has lost the reply and may not end it.
    async fn is_lost(&self, reply: &Message, outcome: &ReplyOutcome) -> Result<bool, StoreError> {
        let text = outcome.text.as_deref().unwrap_or_default();
        let renew = self
            .store
            .checkpoint(reply.chat_id, reply.id, &self.owner, text, LEASE);
        Ok(renew.await? == Checkpointed::Lost)
    }
}
