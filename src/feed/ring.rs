//! A chat's latest events in memory, and its subscribers: each is a position and a wake-up.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{CONTENT_WAIT_MAX, Followed, Follower, SharedContent};
use crate::domain::{ChatEvent, ChatId, FeedPosition, MessageId, Timestamp, Typing};

/// Events that a chat's ring holds. A subscriber that lags by more receives a gap.
pub const EVENTS_MAX: usize = 256;
/// Users of a chat whose latest typing state a subscriber that is behind still receives; of more, the last to change.
pub const TYPISTS_MAX: usize = 16;
/// Two changes of one message or chat that are nearer than this may be published in another order than they were
/// stored, on two servers whose clocks differ. In milliseconds.
const REORDERED_WITHIN_MS: i64 = 1_000;
/// How long a chat's events outlive its last subscriber, so that a client that reconnects can resume.
pub const RETAINED_FOR: Duration = Duration::from_secs(300);
/// More than this the rings without a subscriber do not hold after [`Rings::shrink`], but for those whose last
/// subscriber left within [`SPARED_FOR`], without the contents of their events.
pub(super) const UNFOLLOWED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long a ring stays in any case: when a proxy restarts, all subscribers leave, and come back within seconds.
pub(super) const SPARED_FOR: Duration = Duration::from_secs(30);
/// About how many bytes a ring takes, and an event of it, besides the content.
const RING_BYTES: usize = 1024;
const EVENT_BYTES: usize = 320;

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

/// What happened to an event that came with its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// It is in the ring, or was.
    Held,
    /// Events before it are missing, and no more are added until a backfill.
    Incomplete,
    /// The ring waits for a backfill.
    Awaited,
}

struct Log {
    epoch: u64,
    /// How often the log was reset. Earlier subscribers receive a gap, even if numbers are used again.
    edition: u64,
    /// How many events came before the oldest one held.
    forgotten: u64,
    events: VecDeque<Held>,
    /// The latest typing state of each user, in the order in which they changed.
    typing: VecDeque<TypingChange>,
    /// How many typing states there were.
    typing_count: u64,
    subscribers: usize,
    /// About how many bytes it takes.
    bytes: usize,
    /// [`Rings::unfollowed_bytes`].
    unfollowed_bytes: Arc<AtomicUsize>,
    /// When the last subscriber left, or the ring was made.
    left_at: Instant,
    /// Whether the log has every event of every server up to its last one. Without meaning in a feed of one server.
    is_in_sync: bool,
    /// When it was reset last, other than by its first backfill.
    reset_at: Option<Instant>,
    /// The position of the last event that arrived while it had not: a backfill must reach it.
    awaited: Option<FeedPosition>,
}

/// An event of the log.
struct Held {
    event: ChatEvent,
    /// When its content was last changed, even if the content was dropped.
    changed_at: Option<Timestamp>,
    /// What subscribers share who read its content in the store.
    shared: Arc<SharedContent>,
}

