//! The logs of chats in memory, and their subscribers: each is a position and a wake-up.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::sync::watch;

use super::log::{Log, Placed};
use super::{Followed, Follower};
use crate::domain::{ChatEvent, ChatId, FeedPosition, Typing};

/// How long a chat's events outlive its last subscriber, so that a client that reconnects can resume.
pub const RETAINED_FOR: Duration = Duration::from_secs(300);
/// More than this the rings without a subscriber do not hold after [`Rings::shrink`], but for those whose last
/// subscriber left within [`SPARED_FOR`], without the contents of their events.
pub(super) const UNFOLLOWED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long a ring stays in any case: when a proxy restarts, all subscribers leave, and come back within seconds.
pub(super) const SPARED_FOR: Duration = Duration::from_secs(30);

/// The rings of the chats that have subscribers, or had some recently.
pub(super) struct Rings {
    by_chat: Mutex<HashMap<ChatId, Arc<Ring>>>,
    /// How many bytes the rings without a subscriber hold.
    unfollowed_bytes: Arc<AtomicUsize>,
}

/// One chat's ring.
pub(super) struct Ring {
    log: Mutex<Log>,
    /// Signals that the log has changed; the number says nothing.
    changes: watch::Sender<()>,
}

impl Rings {
    pub(super) fn new() -> Self {
        Self {
            by_chat: Mutex::default(),
            unfollowed_bytes: Arc::default(),
        }
    }

    /// The chat's ring, if it has one.
    pub(super) fn find(&self, chat: ChatId) -> Option<Arc<Ring>> {
        lock(&self.by_chat).get(&chat).cloned()
    }

    /// The chat's ring. If there is none, makes one that begins at `start`.
    pub(super) fn open(&self, chat: ChatId, start: impl FnOnce() -> FeedPosition) -> Arc<Ring> {
        let mut rings = lock(&self.by_chat);
        rings
            .entry(chat)
            .or_insert_with(|| Arc::new(Ring::at(start(), self.unfollowed_bytes.clone())))
            .clone()
    }

    /// Every ring.
    pub(super) fn all(&self) -> Vec<(ChatId, Arc<Ring>)> {
        lock(&self.by_chat)
            .iter()
            .map(|(chat, ring)| (*chat, ring.clone()))
            .collect()
    }

    /// The number of rings.
    pub(super) fn len(&self) -> usize {
        lock(&self.by_chat).len()
    }

    /// Removes the rings that had no subscriber for this long. Returns their chats.
    pub(super) fn remove_idle(&self, idle: Duration) -> Vec<ChatId> {
        let mut gone = Vec::new();
        lock(&self.by_chat).retain(|chat, ring| {
            let stays = ring.is_used() || lock(&ring.log).left_at.elapsed() < idle;
            if !stays {
                gone.push(*chat);
            }
            stays
        });
        gone
    }

    /// If the rings without a subscriber hold more than [`UNFOLLOWED_BYTES_MAX`], reduces that to half of it, those first
    /// whose last subscriber left first: drops the contents of their events, which subscribers who come back read in the
    /// store; and if that is not enough, the rings, so that those subscribers receive a gap.
    pub(super) fn shrink(&self) {
        if self.unfollowed_bytes() <= UNFOLLOWED_BYTES_MAX {
            return;
        }
        let is_enough = || self.unfollowed_bytes() <= UNFOLLOWED_BYTES_MAX / 2;
        let mut rings = lock(&self.by_chat);
        let mut unfollowed: Vec<_> = rings
            .iter()
            .filter_map(|(chat, ring)| {
                let log = lock(&ring.log);
                (log.subscribers == 0).then_some((log.left_at, *chat))
            })
            .collect();
        unfollowed.sort_unstable();
        for (_, chat) in &unfollowed {
            if is_enough() {
                return;
            }
            if let Some(ring) = rings.get(chat) {
                lock(&ring.log).drop_unfollowed_contents();
            }
        }
        for (left_at, chat) in unfollowed {
            if is_enough() || left_at.elapsed() < SPARED_FOR {
                break;
            }
            if rings.get(&chat).is_some_and(|ring| !ring.is_used()) {
                rings.remove(&chat);
            }
        }
    }

    /// About how many bytes the rings without a subscriber hold.
    pub(super) fn unfollowed_bytes(&self) -> usize {
        self.unfollowed_bytes.load(Ordering::Relaxed)
    }

    /// The chats that have subscribers.
    pub(super) fn followed(&self) -> Vec<ChatId> {
        let rings = lock(&self.by_chat);
        let followed = rings.iter().filter(|(_, ring)| ring.is_used());
        followed.map(|(chat, _)| *chat).collect()
    }
}

impl Ring {
    fn at(start: FeedPosition, unfollowed_bytes: Arc<AtomicUsize>) -> Self {
        Self {
            log: Mutex::new(Log::at(start, unfollowed_bytes)),
            changes: watch::Sender::new(()),
        }
    }

