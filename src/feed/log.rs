//! A chat's latest events, in order: which are held, and which positions are known.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::Instant;

use super::{CONTENT_WAIT_MAX, Followed, SharedContent};
use crate::domain::{ChatEvent, FeedPosition, MessageId, Timestamp, Typing};

/// Events that a chat's ring holds. A subscriber that lags by more receives a gap.
pub const EVENTS_MAX: usize = 256;
/// Users of a chat whose latest typing state a subscriber that is behind still receives; of more, the last to change.
pub const TYPISTS_MAX: usize = 16;
/// Two changes of one message or chat that are nearer than this may be published in another order than they were
/// stored, on two servers whose clocks differ. In milliseconds.
pub(super) const REORDERED_WITHIN_MS: i64 = 1_000;
/// About how many bytes a ring takes, and an event of it, besides the content.
const RING_BYTES: usize = 1024;
const EVENT_BYTES: usize = 320;

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

/// The log of a ring.
pub(super) struct Log {
    epoch: u64,
    /// How often the log was reset. Earlier subscribers receive a gap, even if numbers are used again.
    pub(super) edition: u64,
    /// How many events came before the oldest one held.
    forgotten: u64,
    events: VecDeque<Held>,
    /// The latest typing state of each user, in the order in which they changed.
    typing: VecDeque<TypingChange>,
    /// How many typing states there were.
    pub(super) typing_count: u64,
    pub(super) subscribers: usize,
    /// About how many bytes it takes.
    bytes: usize,
    /// What all logs without a subscriber take.
    unfollowed_bytes: Arc<AtomicUsize>,
    /// When the last subscriber left, or the ring was made.
    pub(super) left_at: Instant,
    /// Whether the log has every event of every server up to its last one. Without meaning in a feed of one server.
    pub(super) is_in_sync: bool,
    /// When it was reset last, other than by its first backfill.
    reset_at: Option<Instant>,
    /// The position of the last event that arrived while it had not: a backfill must reach it.
    pub(super) awaited: Option<FeedPosition>,
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
pub(super) struct TypingChange {
    /// Counts the typing states of the ring, from 1.
    pub(super) number: u64,
    /// The sequence of the last event before it: a subscriber receives that event first.
    behind: u64,
    pub(super) typing: Typing,
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
    /// An empty one whose events begin behind `start`. `unfollowed_bytes` is what all logs without a subscriber take.
    pub(super) fn at(start: FeedPosition, unfollowed_bytes: Arc<AtomicUsize>) -> Self {
        unfollowed_bytes.fetch_add(RING_BYTES, Ordering::Relaxed);
        Self {
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
        }
    }

    /// Appends an event.
    pub(super) fn push(&mut self, event: ChatEvent) {
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
    pub(super) fn enter(&mut self) {
        if self.subscribers == 0 {
            self.unfollowed_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        }
        self.subscribers += 1;
    }

    /// One subscriber less.
    pub(super) fn leave(&mut self) {
        self.subscribers -= 1;
        self.left_at = Instant::now();
        if self.subscribers == 0 {
            self.unfollowed_bytes.fetch_add(self.bytes, Ordering::Relaxed);
        }
    }

    /// Leaves the content of every event to be read in the store, if there is no subscriber.
    pub(super) fn drop_unfollowed_contents(&mut self) {
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

    pub(super) fn show_typing(&mut self, typing: Typing) {
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
    pub(super) fn typing_after(&self, seen: u64, sequence: u64) -> Option<&TypingChange> {
        let change = self.typing.iter().find(|change| change.number > seen)?;
        (change.behind <= sequence).then_some(change)
    }

    pub(super) fn place(&mut self, position: FeedPosition, event: ChatEvent) -> Placed {
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

    pub(super) fn backfill(&mut self, position: FeedPosition, events: Vec<ChatEvent>) -> bool {
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

    pub(super) fn begin_at(&mut self, position: FeedPosition, is_in_sync: bool) {
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

    pub(super) fn position(&self) -> FeedPosition {
        FeedPosition {
            epoch: self.epoch,
            sequence: self.forgotten + self.events.len() as u64,
        }
    }

    /// Whether every event after this position is held.
    pub(super) fn knows(&self, place: FeedPosition) -> bool {
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
    pub(super) fn followed(&self, sequence: u64, behind: FeedPosition) -> Option<Followed> {
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
