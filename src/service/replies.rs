//! Replies: followed and stopped.

use super::{Error, Service, Subject};
use crate::domain::{
    Author, ChatId, Message, MessageId, ReplyCursor, ReplyState, Timestamp, TokenCount, UserId, Viewer,
};
use crate::engine::{ReplyReader, ReplyUpdate};
use crate::telemetry::{self, Counted};

/// A reply after a stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The reply when the call returned.
    pub message: Message,
    /// Who stopped it, at which offset, and at what cost.
    pub receipt: StopReceipt,
}

/// A subscription to a reply. Its memory is constant: an offset into the text.
pub struct ReplyFollower {
    reader: ReplyReader,
    _counted: Counted,
}

impl ReplyFollower {
    /// The next update, or `None` after the end. Cancel-safe.
    pub async fn next(&mut self) -> Option<ReplyUpdate> {
        self.reader.next().await
    }
}

/// Whether a stop did anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopOutcome {
    /// The reply was stopped, by this request or an earlier one.
    Stopped,
    /// The request is stored; the server that generates the reply has not ended it yet.
    Stopping,
    /// The reply had ended otherwise before.
    EndedBefore,
}

/// Proof of a stop: the same for every caller and every repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopReceipt {
    /// What the stop did.
    pub outcome: StopOutcome,
    /// The user of the first stop request.
    pub requested_by: Option<UserId>,
    /// When the first stop request arrived.
    pub requested_at: Option<Timestamp>,
    /// The length of the text, in bytes of UTF-8.
    pub offset: usize,
    /// The tokens that the bot produced and that are billed; known when the reply has ended.
    pub tokens: Option<TokenCount>,
    /// The time from the stop request until the bot's stream was closed, in milliseconds. `None` if the bot was never
    /// called.
    pub upstream_closed_after_ms: Option<i64>,
}

impl StopReceipt {
    /// The receipt of a reply as it is stored; `None` if nobody asked it to stop.
    pub fn of(message: &Message) -> Option<Self> {
        let is_asked = message.reply.as_ref().is_some_and(|reply| reply.stop.is_some());
        is_asked.then(|| Self::for_whoever_asks(message))
    }

    fn for_whoever_asks(message: &Message) -> Self {
        let reply = message.reply.as_ref();
        let outcome = match reply.map(|reply| reply.state) {
            Some(ReplyState::Stopped) => StopOutcome::Stopped,
            Some(ReplyState::Streaming) => StopOutcome::Stopping,
            _ => StopOutcome::EndedBefore,
        };
        // A stop request that came too late is not part of the receipt.
        let stop = reply
            .and_then(|reply| reply.stop.as_ref())
            .filter(|_| outcome != StopOutcome::EndedBefore);
        let closed_at = reply.and_then(|reply| reply.upstream_closed_at);
        Self {
            outcome,
            requested_by: stop.map(|stop| stop.by.clone()),
            requested_at: stop.map(|stop| stop.at),
            offset: message.text.len(),
            tokens: reply.and_then(|reply| reply.usage).map(|usage| usage.completion),
            upstream_closed_after_ms: stop
                .zip(closed_at)
                .map(|(stop, closed)| (closed.millis() - stop.at.millis()).max(0)),
        }
    }
}

impl Service {
    /// Stops a reply, generating or queued. A reply that has ended stays as it is, and the receipt says so.
    pub async fn stop_reply(&self, viewer: &Viewer, id: MessageId) -> Result<Stopped, Error> {
        // For a reply that is generated here, the engine knows the chat's owner.
        let known = self.engine.user_of(id);
        let (chat, user) = match known.filter(|(_, user)| viewer.may_act_for(user)) {
            Some(known) => known,
            None => {
                let message = self.reply_message(viewer, id).await?;
                let chat = self.chat(viewer, message.chat_id).await?;
                (chat.id, chat.user_id)
            }
        };
        let (service, by) = (self.clone(), viewer.acting_user(&user));
        self.to_its_end(async move {
            let stopped = service.engine.stop(chat, id, by).await?;
            let message = stopped.ok_or(Error::NotFound(Subject::Message))?;
            Ok(Stopped {
                receipt: StopReceipt::for_whoever_asks(&message),
                message,
            })
        })
        .await
    }

    /// Stops every active reply of a chat, generating or queued, whoever requested it. Returns the messages of those
    /// that stopped.
    pub async fn stop_replies(&self, viewer: &Viewer, chat: ChatId) -> Result<Vec<Message>, Error> {
        let chat = self.chat(viewer, chat).await?;
        let (service, by) = (self.clone(), viewer.acting_user(&chat.user_id));
        self.to_its_end(async move {
            let stopped = service.engine.stop_all(chat.id, by).await?;
            let is_stopped = |message: &Message| {
                let outcome = StopReceipt::for_whoever_asks(message).outcome;
                outcome != StopOutcome::EndedBefore
            };
            Ok(stopped.into_iter().filter(is_stopped).collect())
        })
        .await
    }

    /// Follows a reply from a cursor; begins with a snapshot if there is no cursor or it does not fit.
    pub async fn follow_reply(
        &self,
        viewer: &Viewer,
        id: MessageId,
        after: Option<&str>,
    ) -> Result<ReplyFollower, Error> {
        let cursor = after
            .map(|after| ReplyCursor::decode(after).ok_or(Error::InvalidCursor))
            .transpose()?;
        self.reply_message(viewer, id).await?;
        let reader = self.engine.follow(id, cursor).await?;
        Ok(ReplyFollower {
            reader: reader.ok_or(Error::NotFound(Subject::Message))?,
            _counted: telemetry::streams::follows_reply(),
        })
    }

    /// The bot's message of that id, if the viewer may see it.
    pub(super) async fn reply_message(&self, viewer: &Viewer, id: MessageId) -> Result<Message, Error> {
        let message = self.message(viewer, id).await?;
        match message.author {
            Author::Bot => Ok(message),
            Author::User => Err(Error::NotAReply),
        }
    }
}
