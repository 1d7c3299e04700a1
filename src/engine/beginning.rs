//! How a reply begins: admitted, stored together with its prompt in one call, and handed to a task that generates it.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::Instrument;

use super::{Ask, Ended, Engine, LEASE, LiveReply, Running};
use crate::config::FaultScript;
use crate::domain::{Chat, ChatEvent, LanguageTag, Message, MessageId, Position, TimeZone, UserId};
use crate::store::{ACTIVE_REPLIES_MAX, Asking, Begun, Claim, Exchange, StoreError};
use crate::telemetry::{replies, spans};

/// How long the store is asked again whether an exchange was begun of which it did not say so. Afterwards what was stored
/// of it ends with its lease.
const ASKED_AGAIN_FOR: Duration = Duration::from_secs(30);
/// The first and the longest wait between two of these questions, before jitter.
const ASKED_AGAIN_AFTER: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Why a reply could not begin. Nothing was stored, unless the store did not say.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// There is no such chat, or it is another user's.
    #[error("there is no such chat")]
    NoChat,
    /// The client key belongs to a message with other content.
    #[error("the client key belongs to another message")]
    KeyReused,
    /// The chat has [`ACTIVE_REPLIES_MAX`] replies under way.
    #[error("too many replies wait in this chat")]
    QueueFull,
    /// A reply of the chat is under way, and the caller would not wait for it.
    #[error("a reply is under way in this chat")]
    UnderWay(MessageId),
    /// The server is shutting down.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// The store failed. If it is not available, the exchange may be stored, and is then generated all the same.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A promise that the server stays until a reply has ended.
pub struct Admission {
    _counted: TaskTrackerToken,
    /// What the caller wants released with it.
    _share: Option<Box<dyn Send + Sync>>,
}

impl Admission {
    /// The same, with something that is released when the reply has ended.
    pub fn holding(mut self, share: impl Send + Sync + 'static) -> Self {
        self._share = Some(Box::new(share));
        self
    }
}

/// How a prompt is to be answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manner {
    /// The language that the sender chose, if any.
    pub language: Option<LanguageTag>,
    /// Where the sender is, if known.
    pub timezone: Option<TimeZone>,
    /// What shall go wrong, for the bot that can be told.
    pub faults: Option<FaultScript>,
}

/// A reply to begin.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The new prompt, if there is one.
    pub asking: Asking,
    /// Where the history of a prompt that is stored already ends, and its id if it is known. Of no meaning for a new one.
    pub until: Option<(Position, Option<MessageId>)>,
    /// The reply, as [`Exchange::reply`].
    pub reply: Message,
    /// The user whose chat it has to be; `None` for anybody's.
    pub chat_of: Option<UserId>,
    /// Whether the reply waits for others of the chat that are under way, or is refused because of them.
    pub waits: bool,
    /// How to answer.
    pub manner: Manner,
}

/// A reply that was begun, by this call or by an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    /// By this call.
    Now {
        /// The chat.
        chat: Box<Chat>,
        /// The prompt as it is stored, if it is new.
        prompt: Option<Box<Message>>,
        /// The reply as it is stored.
        reply: Box<Message>,
    },
    /// By an earlier call with the same client key.
    Before {
        /// The prompt, unless only a reply was asked for.
        prompt: Option<Box<Message>>,
        /// The reply; `None` if it was deleted since.
        reply: Option<Box<Message>>,
    },
}

impl Engine {
    /// Admits one more reply, unless the server is on its way down.
    pub fn admit(&self) -> Result<Admission, BeginError> {
        let registry = self.registry();
        // Under the same lock as the beginning of the drain, which waits for whatever is counted.
        if registry.is_draining {
            return Err(BeginError::ShuttingDown);
        }
        Ok(Admission {
            _counted: self.replies.token(),
            _share: None,
        })
    }

    /// Stores a prompt and its reply, and starts to generate it. If the store does not say whether it stored them, it is
    /// asked again, also after the caller was answered: what is stored is generated.
    pub async fn begin(
        self: &Arc<Self>,
        admission: Admission,
        request: Request,
    ) -> Result<Started, BeginError> {
        let id = request.reply.id;
        let live = LiveReply::new(request.reply.clone()).counted_as(self.followed.token());
        let beginning = Beginning {
            engine: self.clone(),
            live: Arc::new(live),
            exchange: Exchange {
                asking: request.asking,
                reply: request.reply,
                chat_of: request.chat_of,
                lease: LEASE,
                others_max: if request.waits { ACTIVE_REPLIES_MAX - 1 } else { 0 },
            },
            until: request.until,
            manner: request.manner,
            admission,
        };
        {
            let mut registry = self.registry();
            // Under the same lock as the close, so that no task starts after `shut_down`.
            if self.shutdown.is_cancelled() {
                return Err(BeginError::ShuttingDown);
            }
            // Registered before it is stored: whoever finds it in the store finds it here.
            let live = beginning.live.clone();
            registry.live.insert(id, Running { live, user: None });
        }
        match self.store.begin_exchange(&beginning.exchange).await {
            Ok(begun) => beginning.take_up(begun).await,
            Err(error @ StoreError::Unavailable(_)) => {
                self.tasks.spawn(beginning.ask_again().in_current_span());
                Err(error.into())
            }
            Err(error) => {
                beginning.let_go();
                Err(error.into())
            }
        }
    }
}

