//! How a reply begins: admitted, stored together with its prompt in one call, and handed to a task that generates it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::Instrument;

use super::{Ask, Engine, LEASE, LiveReply, Looks, Running};
use crate::config::FaultScript;
use crate::domain::{Chat, ChatEvent, LanguageTag, Message, MessageId, Position, TimeZone, UserId};
use crate::store::{ACTIVE_REPLIES_MAX, Asking, Begun, Checkpointed, Claim, Exchange, StoreError};
use crate::telemetry::{replies, spans};

/// How long it is looked for an exchange where the store answers and has not both. Afterwards what is stored of it ends with
/// its lease.
const LOOKED_ON_FOR: Duration = Duration::from_secs(7);
/// How long the caller waits until earlier replies could be asked to stop.
const STOPS_TRIED_FOR: Duration = Duration::from_secs(5);

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
    UnderWay,
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

/// What a reply does while others of its chat are under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meanwhile {
    /// It waits for its turn.
    Waits,
    /// It is refused because of them.
    IsRefused,
    /// It has those stopped that were asked for before it, in the name of this user, and then has its turn.
    StopsThem(UserId),
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
    /// What to do while others of the chat are under way.
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
    /// looked for them, also after the caller was answered: what is stored is generated.
    pub async fn begin(
        self: &Arc<Self>,
        admission: Admission,
        request: Request,
    ) -> Result<Started, BeginError> {
        let (chat, meanwhile) = (request.reply.chat_id, request.meanwhile.clone());
        let beginning = self.beginning(admission, request)?;
        let mut asked_at = Instant::now();
        let mut begun = self.store.begin_exchange(&beginning.exchange).await;
        // Of a full chat those make room that would be stopped afterwards.
        if let (Ok(Begun::Full(_)), Meanwhile::StopsThem(by)) = (&begun, &meanwhile) {
            self.stop_all(chat, by.clone()).await?;
            asked_at = Instant::now();
            begun = self.store.begin_exchange(&beginning.exchange).await;
        }
        match begun {
            Ok(Begun::Begun { prompt: None, .. }) if beginning.exchange.prompt().is_some() => {
                beginning.remove_half().await;
                let half = "only half of the exchange was stored";
                Err(StoreError::Unavailable(half.into()).into())
            }
            Ok(Begun::Begun {
                chat: in_chat,
                prompt,
                reply,
            }) => {
                beginning.place.live.vouch_until(asked_at + LEASE);
                beginning.start(&in_chat, prompt.as_deref(), &reply).await;
                if let Meanwhile::StopsThem(by) = meanwhile {
                    self.stop_earlier(&reply, by).await?;
                }
                Ok(Started::Now { prompt, reply })
            }
            // An earlier call did what there was to do, and stopped whom there was to stop.
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

    /// Registers a reply before it is stored: whoever finds it in the store finds it here.
    fn beginning(self: &Arc<Self>, admission: Admission, request: Request) -> Result<Beginning, BeginError> {
        let live = LiveReply::new(request.reply.clone()).counted_as(self.followed.token());
        let mut registry = self.registry();
        // Under the same lock as the close, which waits for whatever is counted.
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
        Ok(Beginning {
            place,
            exchange: Exchange {
                asking: request.asking,
                reply: request.reply,
                chat_of: request.chat_of,
                lease: LEASE,
                others_max: match request.meanwhile {
                    Meanwhile::IsRefused => 0,
                    Meanwhile::Waits | Meanwhile::StopsThem(_) => ACTIVE_REPLIES_MAX - 1,
                },
            },
            until: request.until,
            manner: request.manner,
            admission,
        })
    }

    /// Stops what was asked for in a chat before a reply that has begun. If the store does not let it, it is tried on also
    /// after this has failed.
    async fn stop_earlier(self: &Arc<Self>, reply: &Message, by: UserId) -> Result<(), StoreError> {
        let (engine, reply) = (self.clone(), reply.clone());
        let stopping = async move {
            let mut looks = Looks::that_go_on_for(LOOKED_ON_FOR);
            while let Err(error) = engine.try_to_stop_earlier(&reply, &by).await {
                {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(message.id = %reply.id, error, "earlier replies could not be stopped yet");
                }
                if !looks.next().await {
                    return Err(error);
                }
            }
            Ok(())
        };
        let stopping = tokio::spawn(stopping.in_current_span());
        match tokio::time::timeout(STOPS_TRIED_FOR, stopping).await {
            Ok(Ok(stopped)) => stopped,
            Ok(Err(panicked)) => Err(StoreError::Failed(panicked.into())),
            Err(elapsed) => Err(StoreError::Unavailable(elapsed.into())),
        }
    }

    async fn try_to_stop_earlier(self: &Arc<Self>, reply: &Message, by: &UserId) -> Result<(), StoreError> {
        let mut earlier = self.active_replies(reply.chat_id).await?;
        earlier.retain(|other| other.position() < reply.position());
        self.stop_each(reply.chat_id, &earlier, by.clone())
            .await
            .map(drop)
    }
}

/// A reply's place among those of this server, which it leaves when this is dropped, whatever else went wrong: readers that
/// were not told an end are told what the store says, as those of a reply that another server generates.
struct Place {
    engine: Arc<Engine>,
    live: Arc<LiveReply>,
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
        // On the way down its readers go to other servers, which look at what is stored.
        if !self.live.has_ended() && !self.engine.shutdown.is_cancelled() {
            self.engine.let_go(&self.live);
        }
    }
}

