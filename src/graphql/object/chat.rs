//! The type `Chat`.

use async_graphql::connection::Connection;
use async_graphql::{Context, Description, ID, InputObject, Object};

use super::{AtOnce, Message, message_connection};
use crate::domain;
use crate::graphql::Error;
use crate::graphql::context;
use crate::graphql::loader::{
    ActiveReplyOf, ConnectionCountOf, LastMessageOf, MessageCountOf, MessagePageOf, TokenCountOf,
};
use crate::graphql::object::message::MessageFilter;
use crate::graphql::scalar::{ChatStatus, DateTime, UserId};
use crate::service::PageArguments;

/// A conversation between one user and the bot.
#[derive(Description)]
pub struct Chat(pub domain::Chat);

#[Object(use_type_description)]
impl Chat {
    /// Names the chat, as in the REST API: 24 hexadecimal digits.
    pub async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// Whose chat it is; nobody else sees it.
    async fn user_id(&self) -> UserId {
        UserId(self.0.user_id.clone())
    }

    /// The document that the chat is about, in whatever system keeps documents.
    async fn document_id(&self) -> Option<ID> {
        self.0.document_id.map(|id| ID(id.to_string()))
    }

    /// What lists show.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// What the chat is for its owner.
    async fn status(&self) -> ChatStatus {
        ChatStatus(self.0.status.clone())
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it was last changed or written in.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }

    /// The chat's messages, oldest first. For the latest ones ask for `last`.
    #[graphql(complexity = "page_size(first, last, 50) * child_complexity + 1")]
    async fn messages(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "At most this many from the beginning, 1 to 100; 50 if neither is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only messages after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only messages before this cursor.")] before: Option<String>,
        #[graphql(desc = "Which messages.")] filter: Option<MessageFilter>,
    ) -> Result<Connection<String, AtOnce<Message>>, Error> {
        let context = context::of(context);
        let arguments = PageArguments {
            first,
            after,
            last,
            before,
        };
        let request = context.service.message_page_request(&arguments)?;
        let filter = filter.unwrap_or_default().into();
        let key = MessagePageOf {
            chat: self.0.id,
            filter,
            request,
        };
        let page = context
            .loader
            .load_one(key)
            .await?
            .unwrap_or(domain::Page::empty());
        Ok(message_connection(page, &request))
    }

    /// The latest message, by anybody.
    async fn last_message(&self, context: &Context<'_>) -> Option<Result<AtOnce<Message>, Error>> {
        context::of(context)
            .loader
            .load_one(LastMessageOf(self.0.id))
            .await
            .transpose()
            .map(|it| it.map(|message| AtOnce(message.into())))
    }

    /// How many messages the chat has.
    async fn message_count(&self, context: &Context<'_>) -> Result<u64, Error> {
        Ok(context::of(context)
            .loader
            .load_one(MessageCountOf(self.0.id))
            .await?
            .unwrap_or(0))
    }

    /// How many tokens the chat's messages have, as far as they were counted.
    async fn token_count(&self, context: &Context<'_>) -> Result<i64, Error> {
        Ok(context::of(context)
            .loader
            .load_one(TokenCountOf(self.0.id))
            .await?
            .unwrap_or(0))
    }

    /// The bot's reply that is under way, if any; the oldest of several.
    async fn active_reply(&self, context: &Context<'_>) -> Option<Result<Message, Error>> {
        context::of(context)
            .loader
            .load_one(ActiveReplyOf(self.0.id))
            .await
            .transpose()
            .map(|it| it.map(Message::from))
    }

    /// How many are connected to the chat now, on all servers: documented sockets, and subscriptions to it. Those of other
    /// servers are counted a moment late.
    async fn connection_count(&self, context: &Context<'_>) -> Result<usize, Error> {
        Ok(context::of(context)
            .loader
            .load_one(ConnectionCountOf(self.0.id))
            .await?
            .unwrap_or(0))
    }
}

/// What a connection may hold, for the sum that bounds a document.
pub(in crate::graphql) fn page_size(first: Option<i32>, last: Option<i32>, default: usize) -> usize {
    first
        .or(last)
        .map_or(default, |size| usize::try_from(size).unwrap_or(0))
}

/// Which chats to list.
#[derive(InputObject, Default)]
pub struct ChatFilter {
    /// Only chats of exactly this status.
    status: Option<ChatStatus>,
    /// Only chats about this document.
    document_id: Option<ID>,
}

impl TryFrom<ChatFilter> for domain::ChatFilter {
    type Error = Error;

    fn try_from(filter: ChatFilter) -> Result<Self, Error> {
        let document_id = filter
            .document_id
            .map(|id| domain::DocumentId::parse(&id))
            .transpose()?;
        Ok(Self {
            status: filter.status.map(|status| status.0),
            document_id,
        })
    }
}
