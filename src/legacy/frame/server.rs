//! What the server sends. Every frame has `mt` and `chatId`; the fields come in the documented order, and ours, which
//! other clients ignore, behind them.

use serde::Serialize;
use serde_json::value::RawValue;

/// What is known of the moment and place that a frame speaks of.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// The chat's id, as the client named it.
    pub chat_id: &'a str,
    /// `timestamp`.
    pub timestamp: &'a str,
}

/// Where a reply stands: ours, for clients that want to go on after a break.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress<'a> {
    /// The stored message that the reply is.
    pub message_id: &'a str,
    /// How much text comes before, in bytes of UTF-8.
    pub offset: u64,
    /// What `?after=` takes to go on behind this frame; of a piece of a greater whole only its last has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<&'a str>,
    /// How the reply ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'a str>,
}

/// A frame to a client.
#[derive(Clone, Copy, Debug)]
pub enum ServerFrame<'a> {
    /// The user's message is stored.
    UserConfirm {
        /// What was said.
        message: &'a str,
        /// `userId`, as JSON.
        user_id: &'a str,
        /// The present minute.
        time: &'a str,
        /// New for each frame.
        token: &'a str,
        /// The stored message. Ours.
        message_id: &'a str,
        /// The reply to come. Ours.
        reply_id: &'a str,
    },
    /// The bot begins to think.
    TypingIndicator,
    /// A message is stored.
    NewMessage {
        /// Names it.
        message_id: &'a str,
        /// What it says.
        message: &'a str,
        /// Whether it is a bot's.
        is_bot: bool,
    },
    /// A reply begins.
    Start {
        /// Names the stream.
        stream: &'a str,
        /// Ours.
        progress: Progress<'a>,
    },
    /// Text to append to the reply.
    Chunk {
        /// Names the stream.
        stream: &'a str,
        /// The text, never empty.
        partial: &'a str,
        /// Ours.
        progress: Progress<'a>,
    },
    /// The reply has ended.
    End {
        /// Names the stream.
        stream: &'a str,
        /// Ours.
        progress: Progress<'a>,
    },
    /// The whole reply, or the apology for one.
    BotConfirm {
        /// The text.
        message: &'a str,
        /// The present minute.
        time: &'a str,
        /// New for each frame.
        token: &'a str,
        /// The stored message that the reply is. Ours.
        message_id: &'a str,
    },
    /// The bot has said what it had to say.
    StopTypingIndicator,
    /// The answer to a stop.
    StoppedGeneration {
        /// What the client sent, as JSON.
        message: &'a str,
    },
    /// There is no such chat.
    ChatAccessDenied,
    /// The frame could not be worked with.
    Error {
        /// Why.
        message: &'a str,
    },
}

