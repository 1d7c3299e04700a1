//! What makes a reply: one task for each, its checkpoints and lease, its end, and the recovery of those whose
//! server died.

mod checkpoint;
mod generation;
mod live;
mod mirror;
mod recovery;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bot::Bot;
use crate::domain::{
    ChatId, Clock, LanguageTag, Message, MessageId, ReplyCursor, ReplyOutcome, ReplyState, StopRequest,
    UserId,
};
use crate::store::{Store, StoreError};

pub use live::{LiveReply, PARTIAL_BYTES_MAX, ReplyReader, ReplyUpdate};

/// How long an owner vouches for a reply at each beat, in milliseconds. A reply whose server died is closed at most
/// this long plus [`SWEEP_EVERY`] after its last beat.
pub const LEASE_MS: i64 = 8_000;
/// How often an owner writes the text so far and renews its lease: what a crash can lose.
pub const BEAT_EVERY: Duration = Duration::from_secs(1);
/// How often each server looks for replies whose lease has lapsed.
pub const SWEEP_EVERY: Duration = Duration::from_secs(3);
/// How long a stop waits for the reply to end before it answers with the reply as it is.
pub const STOP_WAIT_MAX: Duration = Duration::from_secs(2);
/// The most replies of one chat that run or wait for their turn.
pub const REPLIES_PER_CHAT_MAX: usize = 8;
/// The longest text of one reply, in bytes; a longer one ends as `LENGTH`.
pub const REPLY_BYTES_MAX: usize = 1024 * 1024;
/// The most turns of history that a bot is given.
pub const HISTORY_TURNS_MAX: usize = 50;

/// Why a reply could not begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// The chat has [`REPLIES_PER_CHAT_MAX`] replies under way.
    #[error("too many replies wait in this chat")]
    QueueFull,
    /// The server is shutting down.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The replies of this server.
pub struct Engine {
    store: Arc<dyn Store>,
    bot: Arc<dyn Bot>,
    clock: Arc<dyn Clock>,
    owner: String,
    registry: Mutex<Registry>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

#[derive(Default)]
struct Registry {
    live: HashMap<MessageId, Arc<LiveReply>>,
    mirrors: HashMap<MessageId, Weak<LiveReply>>,
    /// One permit a chat, taken in the order of arrival: replies of a chat run one after the other.
    turns: HashMap<ChatId, (usize, Arc<Semaphore>)>,
}

impl Engine {
    /// An engine that owns its replies under the name `owner`, which no other process may use.
    pub fn new(store: Arc<dyn Store>, bot: Arc<dyn Bot>, clock: Arc<dyn Clock>, owner: String) -> Arc<Self> {
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        Arc::new(Self {
            store,
            bot,
            clock,
            owner,
            registry: Mutex::default(),
            tasks,
            shutdown,
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

    /// Stores a streaming reply and starts to generate it; joins it if it is under way here already. Replies of one
    /// chat run one after the other.
    pub async fn begin(
        self: &Arc<Self>,
        reply: Message,
        language: Option<LanguageTag>,
    ) -> Result<(), BeginError> {
        let (id, chat_id) = (reply.id, reply.chat_id);
        let live = Arc::new(LiveReply::new(reply.clone()));
        let turn = {
            let mut registry = self.registry();
            if registry.live.contains_key(&id) {
                return Ok(());
            }
            // Under the same lock as the close, so that no task starts behind the back of `shut_down`.
            if self.shutdown.is_cancelled() {
                return Err(BeginError::ShuttingDown);
            }
            let (waiting, turn) = registry
                .turns
                .entry(chat_id)
                .or_insert_with(|| (0, Arc::new(Semaphore::new(1))));
            if *waiting >= REPLIES_PER_CHAT_MAX {
                return Err(BeginError::QueueFull);
            }
            *waiting += 1;
            let turn = turn.clone();
            // Registered before it is stored: whoever finds it in the store finds it here.
            registry.live.insert(id, live.clone());
            turn
        };
        let stored = self.store.insert_message(&reply).await;
        if let Err(error) = stored {
            // Whether it was stored is not known. Readers that came meanwhile are let go; if it was, its lease ends.
            self.forget(id, chat_id);
            live.end(reply);
            return Err(error.into());
        }
        let engine = self.clone();
        self.tasks.spawn(async move {
            let message = engine.generate(&reply, &live, turn, language).await;
            // The end is stored before the reply leaves the registry: whoever misses it here finds it there.
            engine.forget(id, chat_id);
            live.end(message);
        });
        Ok(())
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
        Ok(message.map(|message| self.mirror(message).read_from(cursor)))
    }

    /// Stops a reply, if it has not ended, and returns it as it then is; `None` if there is no such message. Waits
    /// for the end at most [`STOP_WAIT_MAX`].
    pub async fn stop(self: &Arc<Self>, id: MessageId) -> Result<Option<Message>, StoreError> {
        let Some(message) = self
            .store
            .request_stop(
                id,
                &StopRequest {
                    at: self.clock.now(),
                    by: UserId::Int(1),
                },
            )
            .await?
        else {
            return Ok(None);
        };
        if message.reply.as_ref().is_none_or(|reply| reply.state.is_final()) {
            return Ok(Some(message));
        }
        let live = match self.live(id) {
            Some(live) => live,
            None if self.has_lapsed(&message) => {
                let outcome = self.outcome(ReplyState::Stopped);
                let stopped = self.store.finish_reply(id, None, &outcome).await?;
                return Ok(Some(stopped.unwrap_or(message)));
            }
            None => self.mirror(message.clone()),
        };
        live.stop();
        match tokio::time::timeout(STOP_WAIT_MAX, live.ended()).await {
            Ok(ended) => Ok(Some(Message::clone(&ended))),
            Err(_) => Ok(Some(message)),
        }
    }

    /// Ends every reply of this server as interrupted, with the text it has, and waits until that is stored.
    pub async fn shut_down(&self) {
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

    fn forget(&self, id: MessageId, chat_id: ChatId) {
        let mut registry = self.registry();
        registry.live.remove(&id);
        if let Some((waiting, _)) = registry.turns.get_mut(&chat_id) {
            *waiting -= 1;
            if *waiting == 0 {
                registry.turns.remove(&chat_id);
            }
        }
    }

    fn registry(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_lapsed(&self, message: &Message) -> bool {
        message
            .reply
            .as_ref()
            .is_some_and(|reply| reply.lease_until < self.clock.now())
    }

    /// An end at this moment, with the text that is stored.
    fn outcome(&self, state: ReplyState) -> ReplyOutcome {
        ReplyOutcome::bare(state, self.clock.now())
    }
}
