//! Batched reads: what many fields of one request ask for goes to the store in one round trip. Messages are shared between
//! the loader and the fields: it makes a copy of every value for each field that asked.

use std::collections::HashMap;
use std::convert::identity;
use std::hash::Hash;
use std::sync::Arc;

use async_graphql::dataloader;

use super::Error;
use crate::domain::{Chat, ChatId, Message, MessageFilter, MessageId, Page, PageRequest, Viewer};
use crate::service::Service;

/// Reads for one viewer.
pub struct Loader {
    pub(super) service: Arc<Service>,
    pub(super) viewer: Viewer,
}

/// The last message of a chat.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LastMessageOf(pub ChatId);

/// How many messages a chat has.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MessageCountOf(pub ChatId);

/// How many tokens a chat's messages have.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TokenCountOf(pub ChatId);

/// The reply under way in a chat.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ActiveReplyOf(pub ChatId);

/// How many are connected to a chat.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ConnectionCountOf(pub ChatId);

/// A page of a chat's messages.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MessagePageOf {
    /// The chat.
    pub chat: ChatId,
    /// Which of its messages.
    pub filter: MessageFilter,
    /// Which part of them.
    pub request: PageRequest,
}

impl dataloader::Loader<ChatId> for Loader {
    type Value = Chat;
    type Error = Error;

    async fn load(&self, ids: &[ChatId]) -> Result<HashMap<ChatId, Chat>, Error> {
        Ok(self.service.chats_by_id(&self.viewer, ids).await?)
    }
}

impl dataloader::Loader<MessageId> for Loader {
    type Value = Arc<Message>;
    type Error = Error;

    async fn load(&self, ids: &[MessageId]) -> Result<HashMap<MessageId, Arc<Message>>, Error> {
        let messages = self.service.messages_by_id(&self.viewer, ids).await?;
        Ok(messages
            .into_iter()
            .map(|(id, message)| (id, Arc::new(message)))
            .collect())
    }
}

macro_rules! per_chat {
    ($key:ident => $value:ty, $read:ident, $shared:expr) => {
        impl dataloader::Loader<$key> for Loader {
            type Value = $value;
            type Error = Error;

            async fn load(&self, keys: &[$key]) -> Result<HashMap<$key, $value>, Error> {
                let chats: Vec<_> = keys.iter().map(|key| key.0).collect();
                Ok(keyed(self.service.$read(&chats).await?, $key, $shared))
            }
        }
    };
}

per_chat!(LastMessageOf => Arc<Message>, last_messages, Arc::new);
per_chat!(MessageCountOf => u64, message_counts, identity);
per_chat!(TokenCountOf => i64, token_counts, identity);
per_chat!(ActiveReplyOf => Arc<Message>, oldest_active_replies, Arc::new);

impl dataloader::Loader<ConnectionCountOf> for Loader {
    type Value = usize;
    type Error = Error;

    async fn load(&self, keys: &[ConnectionCountOf]) -> Result<HashMap<ConnectionCountOf, usize>, Error> {
        let chats: Vec<_> = keys.iter().map(|key| key.0.to_string()).collect();
        let counts = self.service.connection_counts(&chats).await;
        Ok(keys.iter().cloned().zip(counts).collect())
    }
}

impl dataloader::Loader<MessagePageOf> for Loader {
    type Value = Page<Arc<Message>>;
    type Error = Error;

    async fn load(&self, keys: &[MessagePageOf]) -> Result<HashMap<MessagePageOf, Self::Value>, Error> {
        // One field of a document asks every chat for the same part; aliases may ask for several.
        let mut chats_by_part: HashMap<_, Vec<ChatId>> = HashMap::new();
        for key in keys {
            chats_by_part
                .entry((&key.filter, key.request))
                .or_default()
                .push(key.chat);
        }
        let mut pages = HashMap::with_capacity(keys.len());
        for ((filter, request), chats) in chats_by_part {
            let read = self.service.message_pages(&chats, filter, &request).await?;
            let key = |chat| MessagePageOf {
                chat,
                filter: filter.clone(),
                request,
            };
            pages.extend(keyed(read, key, |page| page.map(Arc::new)));
        }
        Ok(pages)
    }
}

fn keyed<K: Eq + Hash, V, S>(
    values: HashMap<ChatId, V>,
    key: impl Fn(ChatId) -> K,
    shared: impl Fn(V) -> S,
) -> HashMap<K, S> {
    values
        .into_iter()
        .map(|(chat, value)| (key(chat), shared(value)))
        .collect()
}
