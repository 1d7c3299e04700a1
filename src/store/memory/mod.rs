//! Keeps everything in memory and nothing after the process ends: for simulations and trials.
//!
//! One [`State`] behind one mutex; each method of the traits takes it, does its work in one of the state's functions, and
//! waits for nothing, so that each is one atomic step. It measures leases by a clock that is handed in.

mod chats;
mod exchanges;
mod figures;
mod messages;
mod replies;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{RevocationStore, Store, StoreError};
use crate::domain::{
    Bill, Chat, ChatId, Clock, Message, MessageId, Page, PageRequest, Position, Revocation, Timestamp, UserId,
};

/// A store in memory.
pub struct MemoryStore {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
}

/// Everything that is kept.
#[derive(Default)]
struct State {
    chats: BTreeMap<ChatId, Chat>,
    messages: BTreeMap<MessageId, Message>,
    /// Chats that were deleted, while messages of theirs are left to remove.
    deleted: BTreeSet<ChatId>,
    /// What each reply used.
    bills: BTreeMap<MessageId, Bill>,
    /// The latest of each user.
    revocations: Vec<Revocation>,
}

impl MemoryStore {
    /// An empty store that measures leases by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            state: Mutex::default(),
            clock,
        }
    }

    /// Every message of every chat, in the order of the ids: also of chats that are deleted.
    pub fn all_messages(&self) -> Vec<Message> {
        self.state().messages.values().cloned().collect()
    }

    /// Every chat, in the order of the ids.
    pub fn all_chats(&self) -> Vec<Chat> {
        self.state().chats.values().cloned().collect()
    }

    /// The replies that have a bill.
    pub fn billed(&self) -> BTreeSet<MessageId> {
        self.state().bills.keys().copied().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

#[async_trait]
impl RevocationStore for MemoryStore {
    async fn revoke(&self, user: &UserId) -> Result<Revocation, StoreError> {
        let (mut state, now) = (self.state(), self.now());
        let before = state.revocations.iter().find(|noted| noted.user == *user);
        let revocation = Revocation {
            user: user.clone(),
            at: before.map_or(now, |before| before.at.max(now)),
        };
        state.revocations.retain(|noted| noted.user != *user);
        state.revocations.push(revocation.clone());
        Ok(revocation)
    }

    async fn revocations(
        &self,
        after: Option<&Revocation>,
        limit: usize,
    ) -> Result<Vec<Revocation>, StoreError> {
        let mut noted = self.state().revocations.clone();
        let place = |revocation: &Revocation| (revocation.at, revocation.user.clone());
        noted.retain(|revocation| after.is_none_or(|after| place(revocation) > place(after)));
        noted.sort_by_key(place);
        noted.truncate(limit);
        Ok(noted)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A page of `items`, which are all there are, in the list's order.
fn page<T>(
    items: Vec<T>,
    request: &PageRequest,
    is_descending: bool,
    place: impl Fn(&T) -> Position,
) -> Page<T> {
    let is_before = |a: Position, b: Position| match is_descending {
        true => a > b,
        false => a < b,
    };
    let fits = |item: &T| {
        let place = place(item);
        request.after.is_none_or(|after| is_before(after, place))
            && request.before.is_none_or(|before| is_before(place, before))
    };
    let mut items: Vec<T> = items.into_iter().filter(fits).collect();
    let has_more = items.len() > request.size;
    match request.backward {
        true => drop(items.drain(..items.len().saturating_sub(request.size))),
        false => items.truncate(request.size),
    }
    Page { items, has_more }
}
