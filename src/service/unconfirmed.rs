//! Changes of which the store did not say whether they happened. It is looked what became of them, so that followers are
//! told also of those.

use std::time::Duration;

use futures_util::FutureExt;
use tracing::Instrument;

use super::{Error, Service};
use crate::domain::{ChatEvent, ChatId, MessageId, Timestamp};
use crate::engine::look_for;
use crate::store::StoreError;

/// How long a change is looked for once the store answers that it has not happened.
const SETTLED_AFTER: Duration = Duration::from_secs(10);

/// The most events that one change comes to.
const EVENTS_MAX: usize = 5;

/// What may have happened.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unconfirmed {
    /// A message was written.
    Added(ChatId, MessageId),
    /// A message was changed, at this moment.
    Updated(ChatId, MessageId, Timestamp),
    /// A message was deleted.
    Deleted(ChatId, MessageId),
    /// A chat was changed, at this moment.
    ChatUpdated(ChatId, Timestamp),
    /// A chat was deleted.
    ChatDeleted(ChatId),
}

impl Unconfirmed {
    /// Whether nothing more can come of it once it was seen. What somebody else made of the same message looks like an
    /// update, which may yet be carried out behind it.
    fn happens_once(self) -> bool {
        !matches!(self, Self::Updated(..) | Self::ChatUpdated(..))
    }
}

impl Service {
    /// What the store made of a change. If it does not say, followers are told later, should it have happened.
    pub(super) fn confirmed<T>(&self, made: Result<T, StoreError>, change: Unconfirmed) -> Result<T, Error> {
        if let Err(StoreError::Unavailable(_)) = &made {
            let service = self.clone();
            // Not among the changes that a shutdown waits for: it would wait for the store.
            tokio::spawn(async move { service.find_out(change).await }.in_current_span());
        }
        made.map_err(Error::from)
    }

    async fn find_out(&self, change: Unconfirmed) {
        let mut told = None;
        for _ in 0..EVENTS_MAX {
            let is_new = |seen: &Option<(ChatId, ChatEvent)>| seen.is_some() && *seen != told;
            let look = || self.event_of(change).boxed();
            match look_for(SETTLED_AFTER, is_new, look).await {
                Ok(Some(seen)) if is_new(&seen) => told = seen,
                Ok(_) => return,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    return tracing::warn!(error, "what became of a change is not known");
                }
            }
            if let Some((chat, event)) = told.clone() {
                self.feed.publish(chat, event).await;
            }
            if change.happens_once() {
                return;
            }
        }
    }

    /// What followers are to be told of a change, if it has happened.
    async fn event_of(&self, change: Unconfirmed) -> Result<Option<(ChatId, ChatEvent)>, StoreError> {
        let message = async |id| Ok::<_, StoreError>(self.store.messages(&[id]).await?.pop());
        Ok(match change {
            Unconfirmed::Added(chat, id) => {
                let message = message(id).await?;
                message.map(|message| (chat, ChatEvent::message_added(&message)))
            }
            Unconfirmed::Updated(chat, id, at) => {
                let message = message(id).await?.filter(|message| message.updated_at >= at);
                message.map(|message| (chat, ChatEvent::message_updated(&message)))
            }
            Unconfirmed::Deleted(chat, id) => {
                let is_gone = message(id).await?.is_none();
                is_gone.then_some((chat, ChatEvent::MessageDeleted(id)))
            }
            Unconfirmed::ChatUpdated(id, at) => {
                let chat = self.store.chats(&[id]).await?.pop();
                let chat = chat.filter(|chat| chat.updated_at >= at);
                chat.map(|chat| (id, ChatEvent::chat_updated(&chat)))
            }
            Unconfirmed::ChatDeleted(id) => {
                let is_gone = self.store.chats(&[id]).await?.is_empty();
                is_gone.then_some((id, ChatEvent::ChatDeleted))
            }
        })
    }
}
