//! Mutations of messages, and of reactions to them.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use crate::domain::{self, ChatId, MessageId};
use crate::graphql::Error;
use crate::graphql::context;
use crate::graphql::object::{Author, Chat, Message};
use crate::service::NewMessage;

/// What can be changed of messages.
#[derive(Default)]
pub struct MessageMutation;

macro_rules! message_payload {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[derive(SimpleObject)]
        pub struct $name {
            /// The message as it now is.
            message: Message,
        }
    )*};
}

message_payload!(
    /// What `createMessage` made.
    CreateMessagePayload,
    /// What `updateMessage` changed.
    UpdateMessagePayload,
    /// What `addReaction` changed.
    AddReactionPayload,
    /// What `removeReaction` changed.
    RemoveReactionPayload
);

/// What `deleteMessage` deleted.
#[derive(SimpleObject)]
pub struct DeleteMessagePayload {
    /// The id of the message that is gone.
    deleted_message_id: ID,
    /// The chat that it was in.
    chat: Chat,
}

/// A message to store without asking for a reply.
#[derive(InputObject)]
pub struct CreateMessageInput {
    /// The chat to write in.
    chat_id: ID,
    /// What it says: 1 byte to 32 KiB of UTF-8, not only blanks.
    text: String,
    /// Who wrote it; a user if not given.
    author: Option<Author>,
    /// What sort of content it is; `text` if not given.
    #[graphql(name = "type")]
    kind: Option<String>,
    /// How many tokens it has, where known.
    token_count: Option<i64>,
    /// Your name for this message, unique in its chat (a UUID, say): sending it again stores nothing twice.
    client_key: Option<String>,
}

/// A message's new text.
#[derive(InputObject)]
pub struct UpdateMessageInput {
    /// The message.
    id: ID,
    /// What it shall say: 1 byte to 32 KiB of UTF-8, not only blanks.
    text: String,
}

/// A message to delete.
#[derive(InputObject)]
pub struct DeleteMessageInput {
    /// The message.
    id: ID,
}

/// A reaction to a message.
#[derive(InputObject)]
pub struct AddReactionInput {
    /// The message.
    message_id: ID,
    /// Usually an emoji; 1 to 64 characters. It takes the place of an earlier one.
    reaction: String,
}

/// A message to take the reaction from.
#[derive(InputObject)]
pub struct RemoveReactionInput {
    /// The message.
    message_id: ID,
}

#[Object]
impl MessageMutation {
    /// Stores a message and asks for no reply.
    async fn create_message(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What to store.")] input: CreateMessageInput,
    ) -> Result<CreateMessagePayload, Error> {
        let context = context::of(context);
        let new = NewMessage {
            chat_id: ChatId::parse(&input.chat_id)?,
            author: input.author.map_or(domain::Author::User, Into::into),
            text: input.text,
            kind: input.kind,
            token_count: input.token_count,
            reaction: None,
            is_edited: false,
            client_key: input.client_key,
        };
        Ok(CreateMessagePayload {
            message: context.service.create_message(&context.viewer, new).await?.into(),
        })
    }

    /// Changes a message's text, which marks it as edited.
    async fn update_message(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which message, and what to change of it.")] input: UpdateMessageInput,
    ) -> Result<UpdateMessagePayload, Error> {
        let context = context::of(context);
        let id = MessageId::parse(&input.id)?;
        let message = context
            .service
            .update_message(&context.viewer, id, input.text)
            .await?;
        Ok(UpdateMessagePayload {
            message: message.into(),
        })
    }

    /// Deletes a message.
    async fn delete_message(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which message.")] input: DeleteMessageInput,
    ) -> Result<DeleteMessagePayload, Error> {
        let context = context::of(context);
        let id = MessageId::parse(&input.id)?;
        let chat = context.service.delete_message(&context.viewer, id).await?;
        let chat = Chat(context.service.chat(&context.viewer, chat).await?);
        Ok(DeleteMessagePayload {
            deleted_message_id: ID(id.to_string()),
            chat,
        })
    }

    /// Gives a message its one reaction; the last one wins.
    async fn add_reaction(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which message, and the reaction.")] input: AddReactionInput,
    ) -> Result<AddReactionPayload, Error> {
        let context = context::of(context);
        let id = MessageId::parse(&input.message_id)?;
        let message = context
            .service
            .add_reaction(&context.viewer, id, input.reaction)
            .await?;
        Ok(AddReactionPayload {
            message: message.into(),
        })
    }

    /// Takes a message's reaction away, if it has one.
    async fn remove_reaction(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which message.")] input: RemoveReactionInput,
    ) -> Result<RemoveReactionPayload, Error> {
        let context = context::of(context);
        let id = MessageId::parse(&input.message_id)?;
        let message = context.service.remove_reaction(&context.viewer, id).await?;
        Ok(RemoveReactionPayload {
            message: message.into(),
        })
    }
}
