//! One message after the other is stored and published in each chat of this server: so subscribers receive them in the
//! order in which they are stored, and the same text that a documented client sends by two ways is seen to be the same.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;
use weak_table::WeakValueHashMap;

use crate::domain::ChatId;

type Lock = tokio::sync::Mutex<()>;

/// The locks of the chats that somebody holds or waits for.
#[derive(Clone, Default)]
pub(super) struct ChatLocks(Arc<Mutex<WeakValueHashMap<ChatId, Weak<Lock>>>>);

impl ChatLocks {
    /// Waits until nobody else has the chat's lock.
    pub(super) async fn lock(&self, chat: ChatId) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match locks.get(&chat) {
                Some(lock) => lock,
                None => {
                    let lock = Arc::new(Lock::default());
                    locks.insert(chat, lock.clone());
                    lock
                }
            }
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ObjectId;

    #[tokio::test]
    async fn a_chat_is_locked_for_one_at_a_time_and_no_other_chat_with_it() {
        let (locks, chat) = (ChatLocks::default(), |n| ChatId(ObjectId::from_bytes([n; 12])));
        let held = locks.lock(chat(1)).await;
        assert!(futures_util::poll!(Box::pin(locks.lock(chat(1)))).is_pending());
        drop(locks.lock(chat(2)).await);
        drop(held);
        drop(locks.lock(chat(1)).await);
    }
}
