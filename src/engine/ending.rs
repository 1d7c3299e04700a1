//! The end of a reply is stored, however long the store takes; its readers are not kept waiting for that.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::Instant;

use super::{Engine, LiveReply};
use crate::domain::{Message, ReplyOutcome};
use crate::store::{Claim, StoreError};
use crate::telemetry::replies;

/// How long the terminal write is tried again while the store is away.
const TRIED_FOR: Duration = Duration::from_secs(300);
/// The same from the moment on in which the server shuts down.
const TRIED_IN_SHUTDOWN_FOR: Duration = Duration::from_secs(2);
/// How long readers wait for the end to be stored, before they are told it as it is known here.
const TOLD_AFTER: Duration = Duration::from_secs(5);
/// The first and the longest wait between two tries, before chance doubles them at most.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

impl Engine {
    /// Writes the end, again and again while the store is away. If somebody else ended the reply before, theirs is
    /// the end.
    pub(super) async fn finish(&self, reply: &Message, live: &LiveReply, outcome: ReplyOutcome) -> Message {
        let write = self.write_end(reply, &outcome);
        tokio::pin!(write);
        let known = || ended(reply.clone(), outcome.clone());
        match tokio::time::timeout(TOLD_AFTER, &mut write).await {
            Ok(written) => written.unwrap_or_else(known),
            Err(_) => {
                live.end(known());
                write.await.unwrap_or_else(known)
            }
        }
    }

    /// The message as it is stored in the end; `None` if it is stored no more, or could not be.
    async fn write_end(&self, reply: &Message, outcome: &ReplyOutcome) -> Option<Message> {
        let mut deadline = Instant::now() + TRIED_FOR;
        let mut is_shutting_down = false;
        let (wait_min, wait_max) = WAITS;
        let waits = ExponentialBuilder::default()
            .with_min_delay(wait_min)
            .with_max_delay(wait_max)
            .without_max_times()
            .with_jitter();
        let mut next_waits = waits.build();
        let mut unstored = None;
        loop {
            match self.try_to_end(reply, outcome).await {
                Ok(message) => return message,
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
                    next_waits = waits.build();
                }
                () = tokio::time::sleep(next_waits.next().unwrap_or(wait_max)) => {}
            }
        }
    }

    async fn try_to_end(
        &self,
        reply: &Message,
        outcome: &ReplyOutcome,
    ) -> Result<Option<Message>, StoreError> {
        let claim = Claim::Owner(&self.owner);
        match self.store.finish_reply(reply.id, claim, outcome).await? {
            Some(message) => Ok(Some(message)),
            // Ended by another, or deleted meanwhile.
            None => Ok(self.store.messages(&[reply.id]).await?.pop()),
        }
    }
}

/// The message that an outcome makes of a streaming one, where no store can say it.
fn ended(mut message: Message, outcome: ReplyOutcome) -> Message {
    message.text = outcome.text.unwrap_or(message.text);
    message.updated_at = outcome.finished_at;
    message.token_count = outcome.usage.map(|usage| usage.completion);
    if let Some(reply) = &mut message.reply {
        reply.state = outcome.state;
        reply.stop = outcome.stop;
        reply.usage = outcome.usage;
        reply.started_at = outcome.started_at;
        reply.first_piece_at = outcome.first_piece_at;
        reply.upstream_closed_at = outcome.upstream_closed_at;
        reply.finished_at = Some(outcome.finished_at);
        reply.overhead_us = outcome.overhead_us;
        reply.reasoning = outcome.reasoning;
        reply.error = outcome.error;
    }
    message
}
