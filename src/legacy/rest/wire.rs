//! What is answered: the documented objects, their keys in the documented order and always all of them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{self, ChatId, MessageId, UserId};
use crate::legacy::dates::DateFormat;

/// A user, as the number or the text that it is.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum User {
    /// As documented.
    Number(i64),
    /// As identity providers name them.
    Text(String),
}

impl From<UserId> for User {
    fn from(user: UserId) -> Self {
        match user {
            UserId::Int(number) => Self::Number(number),
            UserId::Text(text) => Self::Text(text),
        }
    }
}

/// A conversation between one user and a bot.
#[derive(Serialize, ToSchema)]
pub struct Chat {
    /// 24 hexadecimal digits.
    #[serde(rename = "_id")]
    id: String,
    /// Whose it is.
    user_id: User,
    /// The document it is about.
    #[schema(required)]
    document_id: Option<String>,
    /// What lists show.
    title: String,
    /// `active`, `inactive`, or any other text.
    status: String,
    /// Without a zone: UTC.
    #[schema(example = "2024-11-25T08:45:51.120000")]
    created_at: String,
    /// Without a zone: UTC.
    #[schema(example = "2024-11-25T08:45:51.120000")]
    updated_at: String,
}

impl Chat {
    /// A chat as documented.
    pub fn new(chat: domain::Chat, dates: DateFormat) -> Self {
        Self {
            id: chat.id.to_string(),
            user_id: chat.user_id.into(),
            document_id: chat.document_id.map(|id| id.to_string()),
            title: chat.title,
            status: chat.status.0,
            created_at: dates.millis(chat.created_at),
            updated_at: dates.millis(chat.updated_at),
        }
    }
}

/// One contribution to a chat.
#[derive(Serialize, ToSchema)]
pub struct Message {
    /// 24 hexadecimal digits.
    #[serde(rename = "_id")]
    id: String,
    /// The chat it belongs to.
    chat_id: String,
    /// What it says.
    message: String,
    /// Whether the bot wrote it.
    is_bot: bool,
    /// The one reaction to it.
    #[schema(required)]
    reaction: Option<String>,
    /// How many tokens it has, where somebody who knows has said so.
    #[schema(required)]
    token: Option<i64>,
    /// What sort of content it is.
    #[serde(rename = "type")]
    kind: String,
    /// Whether its text was changed.
    is_edited: bool,
    /// Without a zone: UTC.
    #[schema(example = "2024-11-25T08:45:51.120000")]
    created_ts: String,
    /// Without a zone: UTC.
    #[schema(example = "2024-11-25T08:45:51.120000")]
    updated_ts: String,
    /// Where the bot got what it says.
    #[schema(required)]
    citation: Option<String>,
}

impl Message {
    /// A message as documented.
    pub fn new(message: domain::Message, dates: DateFormat) -> Self {
        // What Colloquy estimated of a message that it did not generate, the documented system did not know.
        let is_told = |count: &domain::TokenCount| !count.is_estimated || message.reply.is_some();
        Self {
            id: message.id.to_string(),
            chat_id: message.chat_id.to_string(),
            is_bot: message.author.is_bot(),
            token: message.token_count.filter(is_told).map(|count| count.tokens),
            message: message.text,
            reaction: message.reaction,
            kind: message.kind,
            is_edited: message.is_edited,
            created_ts: dates.millis(message.created_at),
            updated_ts: dates.millis(message.updated_at),
            citation: message.citation,
        }
    }

    /// Messages as documented.
    pub fn list(messages: Vec<domain::Message>, dates: DateFormat) -> Vec<Self> {
        messages
            .into_iter()
            .map(|message| Self::new(message, dates))
            .collect()
    }
}

/// A page of a user's chats.
#[derive(Serialize, ToSchema)]
pub struct ChatPage {
    /// The last made first.
    pub chats: Vec<Chat>,
    /// How many there are on all pages.
    pub total: u64,
    /// Which page this is.
    pub page: u64,
    /// How many chats a page has.
    pub limit: usize,
}

/// A chat with a page of its messages.
#[derive(Serialize, ToSchema)]
pub struct FullChat {
    /// The chat.
    pub chat: Chat,
    /// The oldest first.
    pub messages: Vec<Message>,
    /// How many there are on all pages.
    pub total_messages: u64,
}

/// That something was done, or that there was nothing to do.
#[derive(Serialize, ToSchema)]
pub struct Done {
    success: bool,
    message: &'static str,
}

impl Done {
    /// Something was done.
    pub fn because(message: &'static str) -> Self {
        Self {
            success: true,
            message,
        }
    }

    /// There was nothing to change.
    pub fn nothing() -> Self {
        Self {
            success: false,
            message: "No changes made",
        }
    }
}

/// That a chat was made. Its id stands in both places where documented systems put it.
#[derive(Serialize, ToSchema)]
pub struct ChatCreated {
    success: bool,
    message: &'static str,
    chat_id: String,
    data: ChatCreatedData,
}

/// The chat that was made.
#[derive(Serialize, ToSchema)]
pub struct ChatCreatedData {
    chat_id: String,
}

impl From<ChatId> for ChatCreated {
    fn from(id: ChatId) -> Self {
        let chat_id = id.to_string();
        Self {
            success: true,
            message: "Chat created successfully",
            data: ChatCreatedData {
                chat_id: chat_id.clone(),
            },
            chat_id,
        }
    }
}

/// That a message was stored. Its id stands in both places where documented systems put one.
#[derive(Serialize, ToSchema)]
pub struct MessageCreated {
    success: bool,
    message: &'static str,
    message_id: String,
    data: MessageCreatedData,
}

/// The message that was stored.
#[derive(Serialize, ToSchema)]
pub struct MessageCreatedData {
    message_id: String,
}

impl From<MessageId> for MessageCreated {
    fn from(id: MessageId) -> Self {
        let message_id = id.to_string();
        Self {
            success: true,
            message: "Message created successfully",
            data: MessageCreatedData {
                message_id: message_id.clone(),
            },
            message_id,
        }
    }
}
