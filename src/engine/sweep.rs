//! What deleted chats leave behind is removed in pieces, by whichever server comes to it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Engine, SWEEP_EVERY};
use crate::domain::{ChatEvent, ChatId};

/// Messages of one piece: few enough that nobody who writes meanwhile waits for long.
const PIECE_MESSAGES: usize = 100;
/// The shortest pause between two pieces; a piece that takes longer is followed by a pause as long as it.
const PAUSE_MIN: Duration = Duration::from_millis(5);

/// The most chats that are remembered as told to be deleted.
const TOLD_MAX: usize = 256;

/// Says that a chat was deleted on this server.
#[derive(Default)]
pub(super) struct Sweeps(Notify);

impl Engine {
    /// Has what a deleted chat left behind removed soon.
    pub fn sweep_soon(&self) {
        self.sweeps.0.notify_one();
    }

    /// Removes what deleted chats left behind, whoever deleted them, until the engine shuts down, and tells followers that
    /// these chats are deleted: whoever deleted them may have died before it could. Half of the time is left to everybody
    /// else.
    pub fn keep_sweeping(self: &Arc<Self>) {
        let engine = self.clone();
        self.tasks.spawn(async move {
            let (mut pause, mut told) = (Duration::ZERO, VecDeque::new());
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
                let swept = engine.store.sweep_deleted(PIECE_MESSAGES).await;
                pause = match swept {
                    Ok(Some(chat)) => {
                        let pause = begun.elapsed().max(PAUSE_MIN);
                        engine.tell_deleted(chat, &mut told).await;
                        pause
                    }
                    Ok(None) => SWEEP_EVERY,
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "what deleted chats left behind could not be removed yet");
                        SWEEP_EVERY
                    }
                };
            }
        });
    }

    /// Says once, as far as is remembered, that a chat is deleted.
    async fn tell_deleted(&self, chat: ChatId, told: &mut VecDeque<ChatId>) {
        if told.contains(&chat) {
            return;
        }
        if told.len() == TOLD_MAX {
            told.pop_front();
        }
        told.push_back(chat);
        self.abandon_chat(chat);
        self.feed.publish(chat, ChatEvent::ChatDeleted).await;
    }
}
