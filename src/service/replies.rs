//! Replies: asked for, followed, stopped.

use super::{Error, NewMessage, Service, Subject};
use crate::domain::{
    Author, ChatId, LanguageTag, Message, MessageId, Reply, ReplyCursor, ReplyState, Viewer,
};
use crate::engine::{LEASE_MS, ReplyReader};

/// A user's message that asks for a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// The chat to write in.
    pub chat_id: ChatId,
    /// What the user says.
    pub text: String,
    /// The sender's name for the message, so that sending it again neither stores nor answers it twice.
    pub client_key: Option<String>,
    /// The language that the sender chose.
    pub language: Option<LanguageTag>,
}

/// What came of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The user's message.
    pub message: Message,
    /// The bot's message, as it was when the call returned.
    pub reply: Message,
}

impl Service {
    /// Stores a user's message and starts the bot's reply. A second call with the same client key and text returns
    /// the same message and joins the same reply.
    pub async fn send_message(&self, viewer: &Viewer, prompt: Prompt) -> Result<Sent, Error> {
        let reply_id = MessageId(self.ids.next());
        let new = NewMessage {
            chat_id: prompt.chat_id,
            author: Author::User,
            text: prompt.text,
            kind: None,
            token_count: None,
            client_key: prompt.client_key,
        };
        let message = self.write_message(viewer, new, Some(reply_id)).await?;
        let is_new = message.reply_id == Some(reply_id);
        let reply = self.reply_to(&message, message.reply_id.unwrap_or(reply_id));
        if !is_new && let Some(stored) = self.store.messages(&[reply.id]).await?.pop() {
            return Ok(Sent {
                message,
                reply: stored,
            });
        }
        // New, or left without its reply by a crash between the two writes.
        self.engine.begin(reply.clone(), prompt.language).await?;
        Ok(Sent { message, reply })
    }

    /// Stops a reply and returns it; one that has ended is returned as it is.
    pub async fn stop_reply(&self, viewer: &Viewer, id: MessageId) -> Result<Message, Error> {
        self.reply_message(viewer, id).await?;
        self.engine
            .stop(id)
            .await?
            .ok_or(Error::NotFound(Subject::Message))
    }

    /// Follows a reply from a cursor, or from a snapshot if there is none or it does not fit.
    pub async fn follow_reply(
        &self,
        viewer: &Viewer,
        id: MessageId,
        after: Option<&str>,
    ) -> Result<ReplyReader, Error> {
        let cursor = after
            .map(|after| ReplyCursor::decode(after).ok_or(Error::InvalidCursor))
            .transpose()?;
        self.reply_message(viewer, id).await?;
        self.engine
            .follow(id, cursor)
            .await?
            .ok_or(Error::NotFound(Subject::Message))
    }

    async fn reply_message(&self, viewer: &Viewer, id: MessageId) -> Result<(), Error> {
        match self.message(viewer, id).await?.author {
            Author::Bot => Ok(()),
            Author::User => Err(Error::NotAReply),
        }
    }

    /// The bot's message before its first piece.
    fn reply_to(&self, message: &Message, id: MessageId) -> Message {
        // Behind the prompt even where both fall into one millisecond.
        let created_at = self.clock.now().max(message.created_at.plus_millis(1));
        Message {
            id,
            chat_id: message.chat_id,
            author: Author::Bot,
            text: String::new(),
            kind: Message::TEXT.to_owned(),
            reaction: None,
            token_count: None,
            is_edited: false,
            created_at,
            updated_at: created_at,
            client_key: None,
            reply_id: None,
            reply: Some(Reply {
                state: ReplyState::Streaming,
                in_reply_to: Some(message.id),
                owner: self.engine.owner().to_owned(),
                lease_until: created_at.plus_millis(LEASE_MS),
                stop: None,
                regenerates: None,
                model: Some(self.engine.model().to_owned()),
                usage: None,
                started_at: None,
                first_piece_at: None,
                upstream_closed_at: None,
                finished_at: None,
                overhead_us: None,
                reasoning: None,
                error: None,
            }),
        }
    }
}
