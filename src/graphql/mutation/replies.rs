//! Mutations that ask the bot, stop it, or tell that somebody types.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};

use crate::domain::{self, ChatId, MessageId};
use crate::graphql::Error;
use crate::graphql::context;
use crate::graphql::object::{Message, StopReceipt, TypingState};
use crate::service::{Manner, Prompt, Regeneration};

/// What can be asked of the bot.
#[derive(Default)]
pub struct ReplyMutation;

/// What to do with a prompt that comes while a reply of the same chat is under way.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "domain::WhileReplying")]
pub enum WhileReplying {
    /// Answer it when the others have ended; at most eight replies of a chat run or wait.
    Queue,
    /// Stop the others, which keep the text they have, and answer it.
    Interrupt,
    /// Refuse it with `REPLY_UNDER_WAY`, and store nothing.
    Reject,
}

/// What `sendMessage` started.
#[derive(SimpleObject)]
pub struct SendMessagePayload {
    /// The user's message.
    message: Message,
    /// The bot's message, whose text arrives through the subscriptions `reply` and `chat`.
    reply: Message,
}

/// What `regenerateReply` started.
#[derive(SimpleObject)]
pub struct RegenerateReplyPayload {
    /// The new bot's message, whose text arrives through the subscriptions `reply` and `chat`.
    reply: Message,
}

/// What `stopReply` stopped.
#[derive(SimpleObject)]
pub struct StopReplyPayload {
    /// The reply as it now is.
    message: Message,
    /// Who stopped it, where, and at what cost: the same for everyone who asks, however often.
    receipt: StopReceipt,
}

/// What `setTyping` told.
#[derive(SimpleObject)]
pub struct SetTypingPayload {
    /// What the chat's followers are told.
    typing: TypingState,
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
    /// What to do while another reply of the chat is under way.
    #[graphql(default_with = "WhileReplying::Queue")]
    while_replying: WhileReplying,
    /// The language to answer in, as a BCP 47 tag such as `hi`.
    language: Option<String>,
    /// Where the user is, as an IANA time zone such as `Asia/Kolkata`: the bot is told the local time.
    timezone: Option<String>,
    /// What shall go wrong in the built-in bot's answer, such as `cut@57`; only where the server allows it.
    faults: Option<String>,
}

/// A reply to make once more.
#[derive(InputObject)]
pub struct RegenerateReplyInput {
    /// The bot's message, which has ended, whichever way; it stays as it is.
    message_id: ID,
    /// Your name for the new message, unique in its chat: asking again joins the same reply.
    client_key: Option<String>,
    /// What to do while another reply of the chat is under way.
    #[graphql(default_with = "WhileReplying::Queue")]
    while_replying: WhileReplying,
    /// The language to answer in, as a BCP 47 tag such as `hi`.
    language: Option<String>,
    /// Where the user is, as an IANA time zone such as `Asia/Kolkata`.
    timezone: Option<String>,
    /// What shall go wrong in the built-in bot's answer, such as `cut@57`; only where the server allows it.
    faults: Option<String>,
}

/// A reply to stop.
#[derive(InputObject)]
pub struct StopReplyInput {
    /// The bot's message.
    message_id: ID,
}

/// Whether somebody types.
#[derive(InputObject)]
pub struct SetTypingInput {
    /// The chat.
    chat_id: ID,
    /// Whether you do. Say it again every few seconds while it is so: after eight it is forgotten.
    is_typing: bool,
}

#[Object]
impl ReplyMutation {
    /// Stores a user's message and starts the bot's reply. Watch it with the subscription `reply` or `chat`.
    async fn send_message(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What to say, and how to be answered.")] input: SendMessageInput,
    ) -> Result<SendMessagePayload, Error> {
        let context = context::of(context);
        let prompt = Prompt {
            chat_id: ChatId::parse(&input.chat_id)?,
            text: input.text,
            client_key: input.client_key,
            while_replying: input.while_replying.into(),
            manner: Manner {
                language: input.language,
                timezone: input.timezone,
                faults: input.faults,
            },
            is_legacy: false,
        };
        let sent = context.service.send_message(&context.viewer, prompt).await?;
        Ok(SendMessagePayload {
            message: sent.message.into(),
            reply: sent.reply.into(),
        })
    }

    /// Makes another reply in place of one that has ended: because it failed, was stopped, or did not please. The new
    /// one is a message of its own and names the one that it replaces.
    async fn regenerate_reply(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which reply, and how to be answered.")] input: RegenerateReplyInput,
    ) -> Result<RegenerateReplyPayload, Error> {
        let context = context::of(context);
        let again = Regeneration {
            message_id: MessageId::parse(&input.message_id)?,
            client_key: input.client_key,
            while_replying: input.while_replying.into(),
            manner: Manner {
                language: input.language,
                timezone: input.timezone,
                faults: input.faults,
            },
        };
        let reply = context.service.regenerate_reply(&context.viewer, again).await?;
        Ok(RegenerateReplyPayload { reply: reply.into() })
    }

    /// Stops a reply, also before its first piece, and keeps the text it has. One that has ended is left as it is, and
    /// the receipt says so.
    async fn stop_reply(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which reply.")] input: StopReplyInput,
    ) -> Result<StopReplyPayload, Error> {
        let context = context::of(context);
        let id = MessageId::parse(&input.message_id)?;
        let stopped = context.service.stop_reply(&context.viewer, id).await?;
        Ok(StopReplyPayload {
            message: stopped.message.into(),
            receipt: stopped.receipt.into(),
        })
    }

    /// Tells whoever follows the chat that you type, or no longer do. Nothing is stored.
    async fn set_typing(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "In which chat, and whether.")] input: SetTypingInput,
    ) -> Result<SetTypingPayload, Error> {
        let context = context::of(context);
        let id = ChatId::parse(&input.chat_id)?;
        let typing = context
            .service
            .set_typing(&context.viewer, id, input.is_typing)
            .await?;
        Ok(SetTypingPayload {
            typing: typing.into(),
        })
    }
}
