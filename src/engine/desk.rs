//! Where the replies of one chat take turns: they run one after the other, in the order in which they were asked for,
//! and only so many wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::domain::{ChatId, MessageId, Timestamp};

/// The most replies of one chat that run or wait for their turn.
pub const REPLIES_PER_CHAT_MAX: usize = 8;

/// The desks of all chats in which something is under way.
#[derive(Clone, Default)]
pub(super) struct Desks(Arc<Mutex<HashMap<ChatId, Weak<Desk>>>>);

/// One chat's desk.
struct Desk {
    /// One permit, taken in the order of asking: whose turn it is.
    turn: Arc<Semaphore>,
    /// One permit, taken in the order of asking: who asks for a reply.
    door: Arc<Semaphore>,
    /// The replies that run or wait, in the order of their turns.
    replies: Mutex<Vec<MessageId>>,
    last_moment: Mutex<Option<Timestamp>>,
}

/// A hold on a desk, which goes when nobody holds it any more.
struct Held {
    desk: Arc<Desk>,
    desks: Desks,
    chat: ChatId,
}

/// Whoever holds it is the only one who asks for a reply in the chat.
pub struct Entry {
    held: Held,
    _permit: OwnedSemaphorePermit,
}

/// A reply's place at the desk, from before it is stored until after it has ended.
pub struct Slot {
    held: Held,
    id: MessageId,
    _counted: TaskTrackerToken,
    /// What the caller wants let go with it.
    _share: Option<Box<dyn Send + Sync>>,
}

impl Desks {
    /// Waits until nobody else asks for a reply in this chat.
    pub(super) async fn enter(&self, chat: ChatId) -> Result<Entry, AcquireError> {
        let held = self.hold(chat);
        let permit = held.desk.door.clone().acquire_owned().await?;
        Ok(Entry {
            held,
            _permit: permit,
        })
    }

    /// The replies of a chat that run or wait here, in the order of their turns.
    pub(super) fn replies(&self, chat: ChatId) -> Vec<MessageId> {
        // Under the lock to the end: a hold that nobody knows of would keep the desk from being put away.
        let desks = lock(&self.0);
        let Some(desk) = desks.get(&chat).and_then(Weak::upgrade) else {
            return Vec::new();
        };
        lock(&desk.replies).clone()
    }

    fn hold(&self, chat: ChatId) -> Held {
        let mut desks = lock(&self.0);
        let desk = desks.get(&chat).and_then(Weak::upgrade).unwrap_or_else(|| {
            let desk = Arc::new(Desk {
                turn: Arc::new(Semaphore::new(1)),
                door: Arc::new(Semaphore::new(1)),
                replies: Mutex::default(),
                last_moment: Mutex::default(),
            });
            desks.insert(chat, Arc::downgrade(&desk));
            desk
        });
        Held {
            desk,
            desks: self.clone(),
            chat,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut desks = lock(&self.desks.0);
        // Nobody can take hold of it meanwhile: that needs the lock.
        if Arc::strong_count(&self.desk) == 1 {
            desks.remove(&self.chat);
        }
    }
}

impl Entry {
    /// The chat in which a reply is asked for.
    pub fn chat(&self) -> ChatId {
        self.held.chat
    }

    /// The present moment, or one that comes after all that were given out here before: messages that are written one
    /// after the other in one millisecond keep their order.
    pub fn moment(&self, now: Timestamp) -> Timestamp {
        let mut last = lock(&self.held.desk.last_moment);
        let moment = last.map_or(now, |last| now.max(last.plus_millis(1)));
        *last = Some(moment);
        moment
    }

    /// A place behind all others, which counts as long as it is held; `None` if [`REPLIES_PER_CHAT_MAX`] are taken.
    pub(super) fn take_slot(&self, id: MessageId, counted: TaskTrackerToken) -> Option<Slot> {
        let held = self.held.desks.hold(self.held.chat);
        {
            let mut replies = lock(&held.desk.replies);
            if replies.len() >= REPLIES_PER_CHAT_MAX {
                return None;
            }
            replies.push(id);
        }
        Some(Slot {
            held,
            id,
            _counted: counted,
            _share: None,
        })
    }
}

impl Slot {
    /// The same place, with something that is let go when the reply has ended.
    pub fn holding(mut self, share: impl Send + Sync + 'static) -> Self {
        self._share = Some(Box::new(share));
        self
    }

    /// Waits for the reply's turn, which lasts until the permit is dropped.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.held.desk.turn.clone().acquire_owned().await
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        lock(&self.held.desk.replies).retain(|id| *id != self.id);
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ObjectId;
    use tokio_util::task::TaskTracker;

    fn id(n: u8) -> ObjectId {
        ObjectId::from_bytes([n; 12])
    }

    #[tokio::test]
    async fn a_desk_holds_so_many_replies_in_order_and_goes_with_the_last_hold() {
        let (desks, chat) = (Desks::default(), ChatId(id(1)));
        let entry = desks.enter(chat).await.unwrap();
        let counted = TaskTracker::new();
        let take = |n| entry.take_slot(MessageId(id(n)), counted.token());
        let slots: Vec<_> = (0..8).filter_map(take).collect();
        assert_eq!(slots.len(), REPLIES_PER_CHAT_MAX);
        assert!(take(9).is_none());
        assert_eq!(counted.len(), REPLIES_PER_CHAT_MAX);
        assert_eq!(desks.replies(chat)[7], MessageId(id(7)));
        drop(entry);
        let turn = slots[3].turn().await.unwrap();
        assert!(futures_util::poll!(Box::pin(slots[1].turn())).is_pending());
        drop(turn);
        assert!(slots[1].turn().await.is_ok());
        drop(slots);
        assert!(lock(&desks.0).is_empty() && counted.is_empty());
    }
}
