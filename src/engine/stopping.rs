//! How replies are stopped, on whatever server they are generated.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use tracing::Instrument;

use super::{Engine, LiveReply, Waits};
use crate::domain::{ChatId, Message, MessageId, StopRequest, UserId};
use crate::store::{Claim, StoreError};

/// How long a stop waits for the reply to end before it answers with the reply as it is.
pub const STOP_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long a caller whose prompt interrupts waits until earlier replies could be asked to stop.
const EARLIER_AWAITED_FOR: Duration = Duration::from_secs(5);
/// How long that is tried altogether, if the store does not answer.
const EARLIER_TRIED_FOR: Duration = Duration::from_secs(30);
/// The first and the longest wait between two tries, before chance doubles them at most.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// What came of the wish that a reply stop.
enum Stopping {
    /// There is no such message.
    Gone,
    /// It has ended.
    Ended(Message),
    /// It is generated here, and will end soon.
    Here(Arc<LiveReply>),
    /// The same on another server.
    Elsewhere(Message),
}

impl Engine {
    /// Stops a reply, if it has not ended, and returns it as it then is; `None` if there is no such message. Waits
    /// for the end at most [`STOP_WAIT_MAX`].
    pub async fn stop(
        self: &Arc<Self>,
        chat: ChatId,
        id: MessageId,
        by: UserId,
    ) -> Result<Option<Message>, StoreError> {
        let request = StopRequest {
            at: self.clock.now(),
            by,
        };
        let noted = self.note_stop(chat, id, &request).await?;
        self.await_stop(noted, &request).await
    }

    /// Has a reply stop, wherever it is generated.
    async fn note_stop(
        self: &Arc<Self>,
        chat: ChatId,
        id: MessageId,
        request: &StopRequest,
    ) -> Result<Stopping, StoreError> {
        // A reply of this server is stopped before anybody is asked: the request is stored together with the end.
        if let Some(live) = self.live(id) {
            live.stop(Some(request.clone()));
            return Ok(Stopping::Here(live));
        }
        let Some(message) = self.store.request_stop(chat, id, request).await? else {
            return Ok(Stopping::Gone);
        };
        if !message.is_under_way() {
            return Ok(Stopping::Ended(message));
        }
        self.wake_owner(&message).await;
        Ok(Stopping::Elsewhere(message))
    }

    async fn await_stop(
        self: &Arc<Self>,
        stopping: Stopping,
        request: &StopRequest,
    ) -> Result<Option<Message>, StoreError> {
        match stopping {
            Stopping::Gone => Ok(None),
            Stopping::Ended(message) => Ok(Some(message)),
            Stopping::Here(live) => match tokio::time::timeout(STOP_WAIT_MAX, live.ended()).await {
                Ok(ended) => Ok(ended.into_message()),
                // Stored before the caller is told so: should this server die now, the reply ends as stopped all the same.
                Err(_) => {
                    let noted = self.store.request_stop(live.chat(), live.id(), request).await?;
                    Ok(noted.map(|message| match message.is_under_way() {
                        true => Message {
                            text: live.text(),
                            ..message
                        },
                        false => message,
                    }))
                }
            },
            Stopping::Elsewhere(message) => {
                let mirror = self.mirror(message.clone());
                match tokio::time::timeout(STOP_WAIT_MAX, mirror.ended()).await {
                    Ok(ended) => Ok(ended.into_message()),
                    Err(_) if !self.answers.may_judge() => Ok(Some(message)),
                    // Its server may have died: then it is closed here.
                    Err(_) => {
                        let id = message.id;
                        self.close_all(Claim::Lapsed, vec![message]).await?;
                        Ok(self.store.messages(&[id]).await?.pop())
                    }
                }
            }
        }
    }

    /// [`Engine::stop`] for every reply of a chat that is under way, on any server: those messages as they then are.
    pub async fn stop_all(self: &Arc<Self>, chat: ChatId, by: UserId) -> Result<Vec<Message>, StoreError> {
        let active = self.active_replies(chat).await?;
        self.stop_each(chat, &active, by).await
    }

    /// [`Engine::stop`] for replies of one chat, the oldest of them first in `replies`.
    async fn stop_each(
        self: &Arc<Self>,
        chat: ChatId,
        replies: &[Message],
        by: UserId,
    ) -> Result<Vec<Message>, StoreError> {
        let request = StopRequest {
            at: self.clock.now(),
            by,
        };
        let mut stopping = Vec::new();
        // One after the other, from the end of the queue: one that waits must not have its turn when the one before it
        // stops.
        for reply in replies.iter().rev() {
            stopping.push(self.note_stop(chat, reply.id, &request).await?);
        }
        let stops = stopping
            .into_iter()
            .map(|stopping| self.await_stop(stopping, &request));
        let stopped: Result<Vec<_>, _> = join_all(stops).await.into_iter().collect();
        Ok(stopped?.into_iter().flatten().collect())
    }

    /// Stops what was asked for in a chat before a reply that has begun. If the store does not let it, this goes on after
    /// the caller was answered with an error.
    pub(super) async fn stop_earlier(
        self: &Arc<Self>,
        reply: &Message,
        by: UserId,
    ) -> Result<(), StoreError> {
        let (engine, reply) = (self.clone(), reply.clone());
        let stopping = async move {
            let (wait_min, wait_max) = WAITS;
            let mut waits = Waits::between(wait_min, wait_max);
            let deadline = Instant::now() + EARLIER_TRIED_FOR;
            while let Err(error) = engine.try_to_stop_earlier(&reply, &by).await {
                log_unstopped(&reply, &error);
                if Instant::now() >= deadline
                    || engine.shutdown.run_until_cancelled(waits.wait()).await.is_none()
                {
                    return Err(error);
                }
            }
            Ok(())
        };
        let stopping = self.tasks.spawn(stopping.in_current_span());
        match tokio::time::timeout(EARLIER_AWAITED_FOR, stopping).await {
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

    /// Has the server that generates a reply look at what is stored of it.
    pub(super) async fn wake_owner(&self, message: &Message) {
        if let (Some(fleet), Some(reply)) = (self.feed.fleet(), &message.reply) {
            fleet.wake(&reply.owner, message.id).await;
        }
    }
}

fn log_unstopped(reply: &Message, error: &StoreError) {
    let error = error as &dyn std::error::Error;
    tracing::warn!(message.id = %reply.id, error, "earlier replies could not be stopped yet");
}
