//! What makes a reply: one task for each, its checkpoints and lease, its end, and the recovery of those whose
//! server died.

mod beginning;
mod bot_record;
mod checkpoint;
mod counting;
mod ending;
mod generation;
mod lease_judge;
mod live;
mod mirror;
mod recovery;
mod relay;
mod stopping;
mod sweep;
mod turn;
mod unconfirmed;
mod waits;
#[cfg(test)]
pub(crate) mod watch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weak_table::WeakValueHashMap;

use crate::bot::Bot;
use crate::config::EngineConfig;
use crate::domain::{ChatEvent, ChatId, Clock, EndedMessage, Message, MessageId, ReplyCursor, UserId};
use crate::feed::Feed;
use crate::store::{Store, StoreError};

use bot_record::BotRecord;
use lease_judge::LeaseJudge;
use sweep::Sweeps;

pub use beginning::{Admission, Asked, BeginError, HistoryEnd, Manner, Meanwhile, Request, Started};
pub use bot_record::BotHealth;
pub use counting::count_tokens;
pub use live::{Applied, Ended, LiveReply, ReplyReader, ReplyUpdate, UPDATE_BYTES_MAX};
pub use stopping::STOP_WAIT_MAX;
pub use waits::{Waits, look_for};

/// How long a lease lasts, which each checkpoint renews. A reply whose server died is closed at most this long plus
/// [`SWEEP_EVERY`] after its last checkpoint if another server runs; else after the next one's start.
pub const LEASE: Duration = Duration::from_secs(8);
/// How often the text so far is stored while it grows: a little over half of what a crash may lose, so that a slow
/// write still stays within that.
pub const CHECKPOINT_EVERY: Duration = Duration::from_millis(600);
/// How often the lease of a reply that does not grow is renewed, which also finds a stop request that another server
/// stored.
pub const RENEW_EVERY: Duration = Duration::from_secs(2);
/// How often each server looks for replies whose lease has expired.
pub const SWEEP_EVERY: Duration = Duration::from_secs(3);
/// How long a reader waits for the text of a reply that another server generates to reach the client's cursor, before a
/// snapshot takes the client back: more than the time between two checkpoints.
pub const MIRROR_LAG_MAX: Duration = Duration::from_secs(2);
/// The longest text of one reply, in bytes; a longer one ends as `LENGTH`.
pub const REPLY_BYTES_MAX: usize = 1024 * 1024;
/// The most of a model's reasoning that is kept, in bytes; the rest is discarded.
pub const REASONING_BYTES_MAX: usize = 256 * 1024;

/// The replies of this server.
pub struct Engine {
    store: Arc<dyn Store>,
    feed: Arc<dyn Feed>,
    bot: Arc<dyn Bot>,
    clock: Arc<dyn Clock>,
    config: EngineConfig,
    owner: String,
    begun_at: Instant,
    bot_record: BotRecord,
    lease_judge: LeaseJudge,
    sweeps: Sweeps,
    registry: Mutex<Registry>,
    tasks: TaskTracker,
    /// Replies from the moment they are admitted until they have ended.
    replies: TaskTracker,
    /// Replies that somebody reads, also after their end.
    followed: TaskTracker,
    shutdown: CancellationToken,
}

#[derive(Default)]
struct Registry {
    live: HashMap<MessageId, Running>,
    /// Replies of other servers that somebody reads here.
    mirrors: WeakValueHashMap<MessageId, Weak<LiveReply>>,
    is_draining: bool,
}

/// A reply of this server.
#[derive(Clone)]
struct Running {
    live: Arc<LiveReply>,
    /// Whose chat it is in, once it is stored.
    user: Option<UserId>,
}

/// How a reply was requested.
#[derive(Debug)]
struct Ask {
    /// Where the history ends, and which message is to be answered.
    until: HistoryEnd,
    /// How to answer.
    manner: Manner,
    /// The chat's owner, who is billed.
    user: UserId,
}

