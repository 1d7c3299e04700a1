//! Changes that the store did not confirm. A task looks whether they happened, and publishes those that did.

use std::time::Duration;

use futures_util::FutureExt;
use tracing::Instrument;

use super::{Error, Service};
use crate::domain::{ChatChange, ChatEvent, ChatId, MessageChange, MessageId};
use crate::engine::look_for;
use crate::store::StoreError;
use crate::telemetry::causes::causes;

/// How long to look for a change once the store answers and does not have it.
const SETTLED_AFTER: Duration = Duration::from_secs(10);

/// A change that may have happened. An update is recognised by its content and not by its date: another change may have
/// come in between, and clocks of servers differ.
#[derive(Clone, Debug)]
pub(super) enum Unconfirmed {
    /// A message was written.
    Added(ChatId, MessageId),
    /// A message was changed.
    Updated(ChatId, MessageId, MessageChange),
    /// A message was deleted.
    Deleted(ChatId, MessageId),
    /// A chat was changed.
    ChatUpdated(ChatId, ChatChange),
    /// A chat was deleted.
    ChatDeleted(ChatId),
}

impl Service {
    /// The store's result of a change. If the store did not confirm it, a task publishes the change later if it
    /// happened.
    pub(super) fn confirmed<T>(&self, made: Result<T, StoreError>, change: Unconfirmed) -> Result<T, Error> {
        if let Err(StoreError::Unavailable(_)) = &made {
            let service = self.clone();
            // Not among the changes that a shutdown waits for, which would then wait for the store.
            self.unconfirmed
                .spawn(async move { service.find_out(change).await }.in_current_span());
        }
        made.map_err(Error::from)
    }

    async fn find_out(&self, change: Unconfirmed) {
        let look = || self.event_of(&change).boxed();
        match look_for(SETTLED_AFTER, Option::is_some, look).await {
            Ok(Some(Some((chat, event)))) => self.engine.publish(chat, event).await,
            Ok(Some(None) | None) => {}
            Err(error) => {
                tracing::warn!(error = %causes(&error), "what became of a change is not known");
            }
        }
    }

    /// The event of a change, if it has happened.
    async fn event_of(&self, change: &Unconfirmed) -> Result<Option<(ChatId, ChatEvent)>, StoreError> {
        let message = async |id| Ok::<_, StoreError>(self.store.messages(&[id]).await?.pop());
        Ok(match *change {
            Unconfirmed::Added(chat, id) => {
                let message = message(id).await?;
                message.map(|message| (chat, ChatEvent::message_added(&message)))
            }
            Unconfirmed::Updated(chat, id, ref change) => {
                let message = message(id).await?.filter(|message| change.is_in(message));
                message.map(|message| (chat, ChatEvent::message_updated(&message)))
            }
            Unconfirmed::Deleted(chat, id) => {
                let is_gone = message(id).await?.is_none();
                is_gone.then_some((chat, ChatEvent::MessageDeleted(id)))
            }
            Unconfirmed::ChatUpdated(id, ref change) => {
                let chat = self.store.chats(&[id]).await?.pop();
                let chat = chat.filter(|chat| change.is_in(chat));
                chat.map(|chat| (id, ChatEvent::chat_updated(&chat)))
            }
            Unconfirmed::ChatDeleted(id) => {
                let is_gone = self.store.chats(&[id]).await?.is_empty();
                is_gone.then_some((id, ChatEvent::ChatDeleted))
            }
        })
    }
}
