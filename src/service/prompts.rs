//! Asking the bot: a prompt and its reply, or a reply once more.

use std::sync::Arc;

use super::messages::same_or_conflict;
use super::{Error, NewMessage, Service};
use crate::config::FaultScript;
use crate::domain::{
    Author, Chat, ChatChange, ChatEvent, ChatId, ChatStatus, LanguageTag, Message, MessageFilter, MessageId,
    ObjectId, PageRequest, Position, Reply, ReplyState, TimeZone, Viewer, WhileReplying,
};
use crate::engine::{Ask, Entry, LEASE_MS};

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
    /// Whether to answer a message of the same text that was written less than [`RECENT_MS`] ago and asked for no
    /// reply, rather than to store it again: some documented clients say everything by two ways at once.
    pub adopts_recent: bool,
    /// Whether the message gives a chat its title that was made [`ChatStatus::PENDING`], and makes it active.
    pub names_pending_chat: bool,
}

/// How long a message waits to be asked for by another way, in milliseconds.
pub const RECENT_MS: i64 = 2_000;
/// How many messages of a chat are looked at for one to adopt, with the replies to them.
const RECENT_MESSAGES_MAX: usize = 32;
/// The characters of a title that is made of a message.
const TITLE_CHARS: usize = 50;

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
        let mut message = self.new_message(new, Some(reply_id))?;
        let entry = self.engine.enter(chat.id).await?;
        message.created_at = entry.moment(self.clock.now());
        message.updated_at = message.created_at;
        // A sending that was stored before is joined, whatever is under way.
        if let Some(stored) = self.sent_before(&message).await? {
            return self
                .join(viewer, &entry, stored, prompt.while_replying, manner)
                .await;
        }
        let by = viewer.acting_user(&chat.user_id);
        let slot = self
            .engine
            .admit(&entry, reply_id, prompt.while_replying, &by)
            .await?;
        // A message with a name of its own is told apart by that.
        let adopted = match prompt.adopts_recent && message.client_key.is_none() {
            true => self.recent_like(&message).await?,
            false => None,
        };
        let stored = match adopted {
            Some(recent) => {
                message = recent.clone();
                recent
            }
            None => self.store_message(&message).await?,
        };
        if prompt.names_pending_chat {
            self.name_pending(&chat, &message.text).await;
        }
        if stored.id != message.id {
            // Stored by another server meanwhile.
            drop(slot);
            return self
                .join(viewer, &entry, stored, prompt.while_replying, manner)
                .await;
        }
        let reply = self.new_reply(&entry, chat.id, reply_id, Some(message.id));
        let ask = manner.ask(behind(&message));
        self.engine.begin(slot, reply.clone(), ask).await?;
        Ok(Sent {
            message,
            reply,
            joins: false,
        })
    }

    /// A message that says the same, was written a moment ago, and neither asked for a reply nor got one.
    async fn recent_like(&self, message: &Message) -> Result<Option<Message>, Error> {
        let chat = message.chat_id;
        let (all, last) = (MessageFilter::default(), PageRequest::last(RECENT_MESSAGES_MAX));
        let mut pages = self.store.message_pages(&[chat], &all, &last).await?;
        let recent = pages.remove(&chat).map_or_else(Vec::new, |page| page.items);
        let since = message.created_at.plus_millis(-RECENT_MS);
        let is_answered = |id| {
            recent
                .iter()
                .any(|other| other.reply.as_ref().and_then(|reply| reply.in_reply_to) == Some(id))
        };
        let found = recent.iter().find(|other| {
            other.author == message.author
                && other.text == message.text
                && other.created_at > since
                && other.reply_id.is_none()
                && !is_answered(other.id)
        });
        Ok(found.cloned())
    }

    /// Gives a pending chat the title that its first message makes. The message is stored by then, so a failure costs
    /// only the title and is not the sender's.
    async fn name_pending(&self, chat: &Chat, text: &str) {
        if chat.status.0 != ChatStatus::PENDING {
            return;
        }
        let change = ChatChange {
            title: title_of(text),
            status: Some(ChatStatus::active()),
        };
        match self.store.update_chat(chat.id, &change, self.clock.now()).await {
            Ok(_) => self.feed.publish(chat.id, ChatEvent::ChatUpdated).await,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(chat.id = %chat.id, error, "a pending chat could not be named");
            }
        }
    }

    /// The reply of a message that was sent before; made now if a crash came between the two.
    async fn join(
        self: &Arc<Self>,
        viewer: &Viewer,
        entry: &Entry,
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
        let chat = self.chat(viewer, message.chat_id).await?;
        let by = viewer.acting_user(&chat.user_id);
        let slot = self.engine.admit(entry, reply_id, wish, &by).await?;
        let reply = self.new_reply(entry, chat.id, reply_id, Some(message.id));
        let ask = manner.ask(behind(&message));
        self.engine.begin(slot, reply.clone(), ask).await?;
        Ok(Sent {
            message,
            reply,
            joins: false,
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
        let slot = self.engine.admit(&entry, id, again.while_replying, &by).await?;
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
        Ok(message.is_none_or(|message| message.reply.is_none_or(|reply| reply.state.is_final())))
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
            created_at,
            updated_at: created_at,
            client_key: None,
            reply_id: None,
            reply: Some(Reply {
                state: ReplyState::Streaming,
                in_reply_to,
                owner: self.engine.owner().to_owned(),
                lease_until: self.clock.now().plus_millis(LEASE_MS),
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

/// Runs `work` to its end even if whoever asked for it goes away: half of it would be a message without its reply.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    match tokio::spawn(work).await {
        Ok(done) => done,
        Err(panic) => Err(Error::Panicked(panic)),
    }
}

/// The title that a message makes: its beginning; `None` if it says nothing.
fn title_of(text: &str) -> Option<String> {
    let mut title: String = text.chars().take(TITLE_CHARS).collect();
    if title.len() < text.len() {
        title.push_str("...");
    }
    (!title.trim().is_empty()).then_some(title)
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