#[derive(Serialize)]
#[serde(tag = "mt", rename_all_fields = "camelCase")]
enum Wire<'a> {
    #[serde(rename = "message_upload_confirm")]
    UserConfirm {
        chat_id: &'a str,
        message: &'a str,
        user_id: Option<&'a RawValue>,
        time: &'a str,
        is_bot: bool,
        token: &'a str,
        timestamp: &'a str,
        message_id: &'a str,
        reply_id: &'a str,
    },
    #[serde(rename = "typing_indicator")]
    TypingIndicator {
        chat_id: &'a str,
        is_bot: bool,
        timestamp: &'a str,
    },
    #[serde(rename = "new_message")]
    NewMessage {
        chat_id: &'a str,
        message_id: &'a str,
        message: &'a str,
        is_bot: bool,
        timestamp: &'a str,
    },
    #[serde(rename = "chat_message_bot_partial")]
    Start {
        chat_id: &'a str,
        start: &'a str,
        timestamp: &'a str,
        #[serde(flatten)]
        progress: Progress<'a>,
    },
    #[serde(rename = "chat_message_bot_partial")]
    Chunk {
        chat_id: &'a str,
        uuid: &'a str,
        partial: &'a str,
        #[serde(rename = "message_context")]
        message_context: &'a str,
        timestamp: &'a str,
        #[serde(flatten)]
        progress: Progress<'a>,
    },
    #[serde(rename = "chat_message_bot_partial")]
    End {
        chat_id: &'a str,
        stop: &'a str,
        timestamp: &'a str,
        #[serde(flatten)]
        progress: Progress<'a>,
    },
    #[serde(rename = "message_upload_confirm")]
    BotConfirm {
        chat_id: &'a str,
        message: &'a str,
        #[serde(rename = "message_context")]
        message_context: &'a str,
        time: &'a str,
        is_bot: bool,
        token: &'a str,
        timestamp: &'a str,
        message_id: &'a str,
    },
    #[serde(rename = "stop_typing_indicator")]
    StopTypingIndicator {
        chat_id: &'a str,
        is_bot: bool,
        timestamp: &'a str,
    },
    #[serde(rename = "stopped_generation")]
    StoppedGeneration {
        chat_id: &'a str,
        is_bot: bool,
        message: Option<&'a RawValue>,
        timestamp: &'a str,
    },
    #[serde(rename = "chat_access_denied")]
    ChatAccessDenied { chat_id: &'a str, message: String },
    #[serde(rename = "error")]
    Error { chat_id: &'a str, message: &'a str },
}

/// What the documented system says of a text that anybody in the chat may see.
const PUBLIC: &str = "public";

impl ServerFrame<'_> {
    /// The frame as it is sent.
    pub fn encode(&self, stamp: Stamp<'_>) -> String {
        // Maps with string keys and values that JSON can hold: there is nothing that could fail.
        serde_json::to_string(&self.wire(stamp)).unwrap_or_default()
    }

    fn wire<'a>(&'a self, Stamp { chat_id, timestamp }: Stamp<'a>) -> Wire<'a> {
        match *self {
            Self::UserConfirm {
                message,
                user_id,
                time,
                token,
                message_id,
                reply_id,
            } => Wire::UserConfirm {
                chat_id,
                message,
                user_id: raw(user_id),
                time,
                is_bot: false,
                token,
                timestamp,
                message_id,
                reply_id,
            },
            Self::TypingIndicator => Wire::TypingIndicator {
                chat_id,
                is_bot: true,
                timestamp,
            },
            Self::NewMessage {
                message_id,
                message,
                is_bot,
            } => Wire::NewMessage {
                chat_id,
                message_id,
                message,
                is_bot,
                timestamp,
            },
            Self::Start { stream, progress } => Wire::Start {
                chat_id,
                start: stream,
                timestamp,
                progress,
            },
            Self::Chunk {
                stream,
                partial,
                progress,
            } => Wire::Chunk {
                chat_id,
                uuid: stream,
                partial,
                message_context: PUBLIC,
                timestamp,
                progress,
            },
            Self::End { stream, progress } => Wire::End {
                chat_id,
                stop: stream,
                timestamp,
                progress,
            },
            Self::BotConfirm {
                message,
                time,
                token,
                message_id,
            } => Wire::BotConfirm {
                chat_id,
                message,
                message_context: PUBLIC,
                time,
                is_bot: true,
                token,
                timestamp,
                message_id,
            },
            Self::StopTypingIndicator => Wire::StopTypingIndicator {
                chat_id,
                is_bot: true,
                timestamp,
            },
            Self::StoppedGeneration { message } => Wire::StoppedGeneration {
                chat_id,
                is_bot: true,
                message: raw(message),
                timestamp,
            },
            Self::ChatAccessDenied => Wire::ChatAccessDenied {
                chat_id,
                message: format!("Invalid chat ID: {chat_id}"),
            },
            Self::Error { message } => Wire::Error { chat_id, message },
        }
    }
}

/// JSON that was read before, to be written as it came.
fn raw(json: &str) -> Option<&RawValue> {
    serde_json::from_str(json).ok()
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
