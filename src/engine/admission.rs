//! Who may begin a reply while another of the same chat is under way.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::{AcquireError, OwnedSemaphorePermit};

use super::{Engine, Entry, STOP_WAIT_MAX, Slot};
use crate::domain::{ChatId, Message, MessageId, StopRequest, UserId, WhileReplying};
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

    /// Waits for the reply's turn: for those before it on this server, and for the earlier ones of other servers. Of two
    /// servers that begin within the difference of their clocks, both may go first.
    pub(super) async fn turn(
        self: &Arc<Self>,
        slot: &Slot,
        reply: &Message,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        let permit = slot.turn().await?;
        let place = |message: &Message| (message.created_at, message.id);
        loop {
            let active = self.store.active_replies(&[reply.chat_id]).await;
            let oldest = active.ok().and_then(|mut active| active.remove(&reply.chat_id));
            match oldest.filter(|oldest| place(oldest) < place(reply) && self.live(oldest.id).is_none()) {
                Some(earlier) => drop(self.mirror(earlier).ended().await),
                // Where the store cannot say who is before it, the history cannot be read either.
                None => return Ok(permit),
            }
        }
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
                // Another server's: its owner looks at once, or sees the wish with its next beat.
                None => {
                    let message = self.store.request_stop(id, &request).await?;
                    let owner = message.and_then(|message| message.reply).map(|reply| reply.owner);
                    if let (Some(fleet), Some(owner)) = (self.feed.fleet(), owner) {
                        fleet.wake(&owner, id).await;
                    }
                }
            }
        }
        let ended = join_all(ending.iter().map(|live| live.ended()));
        // One that takes longer still ends before the new one has its turn.
        let _ = tokio::time::timeout(STOP_WAIT_MAX, ended).await;
        Ok(())
    }
}
