//! One write at a time per chat and server: subscribers receive messages in stored order, and a legacy client's
//! duplicate is detected.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use weak_table::WeakValueHashMap;

use super::{Error, Service};
use crate::domain::{ChatId, UserId, Viewer};
use crate::store::StoreError;

/// How long a call waits for earlier ones: as long as the store may take to answer one of them.
const WAIT_MAX: Duration = Duration::from_secs(5);

type Lock = tokio::sync::Mutex<()>;
/// The caller's user is part of the key, so nobody waits for a stranger who names the same chat id.
type Key = (ChatId, Option<UserId>);

/// The locks that a call holds or waits for.
#[derive(Clone, Default)]
pub(super) struct ChatLocks(Arc<Mutex<WeakValueHashMap<Key, Weak<Lock>>>>);

impl Service {
    /// Waits until no other call writes in the chat on this server; fails after [`WAIT_MAX`].
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