/// What is stored of an exchange.
enum Found {
    /// All of it, and its reply goes on.
    Whole {
        chat: Box<Chat>,
        prompt: Option<Box<Message>>,
        reply: Box<Message>,
    },
    /// The prompt, whose reply somebody deleted meanwhile.
    Prompt(Box<Message>),
    /// The reply, which another server has ended meanwhile, and told of.
    Ended,
    /// The reply, without its prompt.
    Half,
    /// Neither.
    Nothing,
}

/// A reply between its admission and its beginning.
struct Beginning {
    place: Place,
    exchange: Exchange,
    until: Option<(Position, Option<MessageId>)>,
    manner: Manner,
    admission: Admission,
}

impl Beginning {
    /// Looks whether the exchange was stored, of which the store did not say so, and if it was, starts to generate. Nothing
    /// is stored by this: the caller was told that nothing may be.
    async fn find_out(self) {
        let engine = self.place.engine.clone();
        let (mut looks, mut seen) = (Looks::that_go_on_for(LOOKED_ON_FOR), None);
        // `None` on the way down.
        while let Some(is_another) = engine.shutdown.run_until_cancelled(looks.next()).await {
            if !is_another {
                if matches!(seen, Some(Found::Half)) {
                    self.remove_half().await;
                }
                return;
            }
            match self.look().await {
                Ok(Found::Whole { chat, prompt, reply }) => {
                    self.start(&chat, prompt.as_deref(), &reply).await;
                    return;
                }
                Ok(Found::Prompt(prompt)) => {
                    let added = ChatEvent::message_added(&prompt);
                    engine.feed.publish(prompt.chat_id, added).await;
                    return;
                }
                Ok(Found::Ended) => return,
                Ok(found) => {
                    looks.saw_nothing();
                    seen = Some(found);
                }
                Err(StoreError::Unavailable(_)) => {}
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "whether a reply was begun is not known");
                    return;
                }
            }
        }
    }

    /// What is stored of the exchange; its lease is renewed if it is whole.
    async fn look(&self) -> Result<Found, StoreError> {
        let (store, sent) = (&self.place.engine.store, &self.exchange.reply);
        let asked = self.exchange.prompt().map(|prompt| prompt.id);
        let ids: Vec<_> = std::iter::once(sent.id).chain(asked).collect();
        let found = store.messages(&ids).await?;
        let (mut prompt, mut reply) = (None, None);
        for message in found
            .into_iter()
            .filter(|message| message.chat_id == sent.chat_id)
        {
            match message.id == sent.id {
                true => reply = Some(message),
                false => prompt = Some(message),
            }
        }
        let Some(reply) = reply else {
            return Ok(prompt.map_or(Found::Nothing, |prompt| Found::Prompt(Box::new(prompt))));
        };
        if asked.is_some() && prompt.is_none() {
            return Ok(Found::Half);
        }
        let (owner, asked_at) = (self.place.engine.owner(), Instant::now());
        let renewed = store.checkpoint(reply.chat_id, reply.id, owner, "", LEASE);
        if renewed.await? == Checkpointed::Lost {
            return Ok(Found::Ended);
        }
        self.place.live.vouch_until(asked_at + LEASE);
        let chat = store.chats(&[reply.chat_id]).await?.pop();
        Ok(chat.map_or(Found::Nothing, |chat| Found::Whole {
            chat: Box::new(chat),
            prompt: prompt.map(Box::new),
            reply: Box::new(reply),
        }))
    }

    /// Removes a reply whose prompt is not there: never stored, or deleted before it was known here that it was. If that
    /// fails, the reply ends with its lease.
    async fn remove_half(&self) {
        let (engine, reply) = (&self.place.engine, &self.exchange.reply);
        let claim = Claim::Owner(&engine.owner);
        let removed = engine.store.remove_reply(reply.chat_id, reply.id, claim).await;
        if matches!(removed, Ok(true)) {
            let deleted = ChatEvent::MessageDeleted(reply.id);
            engine.feed.publish(reply.chat_id, deleted).await;
        }
    }

    /// Tells the followers of the chat, and starts to generate.
    async fn start(self, chat: &Chat, prompt: Option<&Message>, reply: &Message) {
        let place = self.place;
        let (engine, live) = (place.engine.clone(), place.live.clone());
        let (id, chat_id) = (reply.id, chat.id);
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
            place.leave();
            // Before its readers are told, so that who waited for the end finds the place free.
            drop(admission);
            live.end(ended);
            drop(place);
            if let Some(fleet) = fleet {
                fleet.end(id).await;
            }
        };
        tasks.spawn(generation.instrument(spans::reply(id, chat_id)));
    }
}
