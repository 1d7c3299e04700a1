//! The feed within one process: a ring of events for each chat that somebody follows or just followed.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Feed, Followed, Follower};
use crate::domain::{ChatEvent, ChatId, FeedPosition};

/// Events that a chat's ring holds. A follower that lags by more is told of a gap.
pub const EVENTS_MAX: usize = 256;
/// How long a ring outlives its last follower, so that one who was cut off finds its place again.
pub const RETAINED_FOR: Duration = Duration::from_secs(300);
/// Rings below which nobody looks for those that can go.
const RINGS_SWEPT_FROM: usize = 64;

/// Rings in memory. An event in a chat without a ring is nobody's to hear and costs a look-up.
pub struct LocalFeed {
    rings: Mutex<Rings>,
}

struct Rings {
    by_chat: HashMap<ChatId, Arc<Ring>>,
    next_epoch: u64,
    /// How many rings there may be before the idle ones are looked for: twice those that stayed the last time, so
    /// that looking costs each new ring a constant.
    sweep_at: usize,
}

struct Ring {
    log: Mutex<Log>,
    /// Signals that the log has grown; the number says nothing.
    changes: watch::Sender<()>,
}

struct Log {
    epoch: u64,
    /// How many events came before the oldest one held.
    forgotten: u64,
    events: VecDeque<ChatEvent>,
    touched: Instant,
}

impl LocalFeed {
    /// A feed that has heard nothing. `seed` is random, so that a place in the feed of another process is none here.
    pub fn new(seed: u64) -> Self {
        Self {
            rings: Mutex::new(Rings {
                by_chat: HashMap::new(),
                next_epoch: seed,
                sweep_at: RINGS_SWEPT_FROM,
            }),
        }
    }
}

#[async_trait]
impl Feed for LocalFeed {
    async fn publish(&self, chat: ChatId, event: ChatEvent) {
        let ring = lock(&self.rings).by_chat.get(&chat).cloned();
        if let Some(ring) = ring {
            lock(&ring.log).push(event);
            ring.changes.send_replace(());
        }
    }

    async fn follow(&self, chat: ChatId, after: Option<FeedPosition>) -> Follower {
        let ring = lock(&self.rings).ring(chat);
        let place = {
            let mut log = lock(&ring.log);
            log.touched = Instant::now();
            match after.filter(|after| log.knows(*after)) {
                Some(after) => Place::Behind(after.sequence),
                // What is told next begins here, however late the gap itself is read.
                None => Place::Lost(log.position()),
            }
        };
        let reader = Reader {
            changes: ring.changes.subscribe(),
            ring,
            place,
        };
        stream::unfold(reader, |mut reader| async {
            let followed = reader.next().await;
            Some((followed, reader))
        })
        .boxed()
    }

    fn is_up(&self) -> bool {
        true
    }
}

impl Rings {
    /// The chat's ring, made if there is none.
    fn ring(&mut self, chat: ChatId) -> Arc<Ring> {
        if let Some(ring) = self.by_chat.get(&chat) {
            return ring.clone();
        }
        if self.by_chat.len() >= self.sweep_at {
            self.by_chat.retain(|_, ring| {
                // One more than ours is a follower.
                Arc::strong_count(ring) > 1 || lock(&ring.log).touched.elapsed() < RETAINED_FOR
            });
            self.sweep_at = RINGS_SWEPT_FROM.max(2 * self.by_chat.len());
        }
        self.next_epoch = self.next_epoch.wrapping_add(1);
        let ring = Arc::new(Ring {
            log: Mutex::new(Log {
                epoch: self.next_epoch,
                forgotten: 0,
                events: VecDeque::new(),
                touched: Instant::now(),
            }),
            changes: watch::Sender::new(()),
        });
        self.by_chat.insert(chat, ring.clone());
        ring
    }
}

impl Log {
    fn push(&mut self, event: ChatEvent) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
            self.forgotten += 1;
        }
        self.events.push_back(event);
        self.touched = Instant::now();
    }

    fn position(&self) -> FeedPosition {
        FeedPosition {
            epoch: self.epoch,
            sequence: self.forgotten + self.events.len() as u64,
        }
    }

    /// Whether everything behind this place is held.
    fn knows(&self, place: FeedPosition) -> bool {
        let held = self.forgotten..=self.position().sequence;
        place.epoch == self.epoch && held.contains(&place.sequence)
    }

    /// The event behind this many others, or `None` if it has not happened yet. The place is held.
    fn event(&self, sequence: u64) -> Option<&ChatEvent> {
        let index = usize::try_from(sequence.checked_sub(self.forgotten)?).ok()?;
        self.events.get(index)
    }
}

/// One follower: a number, and a wake-up.
struct Reader {
    ring: Arc<Ring>,
    changes: watch::Receiver<()>,
    place: Place,
}

enum Place {
    /// A gap up to here is still to be told.
    Lost(FeedPosition),
    /// So many events of this epoch were told.
    Behind(u64),
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
        let mut log = lock(&self.ring.log);
        log.touched = Instant::now();
        let position = |sequence| FeedPosition {
            epoch: log.epoch,
            sequence,
        };
        match self.place {
            Place::Lost(behind) => {
                self.place = Place::Behind(behind.sequence);
                Some(Followed::Gap(behind))
            }
            Place::Behind(sequence) if !log.knows(position(sequence)) => {
                let now = log.position();
                self.place = Place::Behind(now.sequence);
                Some(Followed::Gap(now))
            }
            Place::Behind(sequence) => {
                let event = log.event(sequence)?.clone();
                self.place = Place::Behind(sequence + 1);
                Some(Followed::Event(position(sequence + 1), event))
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ObjectId;

    fn chat(n: u32) -> ChatId {
        let mut id = [0; 12];
        id[..4].copy_from_slice(&n.to_be_bytes());
        ChatId(ObjectId::from_bytes(id))
    }

    #[tokio::test(start_paused = true)]
    async fn a_ring_goes_when_it_was_idle_and_stays_while_somebody_follows() {
        let feed = LocalFeed::new(1);
        let followers: Vec<_> = {
            let mut followers = Vec::new();
            for n in 0..10 {
                followers.push(feed.follow(chat(n), None).await);
            }
            followers
        };
        for n in 10..1000 {
            drop(feed.follow(chat(n), None).await);
        }
        assert_eq!(lock(&feed.rings).by_chat.len(), 1000);
        tokio::time::advance(RETAINED_FOR).await;
        for n in 1000..2000 {
            drop(feed.follow(chat(n), None).await);
        }
        let left = lock(&feed.rings).by_chat.len();
        assert!((1010..1100).contains(&left), "{left}");
        for n in 0..10 {
            assert!(lock(&feed.rings).by_chat.contains_key(&chat(n)));
        }
        drop(followers);
    }
}
