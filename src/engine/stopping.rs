//! Stopping replies, on any server.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Engine, LiveReply, Waits};
use crate::domain::{ChatId, Message, MessageId, StopRequest, UserId};
use crate::store::{Claim, StoreError};
use crate::telemetry::causes::causes;

/// How long a stop waits for the reply to end before it answers with the reply as it is.
pub const STOP_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long an interruption is tried, if the store does not answer.
const INTERRUPTION_TRIED_FOR: Duration = Duration::from_secs(30);

/// How far a stop request got.
enum Stopping {
    /// There is no such message.
    Gone,
    /// It has ended.
    Ended(Message),
    /// It is generated on this server, and will end soon.
    Here(Arc<LiveReply>),
    /// It is generated on another server, and the request is stored.
    Elsewhere(Message),
}

/// Makes a reply stop the earlier ones of its chat.
#[derive(Debug)]
pub(super) struct Interruption {
    /// The user in whose name it stops them.
    pub by: UserId,
    /// Cancelled once they were asked to stop.
    pub is_done: CancellationToken,
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

    /// Requests a stop: from the reply itself if it is generated here, or else through the store.
    async fn note_stop(
        self: &Arc<Self>,
        chat: ChatId,
        id: MessageId,
        request: &StopRequest,
    ) -> Result<Stopping, StoreError> {
        // A reply of this server stops at once, without a call to the store: the request is stored together with the
        // end.
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
                // Stored before the caller is answered: if this server dies now, the reply still ends as stopped.
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
                    Err(_) if !self.lease_judge.may_judge() => Ok(Some(message)),
                    // Its server may have died: if its lease has expired, it is closed here.
                    Err(_) => {
                        let id = message.id;
                        self.close_all(Claim::Lapsed, vec![message]).await?;
                        Ok(self.store.messages(&[id]).await?.pop())
                    }
                }
            }
        }
    }

    /// [`Engine::stop`] for every active reply of a chat, on any server. Returns the messages as they then are.
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
        // One after the other, from the end of the queue: a queued reply must not get its turn when the one before it
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

    /// Stops what was asked for in a chat before this reply, whatever becomes of the reply. While the store does not let
    /// it, this is tried again.
    pub(super) async fn interrupt(self: Arc<Self>, reply: Message, interruption: Interruption) {
        let mut waits = Waits::for_store();
        let deadline = Instant::now() + INTERRUPTION_TRIED_FOR;
        while let Err(error) = self.stop_earlier(&reply, &interruption.by).await {
            tracing::warn!(message.id = %reply.id, error = %causes(&error), "earlier replies could not be stopped yet");
            let is_over = Instant::now() >= deadline;
            if is_over || self.shutdown.run_until_cancelled(waits.wait()).await.is_none() {
                return;
            }
        }
        interruption.is_done.cancel();
    }

    async fn stop_earlier(self: &Arc<Self>, reply: &Message, by: &UserId) -> Result<(), StoreError> {
        let mut earlier = self.active_replies(reply.chat_id).await?;
        earlier.retain(|other| other.position() < reply.position());
        let stopped = self.stop_each(reply.chat_id, &earlier, by.clone());
        stopped.await.map(drop)
    }

    /// Has the server that generates a reply read its stop request from the store.
    pub(super) async fn wake_owner(&self, message: &Message) {
        if let (Some(fleet), Some(reply)) = (self.feed.fleet(), &message.reply) {
            fleet.wake(&reply.owner, message.id).await;
        }
    }
}