impl Engine {
    /// An engine that owns its replies under the name `owner`, which no other process may use.
    pub fn new(
        store: Arc<dyn Store>,
        feed: Arc<dyn Feed>,
        bot: Arc<dyn Bot>,
        clock: Arc<dyn Clock>,
        config: EngineConfig,
        owner: String,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            feed,
            bot,
            lease_judge: LeaseJudge::new(clock.clone()),
            clock,
            config,
            owner,
            begun_at: Instant::now(),
            bot_record: BotRecord::default(),
            sweeps: Sweeps::default(),
            registry: Mutex::default(),
            tasks: TaskTracker::new(),
            replies: TaskTracker::new(),
            followed: TaskTracker::new(),
            shutdown: CancellationToken::new(),
        })
    }

    /// The name that this server's replies carry as their owner.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The model that answers.
    pub fn model(&self) -> &str {
        self.bot.model()
    }

    /// The recent health of the bot.
    pub fn bot_health(&self) -> BotHealth {
        self.bot_record.health()
    }

    /// Whether a message may carry a fault script for its reply.
    pub fn heeds_faults(&self) -> bool {
        self.bot.heeds_faults()
    }

    /// Follows a reply from `cursor`, wherever it is generated and whether or not it has ended. `None` if there is
    /// no such message.
    pub async fn follow(
        self: &Arc<Self>,
        id: MessageId,
        cursor: Option<ReplyCursor>,
    ) -> Result<Option<ReplyReader>, StoreError> {
        if let Some(reader) = self.follow_known(id, cursor) {
            return Ok(Some(reader));
        }
        let message = self.store.messages(&[id]).await?.pop();
        Ok(message.map(|message| self.follow_message(message, cursor)))
    }

    /// [`Engine::follow`], of a reply that this server generates or mirrors: reads nothing in the store.
    pub fn follow_known(&self, id: MessageId, cursor: Option<ReplyCursor>) -> Option<ReplyReader> {
        if let Some(live) = self.live(id) {
            return Some(live.read_from(cursor));
        }
        let mirror = self.growing_mirror(id)?;
        Some(mirror.read_from(cursor).patient(MIRROR_LAG_MAX))
    }

    /// [`Engine::follow`], of a reply that was just read from the store.
    pub fn follow_message(self: &Arc<Self>, message: Message, cursor: Option<ReplyCursor>) -> ReplyReader {
        match self.live(message.id) {
            Some(live) => {
                live.show(message);
                live.read_from(cursor)
            }
            None => self.mirror(message).read_from(cursor).patient(MIRROR_LAG_MAX),
        }
    }

    /// [`Engine::follow_message`] from the beginning, of a reply that was changed after its end: as this message, also where
    /// a task of this server still has an earlier form of it.
    pub fn follow_changed(self: &Arc<Self>, message: Message) -> ReplyReader {
        self.mirror(message).read_from(None)
    }

    /// The stored active replies of a chat, on any server, in the order in which they were requested.
    pub async fn active_replies(&self, chat: ChatId) -> Result<Vec<Message>, StoreError> {
        let mut active = self.store.active_replies(&[chat]).await?;
        Ok(active.remove(&chat).unwrap_or_default())
    }

    /// The chat and its owner, of a reply that this server generates.
    pub fn user_of(&self, id: MessageId) -> Option<(ChatId, UserId)> {
        let running = self.registry().live.get(&id).cloned()?;
        Some((running.live.chat(), running.user?))
    }

    /// Stops generating replies that were deleted, alone or with their chat, on any server.
    pub async fn abandon(&self, replies: &[Message]) {
        for message in replies {
            match self.live(message.id) {
                Some(live) => live.abandon(),
                None => self.wake_owner(message).await,
            }
        }
    }

    /// Publishes an event of a chat; of a deletion, also to those who read the reply itself on this server.
    pub async fn publish(&self, chat: ChatId, event: ChatEvent) {
        if let ChatEvent::MessageDeleted(id) = event {
            self.end_deleted(id);
        }
        self.feed.publish(chat, event).await;
    }

    /// Ends a deleted reply of another server for those who read it on this one. Without this, they receive its text
    /// until the mirror next reads the store, up to two seconds later.
    pub fn end_deleted(&self, reply: MessageId) {
        if let Some(mirror) = self.growing_mirror(reply) {
            mirror.end(Ended::Deleted);
        }
    }

    /// Stops this server's replies of a deleted chat.
    pub fn abandon_chat(&self, chat: ChatId) {
        let running: Vec<_> = self.registry().live.values().cloned().collect();
        for running in running.iter().filter(|running| running.live.chat() == chat) {
            running.live.abandon();
        }
    }

    /// Admits no more replies; those that were admitted continue.
    pub fn drain(&self) {
        self.registry().is_draining = true;
    }

    /// How many replies of this server run or wait for their turn.
    pub fn replies_left(&self) -> usize {
        self.replies.len()
    }

    /// Waits, once [`Engine::drain`] was called, until every reply of this server has ended and its end is stored.
    pub async fn drained(&self) {
        self.replies.close();
        self.replies.wait().await;
    }

    /// Waits, once all replies have ended, until every reader has received the end of its reply.
    pub async fn readers_finished(&self) {
        self.followed.close();
        self.followed.wait().await;
    }

    /// Ends every reply of this server as interrupted, with the text it has, and waits until that is stored.
    pub async fn shut_down(&self) {
        self.drain();
        {
            let _registry = self.registry();
            self.shutdown.cancel();
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn live(&self, id: MessageId) -> Option<Arc<LiveReply>> {
        self.registry().live.get(&id).map(|running| running.live.clone())
    }

    /// How a reply ended, by what the store has of it; `None` while it is streaming.
    fn ended(message: Option<Message>) -> Option<Ended> {
        match message {
            None => Some(Ended::Deleted),
            Some(message) => EndedMessage::of(message).map(Ended::As),
        }
    }

    fn registry(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
