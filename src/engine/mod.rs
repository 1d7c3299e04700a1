//! What makes a reply: one task for each, its checkpoints and lease, its end, and the recovery of those whose
//! server died.

mod admission;
mod bot_record;
mod checkpoint;
mod counting;
mod desk;
mod ending;
mod generation;
mod history;
mod live;
mod mirror;
mod recovery;
mod relay;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use weak_table::WeakValueHashMap;

use crate::bot::Bot;
use crate::config::EngineConfig;
use crate::domain::{
    ChatEvent, ChatId, Clock, Message, MessageId, ReplyCursor, ReplyState, StopRequest, UserId,
};
use crate::feed::Feed;
use crate::store::{Claim, Inserted, Store, StoreError};
use crate::telemetry::{replies, spans};

use bot_record::BotRecord;
use desk::Desks;

pub use admission::BeginError;
pub use bot_record::BotHealth;
pub use counting::count_tokens;
pub use desk::{Entry, REPLIES_PER_CHAT_MAX, Slot};
pub use history::Ask;
pub use live::{Applied, LiveReply, ReplyReader, ReplyUpdate, UPDATE_BYTES_MAX};

/// How long an owner vouches for a reply at each beat. A reply whose server died is closed at most this long plus
/// [`SWEEP_EVERY`] after its last beat, where another server looked meanwhile; else after the next one's start.
pub const LEASE: Duration = Duration::from_secs(8);
/// How often an owner writes the text so far, while it grows: half of what a crash may lose, so that a slow write
/// still keeps to that.
pub const BEAT_EVERY: Duration = Duration::from_millis(500);
/// How often an owner renews the lease of a reply that does not grow, and so learns of a stop that another server
/// noted.
pub const RENEW_EVERY: Duration = Duration::from_secs(2);
/// How often each server looks for replies whose lease has lapsed.
pub const SWEEP_EVERY: Duration = Duration::from_secs(3);
/// How long a stop waits for the reply to end before it answers with the reply as it is.
pub const STOP_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long the text of a reply that another server generates may lag behind what a client has seen there, before the
/// client is put back to it: more than the time between two checkpoints.
pub const MIRROR_LAG_MAX: Duration = Duration::from_secs(2);
/// The longest text of one reply, in bytes; a longer one ends as `LENGTH`.
pub const REPLY_BYTES_MAX: usize = 1024 * 1024;
/// The most of a model's reasoning that is kept, in bytes; what comes after it is let go.
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
    desks: Desks,
    registry: Mutex<Registry>,
    tasks: TaskTracker,
    /// Replies from the moment they are admitted until they have ended.
    replies: TaskTracker,
    /// Replies that somebody still follows, also behind their end.
    followed: TaskTracker,
    shutdown: CancellationToken,
}

#[derive(Default)]
struct Registry {
    live: HashMap<MessageId, Arc<LiveReply>>,
    /// Those that somebody reads.
    mirrors: WeakValueHashMap<MessageId, Weak<LiveReply>>,
    is_draining: bool,
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
            clock,
            config,
            owner,
            begun_at: Instant::now(),
            bot_record: BotRecord::default(),
            desks: Desks::default(),
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

    /// How the bot has done lately.
    pub fn bot_health(&self) -> BotHealth {
        self.bot_record.health()
    }

    /// Whether a message may say what goes wrong in its own answer.
    pub fn heeds_faults(&self) -> bool {
        self.bot.heeds_faults()
    }

    /// Stores a streaming reply and starts to generate it. If the chat has a message of its client key already, or
    /// the reply itself, nothing is started, and that message is returned.
    pub async fn begin(
        self: &Arc<Self>,
        slot: Slot,
        reply: Message,
        ask: Ask,
    ) -> Result<Option<Message>, BeginError> {
        let (id, chat_id) = (reply.id, reply.chat_id);
        let live = LiveReply::new(reply.clone()).counted_as(self.followed.token());
        let live = Arc::new(live);
        {
            let mut registry = self.registry();
            // Under the same lock as the close, so that no task starts behind the back of `shut_down`.
            if self.shutdown.is_cancelled() {
                return Err(BeginError::ShuttingDown);
            }
            // Registered before it is stored: whoever finds it in the store finds it here.
            registry.live.insert(id, live.clone());
        }
        match self.store.begin_reply(&reply, LEASE).await {
            Ok(Inserted::New) => {}
            Ok(Inserted::Existing(existing)) => {
                self.registry().live.remove(&id);
                live.end_as_it_is();
                return Ok(Some(*existing));
            }
            Err(error) => {
                // Whether it was stored is not known. Readers that came meanwhile are let go; if it was, its lease ends.
                self.registry().live.remove(&id);
                live.end_as_it_is();
                return Err(error.into());
            }
        }
        let engine = self.clone();
        let generation = async move {
            let _live = replies::live();
            engine
                .feed
                .publish(chat_id, ChatEvent::reply_started(&reply))
                .await;
            let fleet = engine.feed.fleet();
            if let Some(fleet) = fleet.clone() {
                let live = live.clone();
                engine
                    .tasks
                    .spawn(async move { Self::relay(&fleet, id, &live).await });
            }
            let message = engine.generate(&reply, &live, &slot, ask).await;
            // The end is stored before the reply leaves the registry: whoever misses it here finds it there.
            engine.registry().live.remove(&id);
            // Before its readers are told, so that who waited for the end finds the place free.
            drop(slot);
            live.end(message);
            if let Some(fleet) = fleet {
                fleet.end(id).await;
            }
        };
        self.tasks.spawn(generation.instrument(spans::reply(id, chat_id)));
        Ok(None)
    }