/// A typing state, for the subscribers that have not received it yet.
struct TypingChange {
    /// Counts the typing states of the ring, from 1.
    number: u64,
    /// The sequence of the last event before it: a subscriber receives that event first.
    behind: u64,
    typing: Typing,
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
    /// store; and if that is not enough, the rings, so that those subscribers receive a gap. Returns the chats of these.
    pub(super) fn shrink(&self) -> Vec<ChatId> {
        let mut gone = Vec::new();
        if self.unfollowed_bytes() <= UNFOLLOWED_BYTES_MAX {
            return gone;
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
                return gone;
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
                gone.push(chat);
            }
        }
        gone
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
        unfollowed_bytes.fetch_add(RING_BYTES, Ordering::Relaxed);
        Self {
            log: Mutex::new(Log {
                epoch: start.epoch,
                edition: 0,
                forgotten: start.sequence,
                events: VecDeque::new(),
                typing: VecDeque::new(),
                typing_count: 0,
                subscribers: 0,
                bytes: RING_BYTES,
                unfollowed_bytes,
                left_at: Instant::now(),
                is_in_sync: false,
                reset_at: None,
                awaited: None,
            }),
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

/// Whether the content of a new event is surely the latest of its message or chat, after events of which the message
/// and the time of the content's last change are given. If not, subscribers read the store: what they receive last must
/// be what is stored.
pub(crate) fn is_latest(
    held: impl Iterator<Item = (Option<MessageId>, Option<Timestamp>)>,
    event: &ChatEvent,
) -> bool {
    let Some(changed_at) = event.content_changed_at() else {
        return true;
    };
    let id = event.message_id();
    // All of them, because an event that arrived late is not the newest.
    let mut before = held.filter(|(other, _)| *other == id);
    before
        .all(|(_, before)| before.is_some_and(|before| before.plus_millis(REORDERED_WITHIN_MS) <= changed_at))
}

impl Log {
    fn push(&mut self, event: ChatEvent) {
        let mut bytes = self.bytes;
        if self.events.len() == EVENTS_MAX
            && let Some(oldest) = self.events.pop_front()
        {
            self.forgotten += 1;
            bytes -= oldest.bytes();
        }
        let changed_at = event.content_changed_at();
        let held = self
            .events
            .iter()
            .map(|held| (held.event.message_id(), held.changed_at));
        // It may have been handed in before a reset, and what was changed since is held no more.
        let is_held_back = self.reset_at.is_some_and(|at| at.elapsed() <= CONTENT_WAIT_MAX);
        let event = match !is_held_back && is_latest(held, &event) {
            true => event,
            false => event.without_content(),
        };
        let held = Held {
            event,
            changed_at,
            shared: Arc::default(),
        };
        self.set_bytes(bytes + held.bytes());
        self.events.push_back(held);
    }

    /// Notes how many bytes it takes now.
    fn set_bytes(&mut self, bytes: usize) {
        if self.subscribers == 0 {
            self.unfollowed_bytes.fetch_add(bytes, Ordering::Relaxed);
            self.unfollowed_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }

    /// One more subscriber.
    fn enter(&mut self) {
        if self.subscribers == 0 {
            self.unfollowed_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        }
        self.subscribers += 1;
    }

    /// One subscriber less.
    fn leave(&mut self) {
        self.subscribers -= 1;
        self.left_at = Instant::now();
        if self.subscribers == 0 {
            self.unfollowed_bytes.fetch_add(self.bytes, Ordering::Relaxed);
        }
    }

    /// Leaves the content of every event to be read in the store, if there is no subscriber.
    fn drop_unfollowed_contents(&mut self) {
        if self.subscribers > 0 {
            return;
        }
        for held in &mut self.events {
            if held.event.content_bytes() > 0 {
                held.event = held.event.without_content();
            }
        }
        self.set_bytes(RING_BYTES + EVENT_BYTES * self.events.len());
    }

    fn show_typing(&mut self, typing: Typing) {
        self.typing
            .retain(|change| change.typing.user_id != typing.user_id);
        if self.typing.len() == TYPISTS_MAX {
            self.typing.pop_front();
        }
        self.typing_count += 1;
        self.typing.push_back(TypingChange {
            number: self.typing_count,
            behind: self.position().sequence,
            typing,
        });
    }

    /// The first typing state after `seen` that is due to a subscriber that has received the events up to `sequence`.
    fn typing_after(&self, seen: u64, sequence: u64) -> Option<&TypingChange> {
        let change = self.typing.iter().find(|change| change.number > seen)?;
        (change.behind <= sequence).then_some(change)
    }

    fn place(&mut self, position: FeedPosition, event: ChatEvent) -> Placed {
        if !self.is_in_sync {
            self.awaited = Some(position);
            return Placed::Awaited;
        }
        let tail = self.position();
        if position.epoch == tail.epoch && position.sequence == tail.sequence + 1 {
            self.push(event);
            return Placed::Held;
        }
        // A known number means the same event, or that Redis has gone back to an older state.
        let is_known = position.epoch == tail.epoch
            && position
                .sequence
                .checked_sub(1)
                .and_then(|before| self.event(before))
                .is_some_and(|held| is_same(held, &event));
        if is_known {
            return Placed::Held;
        }
        self.is_in_sync = false;
        self.awaited = None;
        Placed::Incomplete
    }

    fn backfill(&mut self, position: FeedPosition, events: Vec<ChatEvent>) -> bool {
        let tail = self.position();
        let end = position.sequence + events.len() as u64;
        let reaches_tail = tail.epoch == position.epoch && (position.sequence..=end).contains(&tail.sequence);
        if !reaches_tail || !self.agrees_with(position.sequence, &events) {
            self.begin_at(position, true);
        }
        let known = self.position().sequence - position.sequence;
        for event in events
            .into_iter()
            .skip(usize::try_from(known).unwrap_or(usize::MAX))
        {
            self.push(event);
        }
        self.is_in_sync = self.awaited.take().is_none_or(|awaited| self.knows(awaited));
        self.is_in_sync
    }

    /// Whether the events after `sequence` equal those that are held, as far as both are known: Redis may have gone
    /// back to an older state and used the numbers again.
    fn agrees_with(&self, sequence: u64, events: &[ChatEvent]) -> bool {
        (sequence..)
            .zip(events)
            .all(|(sequence, event)| self.event(sequence).is_none_or(|held| is_same(held, event)))
    }

    fn begin_at(&mut self, position: FeedPosition, is_in_sync: bool) {
        self.epoch = position.epoch;
        self.edition += 1;
        self.forgotten = position.sequence;
        self.events.clear();
        self.set_bytes(RING_BYTES);
        // Earlier sequence numbers mean nothing in the new edition.
        self.typing.iter_mut().for_each(|change| change.behind = 0);
        if self.edition > 1 {
            self.reset_at = Some(Instant::now());
        }
        self.is_in_sync = is_in_sync;
    }

    fn position(&self) -> FeedPosition {
        FeedPosition {
            epoch: self.epoch,
            sequence: self.forgotten + self.events.len() as u64,
        }
    }

    /// Whether every event after this position is held.
    fn knows(&self, place: FeedPosition) -> bool {
        let held = self.forgotten..=self.position().sequence;
        place.epoch == self.epoch && held.contains(&place.sequence)
    }

    /// The event after this many others; `None` if there is none yet, or it is no longer held.
    fn event(&self, sequence: u64) -> Option<&ChatEvent> {
        self.held(sequence).map(|held| &held.event)
    }

    fn held(&self, sequence: u64) -> Option<&Held> {
        let index = usize::try_from(sequence.checked_sub(self.forgotten)?).ok()?;
        self.events.get(index)
    }

    /// The event after this many others, for a subscriber whose position is then `behind`.
    fn followed(&self, sequence: u64, behind: FeedPosition) -> Option<Followed> {
        let held = self.held(sequence)?;
        Some(Followed::Event(behind, held.event.clone(), held.shared.clone()))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // Subscribers keep the ring.
        self.unfollowed_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Held {
    fn bytes(&self) -> usize {
        EVENT_BYTES + self.event.content_bytes()
    }
}

/// Whether a held event is this one. The held one may lack its content.
fn is_same(held: &ChatEvent, event: &ChatEvent) -> bool {
    held == event || *held == event.without_content()
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
