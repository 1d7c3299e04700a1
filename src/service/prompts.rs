//! Asking the bot: a prompt and its reply, or a reply once more.

use std::sync::Arc;

use tracing::Instrument;

use super::messages::same_or_conflict;
use super::{Error, NewMessage, Service};
use crate::config::FaultScript;
use crate::domain::{
    Author, Chat, ChatId, LanguageTag, Message, MessageId, ObjectId, Position, Reply, TimeZone, UserId,
    Viewer, WhileReplying,
};
use crate::engine::{Ask, Entry, Slot};

/// A user's message that asks for a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// The chat to write in.
    pub chat_id: ChatId,
    /// What the user says.
    pub text: String,
    /// The sender's name for the message, so that sending it again neither stores nor answers it twice.
    pub client_key: Option<String>,
    /// What to do while another reply of the chat is under way.
    pub while_replying: WhileReplying,
    /// How the sender wants to be answered.
    pub manner: Manner,
    /// Whether a documented client sends it: then it answers the same text if that was posted a moment ago, and
    /// names a chat that was made [`crate::domain::ChatStatus::PENDING`].
    pub is_documented: bool,
}

/// How a sender wants to be answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// The language, as a BCP 47 tag.
    pub language: Option<String>,
    /// Where the sender is, as an IANA time zone.
    pub timezone: Option<String>,
    /// What shall go wrong in the answer, as a fault script, where the server allows it.
    pub faults: Option<String>,
}

/// A [`Manner`] that was understood.
struct CheckedManner {
    language: Option<LanguageTag>,
    timezone: Option<TimeZone>,
    faults: Option<FaultScript>,
}

impl CheckedManner {
    /// What to ask with, of everything before a place.
    fn ask(self, before: Position) -> Ask {
        Ask {
            before,
            language: self.language,
            timezone: self.timezone,
            faults: self.faults,
        }
    }
}

/// A reply to make once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regeneration {
    /// The bot's message to make another in place of.
    pub message_id: MessageId,
    /// The sender's name for the new reply, so that asking again does not make two.
    pub client_key: Option<String>,
    /// What to do while another reply of the chat is under way.
    pub while_replying: WhileReplying,
    /// How the sender wants to be answered.
    pub manner: Manner,
}

/// What came of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The user's message.
    pub message: Message,
    /// The bot's message, as it was when the call returned.
    pub reply: Message,
    /// Whether an earlier call began the reply.
    pub joins: bool,
}

impl Service {
    /// Stores a user's message and starts the bot's reply. A second call with the same client key and text returns
    /// the same message and joins the same reply.
    pub async fn send_message(self: &Arc<Self>, viewer: &Viewer, prompt: Prompt) -> Result<Sent, Error> {
        self.check_text(&prompt.text)?;
        let manner = self.manner(&prompt.manner)?;
        let chat = self.chat(viewer, prompt.chat_id).await?;
        let (service, viewer) = (self.clone(), viewer.clone());
        to_its_end(async move { service.send_now(&viewer, chat, prompt, manner).await }).await
    }

    /// Makes another reply in place of one that has ended, whichever way it did.
    pub async fn regenerate_reply(
        self: &Arc<Self>,
        viewer: &Viewer,
        again: Regeneration,
    ) -> Result<Message, Error> {
        let manner = self.manner(&again.manner)?;
        let replaced = self.reply_message(viewer, again.message_id).await?;
        let chat = self.chat(viewer, replaced.chat_id).await?;
        let (service, viewer) = (self.clone(), viewer.clone());
        to_its_end(async move {
            service
                .regenerate_now(&viewer, chat, replaced, again, manner)
                .await
        })
        .await
    }