    /// Whether it has a subscriber, or somebody is about to use it.
    fn is_used(self: &Arc<Self>) -> bool {
        // A second reference is a subscriber's, or that of a caller that looked the ring up.
        Arc::strong_count(self) > 1
    }

    /// Appends an event.
    pub(super) fn push(&self, event: ChatEvent) {
        lock(&self.log).push(event);
        self.changes.send_replace(());
    }

    /// Sends a typing state to current subscribers. It replaces the user's last one, and is not part of the log.
    pub(super) fn show_typing(&self, typing: Typing) {
        lock(&self.log).show_typing(typing);
        self.changes.send_replace(());
    }

    /// Adds an event that has its position already.
    pub(super) fn place(&self, position: FeedPosition, event: ChatEvent) -> Placed {
        let placed = lock(&self.log).place(position, event);
        if placed == Placed::Held {
            self.changes.send_replace(());
        }
        placed
    }

    /// Resets the ring to `position` while events of other servers do not arrive. Its subscribers receive a gap.
    pub(super) fn reset_local(&self, position: FeedPosition) {
        lock(&self.log).begin_at(position, false);
        self.changes.send_replace(());
    }

    /// Resets the ring after its Redis stream was reset. If a backfill is pending, only moves the backfill's target to
    /// `position`.
    pub(super) fn renew(&self, position: FeedPosition) {
        {
            let mut log = lock(&self.log);
            match log.is_in_sync {
                true => log.begin_at(position, true),
                false => log.awaited = Some(position),
            }
        }
        self.changes.send_replace(());
    }

    /// Adds the events that are stored after `position`. Subscribers whose position is among them miss nothing. Returns
    /// whether the ring is in sync now: an event may have arrived after these were read.
    pub(super) fn backfill(&self, position: FeedPosition, events: Vec<ChatEvent>) -> bool {
        let is_in_sync = lock(&self.log).backfill(position, events);
        self.changes.send_replace(());
        is_in_sync
    }

    /// Whether the ring has every event of every server.
    pub(super) fn is_in_sync(&self) -> bool {
        lock(&self.log).is_in_sync
    }

    /// Notes that events of other servers may be missing.
    pub(super) fn mark_stale(&self) {
        lock(&self.log).is_in_sync = false;
    }

    /// Follows from the position `after` on; if that is unknown, from now on after a gap.
    pub(super) fn follow(self: Arc<Self>, after: Option<FeedPosition>) -> Follower {
        let (place, edition, typing_seen) = {
            let mut log = lock(&self.log);
            log.enter();
            let place = match after.filter(|after| log.knows(*after)) {
                Some(after) => Place::Behind(after),
                // Events continue from here, however late the gap itself is read.
                None => Place::Lost(log.position()),
            };
            (place, log.edition, log.typing_count)
        };
        let reader = Reader {
            changes: self.changes.subscribe(),
            ring: self,
            place,
            edition,
            typing_seen,
        };
        stream::unfold(reader, |mut reader| async {
            let followed = reader.next().await;
            Some((followed, reader))
        })
        .boxed()
    }
}

/// One subscriber: a position, and a wake-up.
struct Reader {
    ring: Arc<Ring>,
    changes: watch::Receiver<()>,
    place: Place,
    /// The edition of the log that the position belongs to.
    edition: u64,
    /// The number of the last typing state that was received, or that came before this subscriber.
    typing_seen: u64,
}

enum Place {
    /// A gap up to here is still to be sent.
    Lost(FeedPosition),
    /// The events up to here were sent.
    Behind(FeedPosition),
}

impl Reader {
    async fn next(&mut self) -> Followed {
        loop {
            self.changes.borrow_and_update();
            if let Some(followed) = self.step() {
                return followed;
            }
            // The sender lives in `self.ring`, so it cannot be gone.
            let _ = self.changes.changed().await;
        }
    }

    fn step(&mut self) -> Option<Followed> {
        let log = lock(&self.ring.log);
        match self.place {
            Place::Lost(behind) => {
                self.place = Place::Behind(behind);
                Some(Followed::Gap(behind))
            }
            Place::Behind(place) if self.edition != log.edition || !log.knows(place) => {
                let now = log.position();
                self.edition = log.edition;
                self.place = Place::Behind(now);
                Some(Followed::Gap(now))
            }
            Place::Behind(place) => {
                if let Some(change) = log.typing_after(self.typing_seen, place.sequence) {
                    self.typing_seen = change.number;
                    return Some(Followed::Typing(change.typing.clone()));
                }
                let behind = FeedPosition {
                    sequence: place.sequence + 1,
                    ..place
                };
                let followed = log.followed(place.sequence, behind)?;
                self.place = Place::Behind(behind);
                Some(followed)
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        lock(&self.ring.log).leave();
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