/// A reply between its admission and its beginning.
struct Beginning {
    engine: Arc<Engine>,
    live: Arc<LiveReply>,
    exchange: Exchange,
    until: Option<(Position, Option<MessageId>)>,
    manner: Manner,
    admission: Admission,
}

impl Beginning {
    /// Does what the store's answer comes to.
    async fn take_up(self, begun: Begun) -> Result<Started, BeginError> {
        match begun {
            Begun::Begun { prompt: None, .. } if self.exchange.prompt().is_some() => {
                self.remove_half().await;
                Err(StoreError::Unavailable("only half of the exchange was stored".into()).into())
            }
            Begun::Begun { chat, prompt, reply } => {
                self.start(&chat, prompt.as_deref(), &reply).await;
                Ok(Started::Now { chat, prompt, reply })
            }
            Begun::Joined { prompt, reply } => {
                self.let_go();
                Ok(Started::Before { prompt, reply })
            }
            Begun::KeyReused => {
                self.let_go();
                Err(BeginError::KeyReused)
            }
            Begun::NoChat => {
                self.let_go();
                Err(BeginError::NoChat)
            }
            Begun::Full(oldest) => {
                let waits = self.exchange.others_max > 0;
                self.let_go();
                Err(match waits {
                    true => BeginError::QueueFull,
                    false => BeginError::UnderWay(oldest),
                })
            }
        }
    }

    /// Nothing begins. Readers that came meanwhile are let go.
    fn let_go(&self) {
        self.engine.registry().live.remove(&self.exchange.reply.id);
        self.live.end(Ended::Deleted);
    }

    /// Removes a reply whose prompt is not there: never stored, or deleted before it was known here that it was. If that
    /// fails, the reply ends with its lease.
    async fn remove_half(&self) {
        let (engine, chat, id) = (&self.engine, self.exchange.reply.chat_id, self.exchange.reply.id);
        self.let_go();
        let removed = engine
            .store
            .remove_reply(chat, id, Claim::Owner(&engine.owner))
            .await;
        if matches!(removed, Ok(true)) {
            engine.feed.publish(chat, ChatEvent::MessageDeleted(id)).await;
        }
    }

    /// Asks the store for the same once more until it answers. The same ids make it the same exchange.
    async fn ask_again(self) {
        let engine = self.engine.clone();
        let deadline = Instant::now() + ASKED_AGAIN_FOR;
        let (wait_min, wait_max) = ASKED_AGAIN_AFTER;
        let mut waits = ExponentialBuilder::default()
            .with_min_delay(wait_min)
            .with_max_delay(wait_max)
            .without_max_times()
            .with_jitter()
            .build();
        while Instant::now() < deadline {
            let wait = tokio::time::sleep(waits.next().unwrap_or(wait_max));
            if engine.shutdown.run_until_cancelled(wait).await.is_none() {
                break;
            }
            match engine.store.begin_exchange(&self.exchange).await {
                Ok(begun) => {
                    // The caller was answered before.
                    drop(self.take_up(begun).await);
                    return;
                }
                Err(StoreError::Unavailable(_)) => {}
                Err(_) => break,
            }
        }
        self.let_go();
    }

    /// Tells the followers of the chat, and starts to generate.
    async fn start(self, chat: &Chat, prompt: Option<&Message>, reply: &Message) {
        let (engine, live, id, chat_id) = (self.engine, self.live, reply.id, chat.id);
        live.begin(reply.clone());
        if let Some(running) = engine.registry().live.get_mut(&id) {
            running.user = Some(chat.user_id.clone());
        }
        let until = match prompt {
            Some(prompt) => Some((prompt.position(), Some(prompt.id))),
            None => self.until,
        };
        let (until, prompt_id) = until.unwrap_or((reply.position(), None));
        if let Some(prompt) = prompt {
            let added = ChatEvent::message_added(prompt);
            engine.feed.publish(chat_id, added).await;
        }
        engine
            .feed
            .publish(chat_id, ChatEvent::reply_started(reply))
            .await;
        let ask = Ask {
            until,
            prompt: prompt_id,
            manner: self.manner,
            user: chat.user_id.clone(),
        };
        let (reply, admission, tasks) = (reply.clone(), self.admission, engine.tasks.clone());
        let generation = async move {
            let _live = replies::live();
            let fleet = engine.feed.fleet();
            if let Some(fleet) = fleet.clone() {
                let live = live.clone();
                engine
                    .tasks
                    .spawn(async move { Engine::relay(&fleet, id, &live).await });
            }
            let ended = engine.generate(&reply, &live, ask).await;
            // The end is stored before the reply leaves the registry: whoever misses it here finds it there.
            engine.registry().live.remove(&id);
            // Before its readers are told, so that who waited for the end finds the place free.
            drop(admission);
            live.end(ended);
            if let Some(fleet) = fleet {
                fleet.end(id).await;
            }
        };
        tasks.spawn(generation.instrument(spans::reply(id, chat_id)));
    }
}
