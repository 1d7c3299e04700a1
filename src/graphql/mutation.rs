//! The mutations: verb, then noun, each with an input and a payload of its own.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::Error;
use super::context;
use super::object::{Author, Chat, Message};
use super::scalar::{ChatStatus, UserId};
use crate::domain::{self, ChatChange, ChatId, DocumentId, LanguageTag, MessageId};
use crate::service::{NewChat, NewMessage, Prompt};

/// What can be changed.
pub struct Mutation;

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

chat_payload!(
    /// What `createChat` made.
    CreateChatPayload,
    /// What `updateChat` changed.
    UpdateChatPayload
);

message_payload!(
    /// What `createMessage` made.
    CreateMessagePayload,
    /// What `updateMessage` changed.
    UpdateMessagePayload,
    /// What `addReaction` changed.
    AddReactionPayload,
    /// What `removeReaction` changed.
    RemoveReactionPayload,
    /// What `stopReply` stopped.
    StopReplyPayload
);

/// What `deleteChat` deleted.
#[derive(SimpleObject)]
pub struct DeleteChatPayload {
    /// The id of the chat that is gone.
    deleted_chat_id: ID,
}

/// What `deleteMessage` deleted.
#[derive(SimpleObject)]
pub struct DeleteMessagePayload {
    /// The id of the message that is gone.
    deleted_message_id: ID,
    /// The chat that it was in.
    chat: Chat,
}

/// What `sendMessage` started.
#[derive(SimpleObject)]
pub struct SendMessagePayload {
    /// The user's message.
    message: Message,
    /// The bot's message, whose text arrives through the subscription `reply`.
    reply: Message,
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

/// A user's message that asks for a reply.
#[derive(InputObject)]
pub struct SendMessageInput {
    /// The chat to write in.
    chat_id: ID,
    /// What the user says: 1 byte to 32 KiB of UTF-8, not only blanks.
    text: String,
    /// Your name for this message, unique in its chat (a UUID, say): sending it again joins the same reply.
    client_key: Option<String>,
    /// The language to answer in where the text leaves it open, as a BCP 47 tag such as `hi`.
    language: Option<String>,
}

/// A reply to stop.
#[derive(InputObject)]
pub struct StopReplyInput {
    /// The bot's message.
    message_id: ID,
}

#[Object]
impl Mutation {
    /// Makes a chat.
    async fn create_chat(
        &self,
        context: &Context<'_>,
        input: CreateChatInput,
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
        input: UpdateChatInput,
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
        input: DeleteChatInput,
    ) -> Result<DeleteChatPayload, Error> {
        let context = context::of(context);
        let id = ChatId::parse(&input.id)?;
        context.service.delete_chat(&context.viewer, id).await?;
        Ok(DeleteChatPayload {
            deleted_chat_id: ID(id.to_string()),
        })
    }

    /// Stores a message and asks for no reply.
    async fn create_message(
        &self,
        context: &Context<'_>,
        input: CreateMessageInput,
    ) -> Result<CreateMessagePayload, Error> {
        let context = context::of(context);
        let new = NewMessage {
            chat_id: ChatId::parse(&input.chat_id)?,
            author: input.author.map_or(domain::Author::User, Into::into),
            text: input.text,
            kind: input.kind,
            token_count: input.token_count,
            client_key: input.client_key,
        };
        Ok(CreateMessagePayload {
            message: Message(context.service.create_message(&context.viewer, new).await?),
        })
    }

    /// Changes a message's text, which marks it as edited.
    async fn update_message(
        &self,
        context: &Context<'_>,
        input: UpdateMessageInput,
    ) -> Result<UpdateMessagePayload, Error> {
        let context = context::of(context);
        let id = MessageId::parse(&input.id)?;
        let message = context
            .service
            .update_message(&context.viewer, id, input.text)
            .await?;
        Ok(UpdateMessagePayload {
            message: Message(message),
        })
    }

    /// Deletes a message.
    async fn delete_message(
        &self,
        context: &Context<'_>,
        input: DeleteMessageInput,
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
        input: AddReactionInput,
    ) -> Result<AddReactionPayload, Error> {
        let context = context::of(context);
        let id = MessageId::parse(&input.message_id)?;
        let message = context
            .service
            .add_reaction(&context.viewer, id, input.reaction)
            .await?;
        Ok(AddReactionPayload {
            message: Message(message),
        })
    }

    /// Takes a message's reaction away, if it has one.
    async fn remove_reaction(
        &self,
        context: &Context<'_>,
        input: RemoveReactionInput,
    ) -> Result<RemoveReactionPayload, Error> {
        let context = context::of(context);
        let id = MessageId::parse(&input.message_id)?;
        let message = context.service.remove_reaction(&context.viewer, id).await?;
        Ok(RemoveReactionPayload {
            message: Message(message),
        })
    }

    /// Stores a user's message and starts the bot's reply. Watch it with the subscription `reply`.
    async fn send_message(
        &self,
        context: &Context<'_>,
        input: SendMessageInput,
    ) -> Result<SendMessagePayload, Error> {
        let context = context::of(context);
        let prompt = Prompt {
            chat_id: ChatId::parse(&input.chat_id)?,
            text: input.text,
            client_key: input.client_key,
            language: input.language.as_deref().and_then(LanguageTag::parse),
        };
        let sent = context.service.send_message(&context.viewer, prompt).await?;
        Ok(SendMessagePayload {
            message: Message(sent.message),
            reply: Message(sent.reply),
        })
    }

    /// Stops a reply and keeps the text it has. One that has ended is returned as it is.
    async fn stop_reply(
        &self,
        context: &Context<'_>,
        input: StopReplyInput,
    ) -> Result<StopReplyPayload, Error> {
        let context = context::of(context);
        let id = MessageId::parse(&input.message_id)?;
        Ok(StopReplyPayload {
            message: Message(context.service.stop_reply(&context.viewer, id).await?),
        })
    }
}
