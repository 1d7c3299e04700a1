//! Removes the messages of deleted chats in batches, on any server.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Engine, SWEEP_EVERY};
use crate::domain::{ChatEvent, ChatId};
use crate::telemetry::causes::causes;

/// Messages of one batch: few enough that no other write waits long for it.
const BATCH_MESSAGES: usize = 100;
/// The shortest pause between two batches; a batch that takes longer is followed by a pause as long as itself.
const PAUSE_MIN: Duration = Duration::from_millis(5);

/// The most chats that are remembered because their deletion was published.
const PUBLISHED_MAX: usize = 256;

/// Signals that a chat was deleted on this server.
#[derive(Default)]
pub(super) struct Sweeps(Notify);

impl Engine {
    /// Has the messages of a deleted chat removed soon.
    pub fn sweep_soon(&self) {
        self.sweeps.0.notify_one();
    }

    /// Removes the messages of chats that any server deleted, until the engine shuts down, and publishes these
    /// deletions: the deleting server may have died before it could. Pauses half of the time, so that other work gets
    /// its share.
    pub fn keep_sweeping(self: &Arc<Self>) {
        let engine = self.clone();
        self.tasks.spawn(async move {
            let (mut pause, mut published) = (Duration::ZERO, VecDeque::new());
            loop {
                let waited = async {
                    tokio::select! {
                        biased;
                        () = engine.sweeps.0.notified() => {}
                        () = tokio::time::sleep(pause) => {}
                    }
                };
                if engine.shutdown.run_until_cancelled(waited).await.is_none() {
                    return;
                }
                let begun = Instant::now();
                let swept = engine.store.sweep_deleted(BATCH_MESSAGES).await;
                pause = match swept {
                    Ok(Some(chat)) => {
                        let pause = begun.elapsed().max(PAUSE_MIN);
                        engine.publish_deletion(chat, &mut published).await;
                        pause
                    }
                    Ok(None) => SWEEP_EVERY,
                    Err(error) => {
                        tracing::warn!(error = %causes(&error), "what deleted chats left behind could not be removed yet");
                        SWEEP_EVERY
                    }
                };
            }
        });
    }

    /// Publishes that a chat is deleted, unless it is among those that were `published` last.
    async fn publish_deletion(&self, chat: ChatId, published: &mut VecDeque<ChatId>) {
        if published.contains(&chat) {
            return;
        }
        if published.len() == PUBLISHED_MAX {
            published.pop_front();
        }
        published.push_back(chat);
        self.abandon_chat(chat);
        self.feed.publish(chat, ChatEvent::ChatDeleted).await;
    }
}
