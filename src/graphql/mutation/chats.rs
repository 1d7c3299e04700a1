//! Mutations of chats.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use crate::domain::{ChatChange, ChatId, DocumentId};
use crate::graphql::Error;
use crate::graphql::context;
use crate::graphql::object::Chat;
use crate::graphql::scalar::{ChatStatus, UserId};
use crate::service::NewChat;

/// What can be changed of chats.
#[derive(Default)]
pub struct ChatMutation;

macro_rules! chat_payload {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[derive(SimpleObject)]
        pub struct $name {
            /// The chat as it now is.
            chat: Chat,
        }
    )*};
}

chat_payload!(
    /// What `createChat` made.
    CreateChatPayload,
    /// What `updateChat` changed.
    UpdateChatPayload
);

/// What `deleteChat` deleted.
#[derive(SimpleObject)]
pub struct DeleteChatPayload {
    /// The id of the chat that is gone.
    deleted_chat_id: ID,
}

/// A chat to make.
#[derive(InputObject)]
pub struct CreateChatInput {
    /// Whose chat it is to be; your own if not given.
    user_id: Option<UserId>,
    /// The document it is about.
    document_id: Option<ID>,
    /// What lists show: 1 to 200 characters, not only blanks.
    title: String,
    /// `active` if not given.
    status: Option<ChatStatus>,
}

/// What to change of a chat. What is not given stays.
#[derive(InputObject)]
pub struct UpdateChatInput {
    /// The chat.
    id: ID,
    /// The new title: 1 to 200 characters, not only blanks.
    title: Option<String>,
    /// The new status.
    status: Option<ChatStatus>,
}

/// A chat to delete.
#[derive(InputObject)]
pub struct DeleteChatInput {
    /// The chat.
    id: ID,
}

#[Object]
impl ChatMutation {
    /// Makes a chat.
    async fn create_chat(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What the chat is to be.")] input: CreateChatInput,
    ) -> Result<CreateChatPayload, Error> {
        let context = context::of(context);
        let new = NewChat {
            user_id: input.user_id.map(|id| id.0),
            document_id: input.document_id.map(|id| DocumentId::parse(&id)).transpose()?,
            title: input.title,
            status: input.status.map(|status| status.0),
        };
        Ok(CreateChatPayload {
            chat: Chat(context.service.create_chat(&context.viewer, new).await?),
        })
    }

    /// Changes a chat's title or status.
    async fn update_chat(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which chat, and what to change of it.")] input: UpdateChatInput,
    ) -> Result<UpdateChatPayload, Error> {
        let context = context::of(context);
        let change = ChatChange {
            title: input.title,
            status: input.status.map(|status| status.0),
        };
        let id = ChatId::parse(&input.id)?;
        Ok(UpdateChatPayload {
            chat: Chat(context.service.update_chat(&context.viewer, id, &change).await?),
        })
    }

    /// Deletes a chat with all its messages.
    async fn delete_chat(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which chat.")] input: DeleteChatInput,
    ) -> Result<DeleteChatPayload, Error> {
        let context = context::of(context);
        let id = ChatId::parse(&input.id)?;
        context.service.delete_chat(&context.viewer, id).await?;
        Ok(DeleteChatPayload {
            deleted_chat_id: ID(id.to_string()),
        })
    }
}
