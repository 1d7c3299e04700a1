//! What is stored, read through a server as any client would.

use std::collections::HashMap;

use super::ledger::GONE;
use super::operations::{ReadChat, read_chat};
use crate::cli::client::{ClientError, ReplyState, Server};
use crate::domain::Timestamp;

/// A stored message.
#[derive(Clone, Debug)]
pub struct StoredMessage {
    /// Its chat.
    pub chat: String,
    /// How many messages stand before it in its chat.
    pub place: usize,
    /// Its id.
    pub id: String,
    /// Whether the bot wrote it.
    pub is_bot: bool,
    /// What it says.
    pub text: String,
    /// Its sender's name for it.
    pub key: Option<String>,
    /// How it came about, if the bot wrote it.
    pub reply: Option<StoredReply>,
}

/// How a stored reply came about.
#[derive(Clone, Debug)]
pub struct StoredReply {
    /// Where it stands.
    pub state: ReplyState,
    /// What it answers, if that is still there.
    pub in_reply_to: Option<String>,
    /// The code of what it failed with, if it did.
    pub code: Option<String>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// Everything that is stored in some chats, by its id.
pub type Stored = HashMap<String, StoredMessage>;

/// Reads chats to their ends.
pub async fn read(server: &Server, chats: &[String]) -> Result<Stored, ClientError> {
    let mut stored = Stored::new();
    for chat in chats {
        let (mut after, mut place) = (None, 0);
        loop {
            let variables = read_chat::Variables {
                id: chat.clone(),
                after,
            };
            let read = match server.insist::<ReadChat>(variables).await {
                // A chat that is gone has no messages. If it should be there the judge misses them.
                Err(error) if error.code() == Some(GONE) => break,
                read => read?.chat,
            };
            let Some(read) = read else { break };
            for message in read.messages.nodes {
                stored.insert(message.id.clone(), stored_message(chat, place, message));
                place += 1;
            }
            let page = read.messages.page_info;
            if !page.has_next_page {
                break;
            }
            after = page.end_cursor;
        }
    }
    Ok(stored)
}

fn stored_message(chat: &str, place: usize, message: read_chat::ReadChatChatMessagesNodes) -> StoredMessage {
    let reply = message.reply.map(|reply| StoredReply {
        state: reply.state,
        in_reply_to: reply.in_reply_to.map(|message| message.id),
        code: reply.error.map(|error| error.code),
        finished_at: reply
            .timings
            .and_then(|timings| Timestamp::parse_rfc3339(&timings.finished_at?)),
    });
    StoredMessage {
        chat: chat.to_owned(),
        place,
        id: message.id,
        is_bot: matches!(message.author, read_chat::Author::BOT),
        text: message.text,
        key: message.client_key,
        reply,
    }
}
