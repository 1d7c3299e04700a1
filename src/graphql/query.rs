//! The queries.

use std::sync::Arc;

use async_graphql::connection::Connection;
use async_graphql::{Context, Description, ID, Object};

use super::Error;
use super::context;
use super::object::{
    AtOnce, Chat, ChatFilter, Message, Node, UsageReport, Viewer, chat_connection, message_connection,
    page_size,
};
use super::scalar::{DateTime, UserId};
use crate::domain::{ChatId, MessageId};
use crate::service::{PageArguments, UsagePeriod};

/// What can be read.
#[derive(Description)]
pub struct Query;

#[Object(use_type_description)]
impl Query {
    /// The object of that id, whatever it is; null if there is none that you may see.
    async fn node(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The id of a chat or a message.")] id: ID,
    ) -> Option<Result<Node, Error>> {
        find_node(context, &id).await.transpose()
    }

    /// Whom the server takes you for, and your limits.
    async fn viewer(&self, context: &Context<'_>) -> Viewer {
        let context = context::of(context);
        Viewer {
            viewer: context.viewer.clone(),
            limits: context.service.limits().clone(),
        }
    }

    /// A chat.
    async fn chat(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The id of the chat.")] id: ID,
    ) -> Option<Result<Chat, Error>> {
        let context = context::of(context);
        Some(match ChatId::parse(&id) {
            Ok(id) => context
                .service
                .chat(&context.viewer, id)
                .await
                .map(Chat)
                .map_err(Error::from),
            Err(error) => Err(error.into()),
        })
    }

    /// A user's chats, the latest written in first.
    #[graphql(complexity = "page_size(first, last, 20) * child_complexity + 1")]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection, a user and a filter"
    )]
    async fn chats(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whose chats; your own if not given.")] user_id: Option<UserId>,
        #[graphql(desc = "Which chats.")] filter: Option<ChatFilter>,
        #[graphql(desc = "At most this many from the beginning, 1 to 100; 20 if neither is given.")]
        first: Option<i32>,
        #[graphql(desc = "Only chats after this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only chats before this cursor.")] before: Option<String>,
    ) -> Result<Connection<String, Chat>, Error> {
        let context = context::of(context);
        let filter = filter.unwrap_or_default().try_into()?;
        let arguments = PageArguments {
            first,
            after,
            last,
            before,
        };
        let request = context.service.chat_page_request(&arguments)?;
        let user = user_id.map(|id| id.0);
        let page = context
            .service
            .chat_page(&context.viewer, user, &filter, &request)
            .await?;
        Ok(chat_connection(page, &request))
    }

    /// A message.
    async fn message(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The id of the message.")] id: ID,
    ) -> Option<Result<Message, Error>> {
        let context = context::of(context);
        Some(match MessageId::parse(&id) {
            Ok(id) => context
                .service
                .message(&context.viewer, id)
                .await
                .map(Message::from)
                .map_err(Error::from),
            Err(error) => Err(error.into()),
        })
    }

    /// The messages that hold every word of `query`, in any order and place, the newest first. Upper and lower case
    /// are the same.
    #[graphql(complexity = "page_size(first, None, 20) * child_complexity + 1")]
    async fn search_messages(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "1 to 16 words.")] query: String,
        #[graphql(desc = "In whose chats; in your own if neither a user nor a chat is given.")]
        user_id: Option<UserId>,
        #[graphql(desc = "In which chat.")] chat_id: Option<ID>,
        #[graphql(desc = "At most this many, 1 to 100; 20 if not given.")] first: Option<i32>,
        #[graphql(desc = "Only messages after this cursor.")] after: Option<String>,
    ) -> Result<Connection<String, AtOnce<Message>>, Error> {
        let context = context::of(context);
        let arguments = PageArguments {
            first,
            after,
            ..PageArguments::default()
        };
        let request = context.service.search_page_request(&arguments)?;
        let chat = chat_id.map(|id| ChatId::parse(&id)).transpose()?;
        let user = user_id.map(|id| id.0);
        let page = context
            .service
            .search_messages(&context.viewer, &query, user, chat, &request)
            .await?;
        Ok(message_connection(page.map(Arc::new), &request))
    }

    /// What a user's chats used: tokens by day and model, as reported or estimated.
    async fn usage(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Whose chats; your own if not given.")] user_id: Option<UserId>,
        #[graphql(desc = "From when; thirty days before `to` if not given.")] from: Option<DateTime>,
        #[graphql(desc = "Until before when, at most 366 days later; now if not given.")] to: Option<
            DateTime,
        >,
    ) -> Result<UsageReport, Error> {
        let context = context::of(context);
        let period = UsagePeriod {
            from: from.map(|time| time.0),
            to: to.map(|time| time.0),
        };
        let user = user_id.map(|id| id.0);
        let report = context.service.usage(&context.viewer, user, period).await?;
        Ok(UsageReport(report))
    }
}

async fn find_node(context: &Context<'_>, id: &ID) -> Result<Option<Node>, Error> {
    let loader = &context::of(context).loader;
    if let Some(chat) = loader.load_one(ChatId::parse(id)?).await? {
        return Ok(Some(Node::Chat(Chat(chat))));
    }
    let message = loader.load_one(MessageId::parse(id)?).await?;
    Ok(message.map(|message| Node::Message(message.into())))
}
