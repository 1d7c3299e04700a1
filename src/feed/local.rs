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

/// How often idle rings are looked for, while there are rings.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// Rings in memory. A chat without a ring has no subscribers, and its events cost a look-up.
pub struct LocalFeed {
    rings: Arc<Swept>,
    next_epoch: AtomicU64,
}

/// The rings, and the task that removes those without a subscriber.
struct Swept {
    rings: Rings,
    /// `None` while there are no rings.
    sweeper: Mutex<Option<AbortHandle>>,
}

impl LocalFeed {
    /// An empty feed. `seed` is random, so that a position of another process's feed is unknown here.
    pub fn new(seed: u64) -> Self {
        let rings = Swept {
            rings: Rings::new(),
            sweeper: Mutex::default(),
        };
        Self {
            rings: Arc::new(rings),
            next_epoch: AtomicU64::new(seed),
        }
    }
}

impl Drop for LocalFeed {
    fn drop(&mut self) {
        if let Some(sweeper) = lock(&self.rings.sweeper).take() {
            sweeper.abort();
        }
    }
}

impl Swept {
    /// Starts the task, if it does not run. To be called after a ring was opened.
    fn keep_sweeping(self: &Arc<Self>) {
        let mut sweeper = lock(&self.sweeper);
        // It has finished also if its runtime has ended, and the feed is used on another.
        if sweeper.as_ref().is_some_and(|sweeper| !sweeper.is_finished()) {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            let swept = self.clone();
            *sweeper = Some(runtime.spawn(async move { swept.sweep().await }).abort_handle());
        }
    }

    /// Removes idle rings until there are no rings.
    async fn sweep(&self) {
        loop {
            tokio::time::sleep(SWEEP_EVERY).await;
            self.rings.remove_idle(RETAINED_FOR);
            self.shrink();
            // Under the lock, so that a ring that is opened now starts the task again.
            let mut sweeper = lock(&self.sweeper);
            if self.rings.len() == 0 {
                *sweeper = None;
                return;
            }
        }
    }

    /// Bounds what the rings without a subscriber hold. Its cost is spread over the megabytes that they gained.
    fn shrink(&self) {
        if self.rings.is_to_be_shrunk() {
            self.rings.shrink();
        }
    }
}

#[async_trait]
impl Feed for LocalFeed {
    async fn publish(&self, chat: ChatId, event: ChatEvent) {
        if let Some(ring) = self.rings.rings.find(chat) {
            ring.push(event);
            drop(ring);
            self.rings.shrink();
        }
    }

    async fn publish_typing(&self, chat: ChatId, typing: Typing) {
        if let Some(ring) = self.rings.rings.find(chat) {
            ring.show_typing(typing);
        }
    }

    async fn follow(&self, chat: ChatId, after: Option<FeedPosition>) -> Follower {
        let start = || FeedPosition {
            epoch: self.next_epoch.fetch_add(1, Ordering::Relaxed),
            sequence: 0,
        };
        let follower = self.rings.rings.open(chat, start).follow(after);
        self.rings.keep_sweeping();
        self.rings.shrink();
        follower
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;

    use crate::domain::{Author, CONTENT_BYTES_MAX, Message, MessageId, ObjectId, Timestamp};
    use crate::feed::Followed;
    use crate::feed::ring::UNFOLLOWED_BYTES_MAX;

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
        assert_eq!(feed.rings.rings.len(), 1000);
        tokio::time::sleep(2 * SWEEP_EVERY).await;
        assert_eq!(feed.rings.rings.len(), 10);
        // From the moment when the last one leaves, whenever the last event was.
        drop(followers);
        tokio::time::sleep(RETAINED_FOR - SWEEP_EVERY).await;
        assert_eq!(feed.rings.rings.len(), 10);
        tokio::time::sleep(2 * SWEEP_EVERY).await;
        assert_eq!(feed.rings.rings.len(), 0);
        assert!(lock(&feed.rings.sweeper).is_none());
        // And again for the next one.
        drop(feed.follow(chat(0), None).await);
        tokio::time::sleep(RETAINED_FOR + SWEEP_EVERY).await;
        assert_eq!(feed.rings.rings.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_follows_is_bounded_in_bytes_and_whoever_comes_back_goes_on_or_receives_a_gap() {
        const CHATS: u32 = 100;
        const MESSAGES: u32 = 200;
        let feed = LocalFeed::new(1);
        let mut followed = feed.follow(chat(CHATS), None).await;
        let mut cursors = Vec::new();
        for n in 0..CHATS {
            let mut follower = feed.follow(chat(n), None).await;
            let Some(Followed::Gap(cursor)) = follower.next().await else {
                panic!("no gap");
            };
            cursors.push(cursor);
        }
        let mut most = 0;
        for n in 0..=CHATS {
            for message in 0..MESSAGES {
                feed.publish(chat(n), added(chat(n), message)).await;
                if message % 100 == 0 {
                    most = most.max(feed.rings.rings.unfollowed_bytes());
                }
            }
        }
        assert!(
            (UNFOLLOWED_BYTES_MAX / 2..=UNFOLLOWED_BYTES_MAX).contains(&most),
            "{most}"
        );
        let mut whole = 0;
        for (n, cursor) in (0..CHATS).zip(cursors) {
            let mut resumed = feed.follow(chat(n), Some(cursor)).await;
            for message in 0..MESSAGES {
                match resumed.next().await.unwrap() {
                    Followed::Event(_, event) => {
                        assert_eq!(event, added(chat(n), message));
                        whole += 1;
                    }
                    Followed::Unread(_, event, _) => {
                        assert_eq!(event, added(chat(n), message).without_content());
                    }
                    other => panic!("chat {n}: {other:?}"),
                }
            }
        }
        assert!(whole >= MESSAGES, "{whole}");
        // Nothing of a chat with a subscriber is dropped.
        assert!(matches!(followed.next().await, Some(Followed::Gap(_))));
        for message in 0..MESSAGES {
            let told = followed.next().await.unwrap();
            assert!(
                matches!(told, Followed::Event(_, event) if event == added(chat(CHATS), message)),
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
            let mut follower = feed.follow(chat(n), None).await;
            let Some(Followed::Gap(cursor)) = follower.next().await else {
                panic!("no gap");
            };
            cursors.push(cursor);
            for message in 0..MESSAGES {
                let event = added(chat(n), message).without_content();
                feed.publish(chat(n), event).await;
            }
            drop(follower);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(feed.rings.rings.unfollowed_bytes() <= UNFOLLOWED_BYTES_MAX);
        let mut gaps = Vec::new();
        // The latest first: a ring that is opened again takes the place of another.
        for (n, cursor) in (0..CHATS).zip(cursors).rev() {
            let mut resumed = feed.follow(chat(n), Some(cursor)).await;
            match resumed.next().await.unwrap() {
                Followed::Gap(_) => gaps.push(n),
                Followed::Unread(_, event, _) => assert_eq!(event, added(chat(n), 0).without_content()),
                other => panic!("{other:?}"),
            }
        }
        assert!(!gaps.contains(&(CHATS - 1)) && gaps.contains(&0));
    }
}
