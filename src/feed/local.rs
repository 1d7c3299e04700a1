//! The feed within one process.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;

use super::ring::{RETAINED_FOR, Rings};
use super::{Feed, Follower};
use crate::domain::{ChatEvent, ChatId, FeedPosition, Typing};

/// With fewer rings than this, idle ones are not looked for.
const RINGS_SWEPT_FROM: usize = 64;

/// Rings in memory. A chat without a ring has no subscribers, and its events cost a look-up.
pub struct LocalFeed {
    rings: Rings,
    next_epoch: AtomicU64,
    /// How many rings there may be before idle ones are removed: twice those that stayed last time, so that the removal
    /// has a constant amortised cost for each new ring.
    sweep_at: AtomicUsize,
}

impl LocalFeed {
    /// An empty feed. `seed` is random, so that a position of another process's feed is unknown here.
    pub fn new(seed: u64) -> Self {
        Self {
            rings: Rings::new(),
            next_epoch: AtomicU64::new(seed),
            sweep_at: AtomicUsize::new(RINGS_SWEPT_FROM),
        }
    }

    fn sweep(&self) {
        if self.rings.len() >= self.sweep_at.load(Ordering::Relaxed) {
            self.rings.remove_idle(RETAINED_FOR);
            let sweep_at = RINGS_SWEPT_FROM.max(2 * self.rings.len());
            self.sweep_at.store(sweep_at, Ordering::Relaxed);
        }
    }
}

#[async_trait]
impl Feed for LocalFeed {
    async fn publish(&self, chat: ChatId, event: ChatEvent) {
        if let Some(ring) = self.rings.find(chat) {
            ring.push(event);
        }
    }

    async fn publish_typing(&self, chat: ChatId, typing: Typing) {
        if let Some(ring) = self.rings.find(chat) {
            ring.show_typing(typing);
        }
    }

    async fn follow(&self, chat: ChatId, after: Option<FeedPosition>) -> Follower {
        if self.rings.find(chat).is_none() {
            self.sweep();
        }
        let start = || FeedPosition {
            epoch: self.next_epoch.fetch_add(1, Ordering::Relaxed),
            sequence: 0,
        };
        self.rings.open(chat, start).follow(after)
    }
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
        assert_eq!(feed.rings.len(), 1000);
        tokio::time::advance(RETAINED_FOR).await;
        for n in 1000..2000 {
            drop(feed.follow(chat(n), None).await);
        }
        let left = feed.rings.len();
        assert!((1010..1100).contains(&left), "{left}");
        for n in 0..10 {
            assert!(feed.rings.find(chat(n)).is_some());
        }
        drop(followers);
    }
}
