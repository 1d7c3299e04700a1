//! The end of a reply is stored, however long the store takes; its readers are not kept waiting for that.

use std::time::Duration;

use tokio::time::Instant;

use super::{Ended, Engine, LiveReply, Waits};
use crate::domain::{Bill, EndedMessage, Message, ReplyOutcome};
use crate::store::{Claim, StoreError};
use crate::telemetry::replies;

/// How long the terminal write is tried again while the store is away.
const TRIED_FOR: Duration = Duration::from_secs(300);
/// The same from the moment on in which the server shuts down.
const TRIED_IN_SHUTDOWN_FOR: Duration = Duration::from_secs(2);
/// How long readers wait for the end to be stored, before they are told it as it is known here: or less, if the lease ends
/// sooner, since afterwards another server may end the reply otherwise.
const TOLD_AFTER: Duration = Duration::from_secs(5);
/// How long before the end of its lease a reply is told no more: clocks do not run alike.
const LEASE_MARGIN: Duration = Duration::from_secs(1);
/// The first and the longest wait between two tries, before chance doubles them at most.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

impl Engine {
    /// Writes the end, again and again while the store is away. If somebody else ended the reply before, theirs is
    /// the end.
    pub(super) async fn finish(
        &self,
        reply: &Message,
        live: &LiveReply,
        outcome: ReplyOutcome,
        bill: Option<Bill>,
    ) -> Ended {
        let write = self.write_end(reply, &outcome, bill.as_ref());
        tokio::pin!(write);
        let known = || Ended::As(EndedMessage::by_outcome(reply.clone(), outcome.clone()));
        let told_after = live.vouched_for().saturating_sub(LEASE_MARGIN).min(TOLD_AFTER);
        if told_after.is_zero() {
            return write.await.unwrap_or_else(known);
        }
        match tokio::time::timeout(told_after, &mut write).await {
            Ok(written) => written.unwrap_or_else(known),
            Err(_) => {
                // Unless this server stood still meanwhile.
                if !live.vouched_for().is_zero() {
                    live.end(known());
                }
                write.await.unwrap_or_else(known)
            }
        }
    }

    /// The end as it is stored; `None` if it could not be.
    async fn write_end(&self, reply: &Message, outcome: &ReplyOutcome, bill: Option<&Bill>) -> Option<Ended> {
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
