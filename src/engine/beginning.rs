//! How a reply begins: admitted, stored together with its prompt in one call, and handed to a task that generates it.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::Instrument;

use super::stopping::Interruption;
use super::{Ask, Engine, LEASE, LiveReply, Running};
use crate::config::FaultScript;
use crate::domain::{Chat, ChatEvent, LanguageTag, Message, MessageId, Position, TimeZone, UserId};
use crate::store::{ACTIVE_REPLIES_MAX, Asking, Begun, Exchange, StoreError};
use crate::telemetry::{replies, spans};

/// How long a caller whose prompt interrupts waits until earlier replies were asked to stop. That goes on after the
/// caller was answered.
const INTERRUPTS_WITHIN: Duration = Duration::from_secs(5);

/// Why a reply could not begin. Nothing was stored, unless the store did not confirm it.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// There is no such chat, or it is another user's.
    #[error("there is no such chat")]
    NoChat,
    /// The client key belongs to a message with other content.
    #[error("the client key belongs to another message")]
    KeyReused,
    /// The chat has [`ACTIVE_REPLIES_MAX`] active replies.
    #[error("too many replies wait in this chat")]
    QueueFull,
    /// The chat has an active reply, and the caller does not want to wait for it.
    #[error("a reply is under way in this chat")]
    UnderWay,
    /// The server is shutting down.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// The store failed. If it is unavailable, it may have stored the exchange; then the reply is generated all the
    /// same.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps the server from shutting down until a reply has ended.
pub struct Admission {
    _counted: TaskTrackerToken,
    /// What the caller wants dropped with it.
    _share: Option<Box<dyn Send + Sync>>,
}

impl Admission {
    /// The same, with something that is dropped when the reply has ended.
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
    /// A fault script, for a bot that takes one.
    pub faults: Option<FaultScript>,
}

/// What a reply does while others of its chat are active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meanwhile {
    /// It waits for its turn.
    Waits,
    /// It is rejected.
    IsRefused,
    /// It stops the earlier ones, in the name of this user, and then has its turn.
    StopsThem(UserId),
}

/// Where the history ends that the bot receives. Later messages are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryEnd {
    /// The position of the last message.
    pub position: Position,
    /// The message there, if it is the one to answer: if it is missing, the bot is not asked.
    pub prompt: Option<MessageId>,
}

impl HistoryEnd {
    /// The bot answers this message, and receives those before it.
    pub fn at(prompt: &Message) -> Self {
        Self {
            position: prompt.position(),
            prompt: Some(prompt.id),
        }
    }
}

/// What a reply answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A new prompt, stored together with its reply.
    New(Box<Message>),
    /// A history that is stored already.
    Stored(HistoryEnd),
}

/// A reply to begin.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What it answers.
    pub asked: Asked,
    /// The reply, as [`Exchange::reply`].
    pub reply: Message,
    /// The user whose chat it has to be; `None` for anybody's.
    pub chat_of: Option<UserId>,
    /// What to do while others of the chat are active.
    pub meanwhile: Meanwhile,
    /// How to answer.
    pub manner: Manner,
}

