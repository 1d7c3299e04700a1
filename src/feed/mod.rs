//! The recent events of each chat, in order: a bounded log that subscribers read from a position on. And what the
//! servers on one store send each other besides: growing reply text, stop requests, and connection counts.
//!
//! The store is authoritative, and the feed is a hint: an event has the content that changed if that is small, or else
//! its id, and its receiver reads the store. A subscriber whose position has expired receives a gap and reads
//! everything again: no event is lost silently.

pub mod fleet;
pub mod local;
mod log;
pub mod redis;
mod ring;
mod shared_content;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use crate::domain::{ChatEvent, ChatId, FeedPosition, Typing};

pub use self::redis::{RedisFeed, RedisFeedError, RedisProbed};
pub use fleet::{Away, Fleet, Heard, Hearing};
pub use local::LocalFeed;
#[cfg(test)]
pub(crate) use log::is_latest;
pub use log::{EVENTS_MAX, TYPISTS_MAX};
pub use ring::RETAINED_FOR;
pub use shared_content::{Content, ContentRead, KeptContents, ReadError, SharedContent};

/// How long an event may wait and still be published with its content to other servers.
pub(crate) const CONTENT_WAIT_MAX: Duration = Duration::from_millis(500);
/// How long a flush may take: several times what a Redis that works needs.
pub(crate) const FLUSH_WAIT_MAX: Duration = Duration::from_secs(1);

/// What a subscriber receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// Events before this position are unavailable: the subscriber is new, or its position has expired.
    Gap(FeedPosition),
    /// An event, the position after it, and what subscribers of this server share who have to read its message or chat
    /// in the store.
    Event(FeedPosition, ChatEvent, Arc<SharedContent>),
    /// A user began or stopped typing. It has no position: a subscriber that resumes does not receive it again.
    Typing(Typing),
}

/// The events of one chat from a position on. It never ends by itself; dropping it unsubscribes.
pub type Follower = BoxStream<'static, Followed>;

/// Publishes the events of chats to their subscribers.
#[async_trait]
pub trait Feed: Send + Sync {
    /// Publishes an event to the subscribers of a chat. Waits for nothing and never fails: in place of an event that
    /// cannot be published, subscribers receive a gap.
    async fn publish(&self, chat: ChatId, event: ChatEvent);

    /// Sends a typing state to the current subscribers of a chat, on every server. Nothing is stored, and a lost state
    /// is no gap, because it expires by itself.
    async fn publish_typing(&self, chat: ChatId, typing: Typing);

    /// Follows a chat from the position `after` on. If that position is unknown or missing, a gap comes first, and then
    /// the events from this moment on.
    async fn follow(&self, chat: ChatId, after: Option<FeedPosition>) -> Follower;

    /// Waits until every event that was published before has reached the other servers, or the subscribers there
    /// receive a gap in its place; for about a second at most. Returns whether that is so. Called before a server ends.
    async fn flush(&self) -> bool {
        true
    }

    /// Tells the other servers that this one ends, and that every change that it made is published. A server that ends
    /// without a word is missed: all subscribers receive a gap.
    async fn leave(&self) {}

    /// Whether published events reach the subscribers on all servers.
    fn is_up(&self) -> bool {
        true
    }

    /// The other servers, if this feed reaches any.
    fn fleet(&self) -> Option<Arc<dyn Fleet>> {
        None
    }
}
