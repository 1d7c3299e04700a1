//! The feed within one process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::ring::{RETAINED_FOR, Rings, lock};
use super::{Feed, Follower};
use crate::domain::{ChatEvent, ChatId, FeedPosition, Typing};

/// How often it is looked whether too much is held of chats that nobody follows, while there are rings.
const SHRINK_EVERY: Duration = Duration::from_secs(1);
/// How often idle rings are looked for, counted in [`SHRINK_EVERY`].
const SHRINKS_PER_SWEEP: u32 = 10;

/// Rings in memory. A chat without a ring has no subscribers, and its events cost a look-up.
pub struct LocalFeed {
    swept: Arc<SweptRings>,
    next_epoch: AtomicU64,
}

/// The rings, and the task that removes those without a subscriber.
struct SweptRings {
    rings: Rings,
    /// `None` while there are no rings.
    sweeper: Mutex<Option<AbortHandle>>,
}

impl LocalFeed {
    /// An empty feed. `seed` is random, so that a position of another process's feed is unknown here.
    pub fn new(seed: u64) -> Self {
        let swept = SweptRings {
            rings: Rings::new(),
            sweeper: Mutex::default(),
        };
        Self {
            swept: Arc::new(swept),
            next_epoch: AtomicU64::new(seed),
        }
    }
}

impl Drop for LocalFeed {
    fn drop(&mut self) {
        if let Some(sweeper) = lock(&self.swept.sweeper).take() {
            sweeper.abort();
        }
    }
}

impl SweptRings {
    /// Starts the task, if it does not run. To be called after a ring was opened.
    fn keep_sweeping(self: &Arc<Self>) {
        let mut sweeper = lock(&self.sweeper);
        // It has finished also where its runtime was shut down, and the feed is used on another.
        if sweeper.as_ref().is_some_and(|sweeper| !sweeper.is_finished()) {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            let swept = self.clone();
            *sweeper = Some(runtime.spawn(async move { swept.sweep().await }).abort_handle());
        }
    }

    /// Bounds what is held of chats that nobody follows, until there are no rings.
    async fn sweep(&self) {
        loop {
            for _ in 0..SHRINKS_PER_SWEEP {
                tokio::time::sleep(SHRINK_EVERY).await;
                self.rings.shrink();
            }
            self.rings.remove_idle(RETAINED_FOR);
            // Under the lock, so that a ring that is opened now starts the task again.
            let mut sweeper = lock(&self.sweeper);
            if self.rings.len() == 0 {
                *sweeper = None;
                return;
            }
        }
    }
}

#[async_trait]
impl Feed for LocalFeed {
    async fn publish(&self, chat: ChatId, event: ChatEvent) {
        if let Some(ring) = self.swept.rings.find(chat) {
            ring.push(event);
        }
    }

    async fn publish_typing(&self, chat: ChatId, typing: Typing) {
        if let Some(ring) = self.swept.rings.find(chat) {
            ring.show_typing(typing);
        }
    }