    async fn send_now(
        self: &Arc<Self>,
        viewer: &Viewer,
        chat: Chat,
        prompt: Prompt,
        manner: CheckedManner,
    ) -> Result<Sent, Error> {
        let reply_id = MessageId(self.ids.next());
        let new = NewMessage {
            chat_id: chat.id,
            author: Author::User,
            text: prompt.text,
            kind: None,
            token_count: None,
            client_key: prompt.client_key,
        };
        let mut message = self.new_message(new, Some(reply_id)).await?;
        let entry = self.engine.enter(chat.id).await?;
        message.created_at = entry.moment(self.clock.now());
        message.updated_at = message.created_at;
        let by = viewer.acting_user(&chat.user_id);
        // A sending that was stored before is joined, whatever is under way.
        if let Some(stored) = self.sent_before(&message).await? {
            return self
                .join(&entry, &by, stored, prompt.while_replying, manner)
                .await;
        }
        let share = self.count_prompt(viewer, &by).await?;
        let slot = self
            .engine
            .admit(&entry, reply_id, prompt.while_replying, &by)
            .await?
            .holding(share);
        // A message with a name of its own is told apart by that.
        let posted = match prompt.is_documented && message.client_key.is_none() {
            true => {
                self.posted_a_moment_ago(chat.id, &message.text, message.created_at)
                    .await?
            }
            false => None,
        };
        let message = match posted {
            Some(posted) => posted,
            None => {
                let stored = self.store_message(&message).await?;
                if stored.id != message.id {
                    // Stored by another server meanwhile.
                    drop(slot);
                    return self
                        .join(&entry, &by, stored, prompt.while_replying, manner)
                        .await;
                }
                message
            }
        };
        if prompt.is_documented {
            self.name_pending_chat(&chat, &message).await;
        }
        self.begin_reply(&entry, slot, message, reply_id, manner).await
    }

    /// The reply of a message that was sent before; made now if a crash came between the two.
    async fn join(
        &self,
        entry: &Entry,
        by: &UserId,
        message: Message,
        wish: WhileReplying,
        manner: CheckedManner,
    ) -> Result<Sent, Error> {
        let Some(reply_id) = message.reply_id else {
            return Err(Error::Conflict);
        };
        if let Some(reply) = self.store.messages(&[reply_id]).await?.pop() {
            return Ok(Sent {
                message,
                reply,
                joins: true,
            });
        }
        let slot = self.engine.admit(entry, reply_id, wish, by).await?;
        self.begin_reply(entry, slot, message, reply_id, manner).await
    }

    /// Begins the reply to a message that is stored.
    async fn begin_reply(
        &self,
        entry: &Entry,
        slot: Slot,
        message: Message,
        reply_id: MessageId,
        manner: CheckedManner,
    ) -> Result<Sent, Error> {
        let reply = self.new_reply(entry, message.chat_id, reply_id, Some(message.id));
        let ask = manner.ask(behind(&message));
        let begun = self.engine.begin(slot, reply.clone(), ask).await?;
        Ok(Sent {
            message,
            joins: begun.is_some(),
            reply: begun.unwrap_or(reply),
        })
    }

