//! Changes of which the store did not say whether they happened. It is looked what became of them, so that followers are
//! told also of those.

use std::time::Duration;

use tracing::Instrument;

use super::{Error, Service};
use crate::domain::{ChatEvent, ChatId, MessageId, Timestamp};
use crate::engine::Looks;
use crate::store::StoreError;

/// How long it is looked on where the store answers and nothing has happened: what was sent to it is carried out by then.
const LOOKED_ON_FOR: Duration = Duration::from_secs(10);

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
        let mut looks = Looks::that_go_on_for(LOOKED_ON_FOR);
        while looks.next().await {
            match self.event_of(change).await {
                Ok(Some((chat, event))) => return self.feed.publish(chat, event).await,
                Ok(None) => looks.saw_nothing(),
                Err(StoreError::Unavailable(_)) => {}
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    return tracing::warn!(error, "what became of a change is not known");
                }
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