    /// Follows a reply from `cursor`, wherever it is generated and whether or not it has ended. `None` if there is
    /// no such message.
    pub async fn follow(
        self: &Arc<Self>,
        id: MessageId,
        cursor: Option<ReplyCursor>,
    ) -> Result<Option<ReplyReader>, StoreError> {
        if let Some(live) = self.live(id) {
            return Ok(Some(live.read_from(cursor)));
        }
        let message = self.store.messages(&[id]).await?.pop();
        Ok(message.map(|message| self.follow_message(message, cursor)))
    }

    /// [`Engine::follow`], of a reply that is at hand.
    pub fn follow_message(self: &Arc<Self>, message: Message, cursor: Option<ReplyCursor>) -> ReplyReader {
        match self.live(message.id) {
            Some(live) => live.read_from(cursor),
            None => self.mirror(message).read_from(cursor).patient(MIRROR_LAG_MAX),
        }
    }

    /// The replies of a chat that are under way: those of this server in the order of their turns, and the oldest of
    /// any other server.
    pub async fn replies_under_way(&self, chat: ChatId) -> Result<Vec<MessageId>, StoreError> {
        let mut replies = self.desks.replies(chat);
        let oldest = self.store.active_replies(&[chat]).await?.remove(&chat);
        replies.extend(
            oldest
                .map(|message| message.id)
                .filter(|id| !replies.contains(id)),
        );
        Ok(replies)
    }

    /// Stops a reply, if it has not ended, and returns it as it then is; `None` if there is no such message. Waits
    /// for the end at most [`STOP_WAIT_MAX`].
    pub async fn stop(self: &Arc<Self>, id: MessageId, by: UserId) -> Result<Option<Message>, StoreError> {
        let request = StopRequest {
            at: self.clock.now(),
            by,
        };
        // A reply of this server is stopped before anybody is asked: the wish is stored together with the end.
        if let Some(live) = self.live(id) {
            live.stop(Some(request));
            return match tokio::time::timeout(STOP_WAIT_MAX, live.ended()).await {
                Ok(ended) => Ok(Some(Message::clone(&ended))),
                Err(_) => Ok(Some(live.message_so_far())),
            };
        }
        let Some(message) = self.store.request_stop(id, &request).await? else {
            return Ok(None);
        };
        if !message.is_under_way() {
            return Ok(Some(message));
        }
        if let Some(stopped) = self.close(&message, ReplyState::Stopped, Claim::Lapsed).await? {
            return Ok(Some(stopped));
        }
        if let (Some(fleet), Some(reply)) = (self.feed.fleet(), &message.reply) {
            fleet.wake(&reply.owner, id).await;
        }
        match tokio::time::timeout(STOP_WAIT_MAX, self.mirror(message.clone()).ended()).await {
            Ok(ended) => Ok(Some(Message::clone(&ended))),
            Err(_) => Ok(Some(message)),
        }
    }

    /// Stops the replies of a chat that is no more. Those of other servers learn it with their next checkpoint.
    pub fn abandon(&self, chat: ChatId) {
        for live in self
            .desks
            .replies(chat)
            .into_iter()
            .filter_map(|id| self.live(id))
        {
            live.stop(None);
        }
    }

    /// Admits no more replies; those that were go on.
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

    /// Waits, once all replies have ended, until everyone who follows one has been told so.
    pub async fn told(&self) {
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
        self.registry().live.get(&id).cloned()
    }

    fn registry(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
