//! What deleted chats leave behind is removed in pieces, by whichever server comes to it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Engine, SWEEP_EVERY};

/// Messages of one piece: few enough that nobody who writes meanwhile waits for long.
const PIECE_MESSAGES: usize = 100;
/// The shortest pause between two pieces; a piece that takes longer is followed by a pause as long as it.
const PAUSE_MIN: Duration = Duration::from_millis(5);

/// Says that a chat was deleted on this server.
#[derive(Default)]
pub(super) struct Sweeps(Notify);

impl Engine {
    /// Has what a deleted chat left behind removed soon.
    pub fn sweep_soon(&self) {
        self.sweeps.0.notify_one();
    }

    /// Removes what deleted chats left behind, whoever deleted them, until the engine shuts down. Half of the time is left
    /// to everybody else.
    pub fn keep_sweeping(self: &Arc<Self>) {
        let engine = self.clone();
        self.tasks.spawn(async move {
            let mut pause = Duration::ZERO;
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
                    Ok(true) => begun.elapsed().max(PAUSE_MIN),
                    Ok(false) => SWEEP_EVERY,
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "what deleted chats left behind could not be removed yet");
                        SWEEP_EVERY
                    }
                };
            }
        });
    }
}