/// A reply that was begun, by this call or by an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    /// By this call.
    Now {
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
    /// Admits one more reply, unless the server is draining.
    pub fn admit(&self) -> Result<Admission, BeginError> {
        let registry = self.registry();
        // Checked under the lock that [`Engine::drain`] takes: the drain waits for every token given out before it.
        if registry.is_draining {
            return Err(BeginError::ShuttingDown);
        }
        Ok(Admission {
            _counted: self.replies.token(),
            _share: None,
        })
    }

    /// Stores a prompt and its reply, and starts to generate the reply. If the store does not confirm, the caller gets
    /// an error, and a task looks for both in the store: if they are there, it generates the reply.
    pub async fn begin(
        self: &Arc<Self>,
        admission: Admission,
        request: Request,
    ) -> Result<Started, BeginError> {
        let (chat, meanwhile) = (request.reply.chat_id, request.meanwhile.clone());
        let beginning = self.beginning(admission, request)?;
        let mut begun = self.store.begin_exchange(&beginning.exchange).await;
        // In a full chat, stopping the earlier replies first makes room.
        if let (Ok(Begun::Full(_)), Meanwhile::StopsThem(by)) = (&begun, &meanwhile) {
            self.stop_all(chat, by.clone()).await?;
            begun = self.store.begin_exchange(&beginning.exchange).await;
        }
        match begun {
            Ok(Begun::Begun {
                chat: in_chat,
                prompt,
                reply,
            }) => {
                let Some(until) = beginning.history_end(prompt.as_deref()) else {
                    beginning.remove_half().await;
                    let half = "only half of the exchange was stored";
                    return Err(StoreError::Unavailable(half.into()).into());
                };
                let interrupts = beginning.interrupts.as_ref();
                let has_interrupted = interrupts.map(|interruption| interruption.is_done.clone());
                beginning.start(&in_chat, prompt.as_deref(), &reply, until).await;
                if let Some(has_interrupted) = has_interrupted {
                    tokio::time::timeout(INTERRUPTS_WITHIN, has_interrupted.cancelled())
                        .await
                        .map_err(|elapsed| StoreError::Unavailable(elapsed.into()))?;
                }
                Ok(Started::Now { prompt, reply })
            }
            // The earlier call's reply also stops the replies before it.
            Ok(Begun::Joined { prompt, reply }) => Ok(Started::Before { prompt, reply }),
            Ok(Begun::KeyReused) => Err(BeginError::KeyReused),
            Ok(Begun::NoChat) => Err(BeginError::NoChat),
            Ok(Begun::Full(_)) => Err(match meanwhile {
                Meanwhile::IsRefused => BeginError::UnderWay,
                Meanwhile::Waits | Meanwhile::StopsThem(_) => BeginError::QueueFull,
            }),
            Err(error) => {
                if matches!(error, StoreError::Unavailable(_)) {
                    self.tasks.spawn(beginning.find_out().in_current_span());
                }
                Err(error.into())
            }
        }
    }

    /// Registers a reply before it is stored, so that a caller who finds it in the store also finds it here.
    fn beginning(self: &Arc<Self>, admission: Admission, request: Request) -> Result<Beginning, BeginError> {
        let live = LiveReply::new(request.reply.clone()).counted_as(self.followed.token());
        let mut registry = self.registry();
        // Checked under the lock that [`Engine::shut_down`] takes: it waits for every token given out before it.
        if self.shutdown.is_cancelled() {
            return Err(BeginError::ShuttingDown);
        }
        let place = Place {
            engine: self.clone(),
            live: Arc::new(live),
            _counted: self.tasks.token(),
        };
        let running = Running {
            live: place.live.clone(),
            user: None,
        };
        registry.live.insert(request.reply.id, running);
        drop(registry);
        let (asking, stored) = match request.asked {
            Asked::New(prompt) => (Asking::New(prompt), None),
            Asked::Stored(until) => (Asking::Stored, Some(until)),
        };
        Ok(Beginning {
            place,
            exchange: Exchange {
                asking,
                reply: request.reply,
                chat_of: request.chat_of,
                lease: LEASE,
                others_max: match request.meanwhile {
                    Meanwhile::IsRefused => 0,
                    Meanwhile::Waits | Meanwhile::StopsThem(_) => ACTIVE_REPLIES_MAX - 1,
                },
            },
            stored,
            interrupts: match request.meanwhile {
                Meanwhile::StopsThem(by) => Some(Interruption {
                    by,
                    is_done: CancellationToken::new(),
                }),
                Meanwhile::Waits | Meanwhile::IsRefused => None,
            },
            manner: request.manner,
            admission,
        })
    }
}

/// A reply's entry in the registry, removed when this is dropped, even after a panic. Readers that have received no end
/// then follow what the store says, like readers of a reply that another server generates.
pub(super) struct Place {
    pub(super) engine: Arc<Engine>,
    pub(super) live: Arc<LiveReply>,
    _counted: TaskTrackerToken,
}

impl Place {
    fn leave(&self) {
        self.engine.registry().live.remove(&self.live.id());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
        // During shutdown its readers reconnect to other servers, which read the store.
        if !self.live.has_ended() && !self.engine.shutdown.is_cancelled() {
            self.engine.continue_as_mirror(&self.live);
        }
    }
}

/// A reply that is admitted and registered, but not yet known to be stored.
pub(super) struct Beginning {
    pub(super) place: Place,
    pub(super) exchange: Exchange,
    /// Where the history ends, unless the prompt is new.
    stored: Option<HistoryEnd>,
    interrupts: Option<Interruption>,
    manner: Manner,
    admission: Admission,
}

impl Beginning {
    /// Where the history ends; `None` if the new prompt is not stored.
    pub(super) fn history_end(&self, prompt: Option<&Message>) -> Option<HistoryEnd> {
        self.stored.or_else(|| prompt.map(HistoryEnd::at))
    }

    /// Publishes the prompt and the reply to the chat's subscribers, and starts to generate.
    pub(super) async fn start(
        self,
        chat: &Chat,
        prompt: Option<&Message>,
        reply: &Message,
        until: HistoryEnd,
    ) {
        let place = self.place;
        let (engine, live) = (place.engine.clone(), place.live.clone());
        let (id, chat_id) = (reply.id, chat.id);
        live.begin_as(reply.clone());
        if let Some(running) = engine.registry().live.get_mut(&id) {
            running.user = Some(chat.user_id.clone());
        }
        if let Some(prompt) = prompt {
            let added = ChatEvent::message_added(prompt);
            engine.feed.publish(chat_id, added).await;
        }
        engine
            .feed
            .publish(chat_id, ChatEvent::reply_started(reply))
            .await;
        if let Some(interruption) = self.interrupts {
            let interrupting = engine.clone().interrupt(reply.clone(), interruption);
            engine.tasks.spawn(interrupting.in_current_span());
        }
        let ask = Ask {
            until,
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
            // The reply leaves the registry after its end is stored, so it is always found in one of the two.
            place.leave();
            // Before its readers receive the end: a caller that waited for it can then begin another reply.
            drop(admission);
            if let Some(ended) = ended {
                live.end(ended);
            }
            drop(place);
            if let Some(fleet) = fleet {
                fleet.end(id).await;
            }
        };
        tasks.spawn(generation.instrument(spans::reply(id, chat_id)));
    }
}
