//! Who may begin a reply while another of the same chat is under way.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{Engine, Entry, STOP_WAIT_MAX, Slot};
use crate::domain::{ChatId, MessageId, StopRequest, UserId, WhileReplying};
use crate::store::StoreError;

/// Why a reply could not begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// The chat has [`super::REPLIES_PER_CHAT_MAX`] replies under way.
    #[error("too many replies wait in this chat")]
    QueueFull,
    /// A reply of the chat is under way, and the caller would not wait for it.
    #[error("a reply is under way in this chat")]
    UnderWay(MessageId),
    /// The server is shutting down.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// Waits until nobody else asks for a reply in this chat on this server.
    pub async fn enter(&self, chat: ChatId) -> Result<Entry, BeginError> {
        // Semaphores of a desk are never closed.
        self.desks.enter(chat).await.map_err(|_| BeginError::ShuttingDown)
    }

    /// A place for the reply `id`, as the caller wishes if others are under way. Nothing is stored yet; dropping the
    /// slot gives the place back.
    pub async fn admit(
        self: &Arc<Self>,
        entry: &Entry,
        id: MessageId,
        wish: WhileReplying,
        by: &UserId,
    ) -> Result<Slot, BeginError> {
        let counted = {
            let registry = self.registry();
            // Under the same lock as the beginning of the drain, which waits for whatever is counted.
            if registry.is_draining {
                return Err(BeginError::ShuttingDown);
            }
            self.replies.token()
        };
        match wish {
            WhileReplying::Queue => {}
            WhileReplying::Reject => {
                if let Some(other) = self.replies_under_way(entry.chat()).await?.first() {
                    return Err(BeginError::UnderWay(*other));
                }
            }
            WhileReplying::Interrupt => self.interrupt(entry, by).await?,
        }
        entry.take_slot(id, counted).ok_or(BeginError::QueueFull)
    }

    /// Stops whatever is under way in the chat, and waits for its end at most [`STOP_WAIT_MAX`].
    async fn interrupt(self: &Arc<Self>, entry: &Entry, by: &UserId) -> Result<(), StoreError> {
        let request = StopRequest {
            at: self.clock.now(),
            by: by.clone(),
        };
        let mut ending = Vec::new();
        for id in self.replies_under_way(entry.chat()).await? {
            match self.live(id) {
                Some(live) => {
                    live.stop(Some(request.clone()));
                    ending.push(live);
                }
                // Another server's: its owner sees the wish with its next beat.
                None => {
                    self.store.request_stop(id, &request).await?;
                }
            }
        }
        let ended = join_all(ending.iter().map(|live| live.ended()));
        // One that takes longer still ends before the new one has its turn.
        let _ = tokio::time::timeout(STOP_WAIT_MAX, ended).await;
        Ok(())
    }
}
