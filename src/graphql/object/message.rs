//! The type `Message`.

use std::sync::Arc;

use async_graphql::{Context, Description, Enum, ID, InputObject, Object, Value};

use super::Chat;
use super::at_hand::{AtHand, AtOnce, plain};
use super::reply::Reply;
use crate::domain;
use crate::graphql::Error;
use crate::graphql::context;
use crate::graphql::scalar::DateTime;
use crate::service::{self, Subject};

/// Who wrote a message.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "domain::Author")]
pub enum Author {
    /// A person.
    User,
    /// The bot.
    Bot,
}

/// One contribution to a chat.
#[derive(Description)]
pub struct Message(Arc<domain::Message>);

impl From<domain::Message> for Message {
    fn from(message: domain::Message) -> Self {
        Self(Arc::new(message))
    }
}

impl From<Arc<domain::Message>> for Message {
    fn from(message: Arc<domain::Message>) -> Self {
        Self(message)
    }
}

#[Object(use_type_description)]
impl Message {
    /// Names the message, and the reply that a bot's message grows from: 24 hexadecimal digits.
    pub async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// The chat it belongs to.
    async fn chat(&self, context: &Context<'_>) -> Result<Chat, Error> {
        let chat = context::of(context).loader.load_one(self.0.chat_id).await?;
        Ok(Chat(chat.ok_or(service::Error::NotFound(Subject::Chat))?))
    }

    /// Who wrote it.
    async fn author(&self) -> Author {
        self.0.author.into()
    }

    /// What it says. Of a reply that is under way, what its last checkpoint stored: watch it with the subscription
    /// `reply`.
    async fn text(&self) -> &str {
        &self.0.text
    }

    /// What sort of content it is, usually `text`.
    #[graphql(name = "type")]
    async fn kind(&self) -> &str {
        &self.0.kind
    }

    /// The one reaction to it, usually an emoji.
    async fn reaction(&self) -> Option<&str> {
        self.0.reaction.as_deref()
    }

    /// How many tokens it has, where they were counted.
    async fn token_count(&self) -> Option<i64> {
        self.0.token_count.map(|count| count.tokens)
    }

    /// Whether `tokenCount` is an estimate, rather than the figure of the bot's service or of the client that stored
    /// the message.
    async fn is_token_count_estimated(&self) -> bool {
        self.0.token_count.is_some_and(|count| count.is_estimated)
    }

    /// Whether its text was changed after it was written.
    async fn is_edited(&self) -> bool {
        self.0.is_edited
    }

    /// When it was written.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }

    /// The name that its sender gave it, so that sending it again would not store it twice.
    async fn client_key(&self) -> Option<&str> {
        self.0.client_key.as_ref().map(domain::ClientKey::as_str)
    }

    /// Of a bot's message: how it came about. Null on a user's message.
    async fn reply(&self) -> Option<AtOnce<Reply<'_>>> {
        (self.0.author == domain::Author::Bot).then_some(AtOnce(Reply(&self.0)))
    }
}

impl AtHand for Message {
    fn at_hand(&self, field: &Context<'_>) -> Option<Value> {
        let names = [
            "id",
            "author",
            "text",
            "type",
            "reaction",
            "tokenCount",
            "isTokenCountEstimated",
            "isEdited",
            "createdAt",
            "updatedAt",
            "clientKey",
            "reply",
        ];
        plain(self, field, &names)
    }
}

/// Which messages to list.
#[derive(InputObject, Default)]
pub struct MessageFilter {
    /// Only messages of this author.
    author: Option<Author>,
    /// Only messages of exactly this type.
    #[graphql(name = "type")]
    kind: Option<String>,
}

impl From<MessageFilter> for domain::MessageFilter {
    fn from(filter: MessageFilter) -> Self {
        Self {
            author: filter.author.map(Into::into),
            kind: filter.kind,
        }
    }
}
