//! One message after the other is stored and published in each chat of this server: so subscribers of this server receive
//! them in the order in which they are stored, and the same text that a documented client sends by two ways is seen to be
//! the same.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use weak_table::WeakValueHashMap;

use super::{Error, Service};
use crate::domain::{ChatId, UserId, Viewer};
use crate::store::StoreError;

/// How long a call waits for those before it: as long as the store may take to answer one of them.
const WAIT_MAX: Duration = Duration::from_secs(5);

type Lock = tokio::sync::Mutex<()>;
/// Whose chat the caller takes it for: whose it is, is found by the store. So nobody waits for a stranger.
type Key = (ChatId, Option<UserId>);

/// The locks of the chats that somebody holds or waits for.
#[derive(Clone, Default)]
pub(super) struct ChatLocks(Arc<Mutex<WeakValueHashMap<Key, Weak<Lock>>>>);

impl Service {
    /// Waits until nobody else writes in the chat on this server, or for too long.
    pub(super) async fn lock(&self, viewer: &Viewer, chat: ChatId) -> Result<OwnedMutexGuard<()>, Error> {
        let lock = self.chat_locks.lock((chat, viewer.user().cloned()));
        let locked = tokio::time::timeout(WAIT_MAX, lock).await;
        locked.map_err(|elapsed| StoreError::Unavailable(elapsed.into()).into())
    }
}

impl ChatLocks {
    async fn lock(&self, key: Key) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match locks.get(&key) {
                Some(lock) => lock,
                None => {
                    let lock = Arc::new(Lock::default());
                    locks.insert(key, lock.clone());
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
    async fn a_chat_is_locked_for_one_at_a_time_and_no_other_chat_or_user_with_it() {
        let key = |chat, user| (ChatId(ObjectId::from_bytes([chat; 12])), Some(UserId::Int(user)));
        let locks = ChatLocks::default();
        let held = locks.lock(key(1, 7)).await;
        assert!(futures_util::poll!(Box::pin(locks.lock(key(1, 7)))).is_pending());
        drop(locks.lock(key(2, 7)).await);
        drop(locks.lock(key(1, 8)).await);
        drop(held);
        drop(locks.lock(key(1, 7)).await);
    }
}
