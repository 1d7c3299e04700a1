//! What happens in each chat, in order: a bounded, forgetful log that followers read from a place on. And what the
//! servers of one installation tell each other besides: the text of replies as it grows, stops, and who is connected.
//!
//! The store is the truth and the feed a hint: an event carries what changed where that is small, or else its id, and
//! whoever receives it reads it in the store.
//! A follower whose place is forgotten is told so and reads everything again; nothing is ever dropped unseen.

pub mod fleet;
pub mod local;
pub mod redis;
mod ring;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use crate::domain::{ChatEvent, ChatId, FeedPosition, Typing};

pub use self::redis::{RedisFeed, RedisFeedError, RedisProbed};
pub use fleet::{Away, Fleet, Heard, Hearing};
pub use local::LocalFeed;
#[cfg(test)]
pub(crate) use ring::is_latest;
pub use ring::{EVENTS_MAX, RETAINED_FOR, TYPISTS_MAX};

/// How long an event may have waited and still be published with its content, to other servers.
pub(crate) const CONTENT_WAIT_MAX: Duration = Duration::from_millis(500);
/// How long a flush may take: several times what a Redis that works needs.
pub(crate) const FLUSH_WAIT_MAX: Duration = Duration::from_secs(1);

/// What a follower is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// What happened before this place is not told: the follower is new, or its place is forgotten.
    Gap(FeedPosition),
    /// An event, and the place behind it.
    Event(FeedPosition, ChatEvent),
    /// A user began or stopped typing. It has no position: a subscriber that resumes does not receive it again.
    Typing(Typing),
}

/// The events of one chat from a place on. It never ends by itself, and dropping it ends the following.
pub type Follower = BoxStream<'static, Followed>;

/// Carries events to whoever follows a chat.
#[async_trait]
pub trait Feed: Send + Sync {
    /// Tells the followers of a chat. Waits for nobody and never fails: an event that cannot be carried shows as a gap.
    async fn publish(&self, chat: ChatId, event: ChatEvent);

    /// Sends a typing state to those who follow the chat at this moment, on every server. Nothing is kept, and a lost
    /// state is no gap: it expires by itself.
    async fn publish_typing(&self, chat: ChatId, typing: Typing);

    /// Follows a chat from the place `after` on. Where that place is not known, or none is given, a gap comes first,
    /// and then what happens from this moment on.
    async fn follow(&self, chat: ChatId, after: Option<FeedPosition>) -> Follower;

    /// Waits until every event that was published before has reached the other servers, or the subscribers there receive a
    /// gap in its place; for about a second at most. Returns whether that is so. Called before a server ends.
    async fn flush(&self) -> bool {
        true
    }

    /// Whether what is published here is heard wherever it should be.
    fn is_up(&self) -> bool {
        true
    }

    /// The other servers, if this feed reaches any.
    fn fleet(&self) -> Option<Arc<dyn Fleet>> {
        None
    }
}