    async fn regenerate_now(
        self: &Arc<Self>,
        viewer: &Viewer,
        chat: Chat,
        replaced: Message,
        again: Regeneration,
        manner: CheckedManner,
    ) -> Result<Message, Error> {
        let client_key = self.client_key(again.client_key.as_deref())?;
        let entry = self.engine.enter(chat.id).await?;
        let made_before = |stored: Message| {
            let regenerates = stored.reply.as_ref().and_then(|reply| reply.regenerates);
            match regenerates == Some(replaced.id) {
                true => Ok(stored),
                false => Err(Error::Conflict),
            }
        };
        if let Some(key) = &client_key
            && let Some(stored) = self.store.message_of_key(chat.id, key).await?
        {
            return made_before(stored);
        }
        // Asked under the door: it may have ended since it was looked at, but it cannot begin.
        if let Some(reply) = &replaced.reply
            && !reply.state.is_final()
            && !self.has_ended(replaced.id).await?
        {
            return Err(Error::ReplyUnderWay);
        }
        let prompt = replaced.reply.as_ref().and_then(|reply| reply.in_reply_to);
        let prompt = match prompt {
            Some(id) => self.store.messages(&[id]).await?.pop(),
            None => None,
        };
        let id = MessageId(self.ids.next());
        let by = viewer.acting_user(&chat.user_id);
        let share = self.count_prompt(viewer, &by).await?;
        let slot = self.engine.admit(&entry, id, again.while_replying, &by).await?;
        let slot = slot.holding(share);
        let mut message = self.new_reply(&entry, chat.id, id, prompt.as_ref().map(|prompt| prompt.id));
        message.client_key = client_key;
        if let Some(reply) = &mut message.reply {
            reply.regenerates = Some(replaced.id);
        }
        // A prompt that is gone, or was never known, leaves what was said before the reply.
        let ask = manner.ask(prompt.as_ref().map_or_else(|| place(&replaced), behind));
        match self.engine.begin(slot, message.clone(), ask).await? {
            None => Ok(message),
            Some(stored) => made_before(stored),
        }
    }

    async fn has_ended(&self, id: MessageId) -> Result<bool, Error> {
        let message = self.store.messages(&[id]).await?.pop();
        Ok(message.is_none_or(|message| !message.is_under_way()))
    }

    /// The message that was stored for this sending before, if it was.
    async fn sent_before(&self, message: &Message) -> Result<Option<Message>, Error> {
        let Some(key) = &message.client_key else {
            return Ok(None);
        };
        let stored = self.store.message_of_key(message.chat_id, key).await?;
        stored.map(|stored| same_or_conflict(stored, message)).transpose()
    }

    /// What a manner stands for, to be answered behind some message.
    fn manner(&self, manner: &Manner) -> Result<CheckedManner, Error> {
        let language = manner.language.as_deref();
        let language = language.map(|tag| LanguageTag::parse(tag).ok_or(Error::InvalidLanguage));
        let timezone = manner.timezone.as_deref();
        let timezone = timezone.map(|name| TimeZone::parse(name).ok_or(Error::InvalidTimeZone));
        if manner.faults.is_some() && !self.engine.heeds_faults() {
            return Err(Error::FaultsNotAllowed);
        }
        Ok(CheckedManner {
            language: language.transpose()?,
            timezone: timezone.transpose()?,
            faults: manner.faults.as_deref().map(FaultScript::parse).transpose()?,
        })
    }

    /// A bot's message before its first piece.
    fn new_reply(
        &self,
        entry: &Entry,
        chat_id: ChatId,
        id: MessageId,
        in_reply_to: Option<MessageId>,
    ) -> Message {
        let created_at = entry.moment(self.clock.now());
        Message {
            id,
            chat_id,
            author: Author::Bot,
            text: String::new(),
            kind: Message::TEXT.to_owned(),
            reaction: None,
            token_count: None,
            is_edited: false,
            citation: None,
            created_at,
            updated_at: created_at,
            client_key: None,
            reply_id: None,
            reply: Some(Reply {
                in_reply_to,
                model: Some(self.engine.model().to_owned()),
                // The store says until when, by its own clock.
                ..Reply::begun(self.engine.owner().to_owned(), created_at)
            }),
        }
    }
}

/// Runs `work` to its end even if whoever asked for it goes away: half of it would be a message without its reply.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    match tokio::spawn(work.in_current_span()).await {
        Ok(done) => done,
        Err(panic) => Err(Error::Panicked(panic)),
    }
}

/// The place of a message in its chat.
fn place(message: &Message) -> Position {
    Position {
        at: message.created_at,
        id: message.id.0,
    }
}

/// The first place behind a message and all that share its moment.
fn behind(message: &Message) -> Position {
    Position {
        at: message.created_at.plus_millis(1),
        id: ObjectId::from_bytes([0; 12]),
    }
}