    async fn follow(&self, chat: ChatId, after: Option<FeedPosition>) -> Follower {
        let start = || FeedPosition {
            epoch: self.next_epoch.fetch_add(1, Ordering::Relaxed),
            sequence: 0,
        };
        let follower = self.swept.rings.open(chat, start).follow(after);
        self.swept.keep_sweeping();
        follower
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;

    use crate::domain::{Author, CONTENT_BYTES_MAX, Message, MessageId, ObjectId, Timestamp};
    use crate::feed::Followed;
    use crate::feed::ring::{SPARED_FOR, UNFOLLOWED_BYTES_MAX};

    const SWEEP_EVERY: Duration = SHRINK_EVERY.saturating_mul(SHRINKS_PER_SWEEP);

    fn chat(n: u32) -> ChatId {
        let mut id = [0; 12];
        id[..4].copy_from_slice(&n.to_be_bytes());
        ChatId(ObjectId::from_bytes(id))
    }

    /// The nth message of a chat, as large as an event's content may be.
    fn added(chat: ChatId, n: u32) -> ChatEvent {
        let mut id = [1; 12];
        id[..4].copy_from_slice(&n.to_be_bytes());
        let text = "x".repeat(CONTENT_BYTES_MAX - Message::TEXT.len());
        let at = Timestamp::from_millis(i64::from(n));
        let message = Message::plain(MessageId(ObjectId::from_bytes(id)), chat, Author::User, text, at);
        let event = ChatEvent::message_added(&message);
        assert!(event.content_bytes() > CONTENT_BYTES_MAX);
        event
    }

    #[tokio::test(start_paused = true)]
    async fn a_ring_goes_when_it_was_idle_and_stays_while_somebody_follows() {
        let feed = LocalFeed::new(1);
        let mut followers = Vec::new();
        for n in 0..10 {
            followers.push(feed.follow(chat(n), None).await);
        }
        for n in 10..1000 {
            drop(feed.follow(chat(n), None).await);
        }
        // Events do not prolong what nobody follows.
        tokio::time::sleep(RETAINED_FOR - SWEEP_EVERY).await;
        for n in 0..1000 {
            feed.publish(chat(n), added(chat(n), n)).await;
        }
        assert_eq!(feed.swept.rings.len(), 1000);
        tokio::time::sleep(2 * SWEEP_EVERY).await;
        assert_eq!(feed.swept.rings.len(), 10);
        // From the moment when the last one leaves, whenever the last event was.
        drop(followers);
        tokio::time::sleep(RETAINED_FOR - SWEEP_EVERY).await;
        assert_eq!(feed.swept.rings.len(), 10);
        tokio::time::sleep(2 * SWEEP_EVERY).await;
        assert_eq!(feed.swept.rings.len(), 0);
        assert!(lock(&feed.swept.sweeper).is_none());
        // And again for the next one.
        drop(feed.follow(chat(0), None).await);
        tokio::time::sleep(RETAINED_FOR + SWEEP_EVERY).await;
        assert_eq!(feed.swept.rings.len(), 0);
    }

    /// Follows a chat from now on, and the position to resume at.
    async fn followed(feed: &LocalFeed, chat: ChatId) -> (Follower, FeedPosition) {
        let mut follower = feed.follow(chat, None).await;
        match follower.next().await {
            Some(Followed::Gap(cursor)) => (follower, cursor),
            other => panic!("no gap: {other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn of_what_nobody_follows_the_contents_are_bounded_in_bytes_and_whoever_comes_back_misses_nothing()
    {
        const CHATS: u32 = 100;
        const MESSAGES: u32 = 200;
        let feed = LocalFeed::new(1);
        let (mut follower, _) = followed(&feed, chat(CHATS)).await;
        let mut cursors = Vec::new();
        for n in 0..CHATS {
            cursors.push(followed(&feed, chat(n)).await.1);
        }
        let mut most = 0;
        for n in 0..=CHATS {
            for message in 0..MESSAGES {
                feed.publish(chat(n), added(chat(n), message)).await;
            }
            most = most.max(feed.swept.rings.unfollowed_bytes());
            tokio::time::sleep(SHRINK_EVERY).await;
        }
        let of_one = MESSAGES as usize * 2 * CONTENT_BYTES_MAX;
        assert!(
            (UNFOLLOWED_BYTES_MAX..=UNFOLLOWED_BYTES_MAX + of_one).contains(&most),
            "{most}"
        );
        assert!(feed.swept.rings.unfollowed_bytes() <= UNFOLLOWED_BYTES_MAX);
        let mut whole = 0;
        for (n, cursor) in (0..CHATS).zip(cursors) {
            let mut resumed = feed.follow(chat(n), Some(cursor)).await;
            for message in 0..MESSAGES {
                let Some(Followed::Event(_, event, _)) = resumed.next().await else {
                    panic!("message {message} of chat {n} is missing");
                };
                let expected = added(chat(n), message);
                assert!(event == expected || event == expected.without_content());
                whole += u32::from(event == expected);
            }
        }
        assert!((MESSAGES..CHATS * MESSAGES).contains(&whole), "{whole}");
        // Nothing of a chat with a subscriber is dropped.
        for message in 0..MESSAGES {
            let told = follower.next().await.unwrap();
            assert!(
                matches!(told, Followed::Event(_, event, _) if event == added(chat(CHATS), message)),
                "{message}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn of_too_many_events_that_nobody_follows_those_left_longest_are_dropped_with_a_gap() {
        const CHATS: u32 = 1000;
        const MESSAGES: u32 = 100;
        let feed = LocalFeed::new(1);
        let mut cursors = Vec::new();
        for n in 0..CHATS {
            let (_follower, cursor) = followed(&feed, chat(n)).await;
            cursors.push(cursor);
            for message in 0..MESSAGES {
                let event = added(chat(n), message).without_content();
                feed.publish(chat(n), event).await;
            }
            tokio::time::sleep(SPARED_FOR / 300).await;
        }
        assert!(feed.swept.rings.unfollowed_bytes() <= UNFOLLOWED_BYTES_MAX);
        let is_held = |n: u32| feed.swept.rings.find(chat(n)).is_some();
        let held = (0..CHATS).filter(|n| is_held(*n)).count();
        assert!((300..600).contains(&held), "{held}");
        for (n, cursor) in [(0, cursors[0]), (CHATS - 1, cursors[CHATS as usize - 1])] {
            let is_new = !is_held(n);
            let first = feed.follow(chat(n), Some(cursor)).await.next().await.unwrap();
            assert_eq!(matches!(first, Followed::Gap(_)), is_new, "{n}: {first:?}");
            assert_eq!(is_new, n == 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn subscribers_who_leave_all_at_once_and_come_back_miss_nothing() {
        const CHATS: u32 = 10_000;
        let feed = LocalFeed::new(1);
        let mut all = Vec::new();
        for n in 0..CHATS {
            let subscriber = followed(&feed, chat(n)).await;
            for message in 0..10 {
                let event = added(chat(n), message).without_content();
                feed.publish(chat(n), event).await;
            }
            all.push(subscriber);
        }
        assert_eq!(feed.swept.rings.unfollowed_bytes(), 0);
        let cursors: Vec<_> = all.into_iter().map(|(_, cursor)| cursor).collect();
        assert!(feed.swept.rings.unfollowed_bytes() > 2 * UNFOLLOWED_BYTES_MAX);
        tokio::time::sleep(SPARED_FOR - SHRINK_EVERY).await;
        for (n, cursor) in (0..CHATS).zip(cursors) {
            let first = feed.follow(chat(n), Some(cursor)).await.next().await.unwrap();
            assert!(matches!(first, Followed::Event(..)), "{n}: {first:?}");
        }
        // And those who do not are forgotten in time.
        tokio::time::sleep(SPARED_FOR + SHRINK_EVERY).await;
        assert!(feed.swept.rings.unfollowed_bytes() <= UNFOLLOWED_BYTES_MAX);
    }
}
