//! Asking the bot: a prompt with its reply, or another reply to the same prompt.

use super::messages::Draft;
use super::{Error, NewMessage, Service, Subject};
use crate::config::FaultScript;
use crate::domain::{
    Author, ChatId, ClientKey, LanguageTag, Message, MessageId, Reply, TimeZone, UserId, Viewer,
    WhileReplying,
};
use crate::engine::{self, Admission, Asked, HistoryEnd, Meanwhile, Started};
use crate::store::is_same_content;

/// A user's message that asks for a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// The chat to write in.
    pub chat_id: ChatId,
    /// What the user says.
    pub text: String,
    /// The sender's idempotency key: sending the message again neither stores nor answers it twice.
    pub client_key: Option<String>,
    /// What to do while another reply of the chat is under way.
    pub while_replying: WhileReplying,
    /// How the sender wants to be answered.
    pub manner: Manner,
    /// Whether a legacy client sends it. If so, the reply is to the same text posted a moment ago, if there is one, and
    /// a chat that was created as [`crate::domain::ChatStatus::PENDING`] is named.
    pub is_legacy: bool,
}

/// How a sender wants to be answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// The language, as a BCP 47 tag.
    pub language: Option<String>,
    /// Where the sender is, as an IANA time zone.
    pub timezone: Option<String>,
    /// A fault script for the reply, where the server allows it.
    pub faults: Option<String>,
}

/// A request for another reply in place of one that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regeneration {
    /// The bot's message to replace.
    pub message_id: MessageId,
    /// The sender's idempotency key for the new reply: asking again does not make two.
    pub client_key: Option<String>,
    /// What to do while another reply of the chat is under way.
    pub while_replying: WhileReplying,
    /// How the sender wants to be answered.
    pub manner: Manner,
}

/// A stored prompt and its reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The user's message.
    pub message: Message,
    /// The bot's message, as it was when the call returned.
    pub reply: Message,
    /// Whether an earlier call began the reply.
    pub joins: bool,
}

/// The message that a reply answers.
enum ToAnswer {
    /// One that is stored together with its reply.
    New(Message),
    /// One that is stored already.
    Stored(Message),
}

impl Service {
    /// Stores a user's message and starts the bot's reply. A second call with the same client key and text returns
    /// the same message and joins the same reply.
    pub async fn send_message(&self, viewer: &Viewer, prompt: Prompt) -> Result<Sent, Error> {
        self.check_text(&prompt.text)?;
        let manner = self.manner(&prompt.manner)?;
        let (service, viewer) = (self.clone(), viewer.clone());
        self.to_its_end(async move {
            match prompt.is_legacy {
                true => service.send_legacy(&viewer, prompt, manner).await,
                false => service.send(&viewer, prompt, manner).await,
            }
        })
        .await
    }

    /// Makes another reply in place of one that has ended, in any state.
    pub async fn regenerate_reply(&self, viewer: &Viewer, again: Regeneration) -> Result<Message, Error> {
        let manner = self.manner(&again.manner)?;
        let (service, viewer) = (self.clone(), viewer.clone());
        self.to_its_end(async move { service.regenerate(&viewer, again, manner).await })
            .await
    }

    async fn send(&self, viewer: &Viewer, prompt: Prompt, manner: engine::Manner) -> Result<Sent, Error> {
        // The store checks that the chat is the user's when it begins the exchange. The chat is read here only if its
        // owner has to be known before that.
        let is_owner_needed =
            prompt.while_replying == WhileReplying::Interrupt || matches!(viewer, Viewer::Service(_));
        let by = match (viewer.user(), is_owner_needed) {
            (_, true) => {
                let chat = self.chat(viewer, prompt.chat_id).await?;
                viewer.acting_user(&chat.user_id)
            }
            (Some(user), false) => user.clone(),
            (None, false) => viewer.default_user(),
        };
        let draft = self.draft_of(&prompt).await?;
        let _lock = self.lock(viewer, prompt.chat_id).await?;
        let message = self.prompt_of(draft);
        let exchange = self.exchange(viewer, &by, ToAnswer::New(message), prompt.while_replying, manner);
        exchange.await
    }

    /// A legacy client's prompt. If its text was posted over REST a moment ago, that message is answered.
    pub(super) async fn send_legacy(
        &self,
        viewer: &Viewer,
        prompt: Prompt,
        manner: engine::Manner,
    ) -> Result<Sent, Error> {
        let chat = self.chat(viewer, prompt.chat_id).await?;
        let by = viewer.acting_user(&chat.user_id);
        let draft = self.draft_of(&prompt).await?;
        // Under the lock, the same text posted over REST by the same caller to this server is either stored or not yet
        // begun.
        let _lock = self.lock(viewer, chat.id).await?;
        // A client key tells two messages of the same text apart.
        let posted = match draft.has_client_key() {
            false => {
                let posted = self.posted_a_moment_ago(chat.id, draft.text(), self.clock.now());
                posted.await?
            }
            true => None,
        };
        let to_answer = match posted {
            Some(posted) => ToAnswer::Stored(posted),
            None => ToAnswer::New(self.prompt_of(draft)),
        };
        let exchange = self.exchange(viewer, &by, to_answer, prompt.while_replying, manner);
        let sent = exchange.await?;
        if !sent.joins {
            self.name_pending_chat(&chat).await;
        }
        Ok(sent)
    }

    /// The message of a prompt, checked and counted.
    async fn draft_of(&self, prompt: &Prompt) -> Result<Draft, Error> {
        let new = NewMessage {
            chat_id: prompt.chat_id,
            author: Author::User,
            text: prompt.text.clone(),
            kind: None,
            token_count: None,
            reaction: None,
            is_edited: false,
            client_key: prompt.client_key.clone(),
        };
        self.draft(new).await
    }

    /// The message of a prompt, which names its reply. Called while the chat is locked.
    fn prompt_of(&self, draft: Draft) -> Message {
        let reply = MessageId(self.ids.next());
        self.new_message(draft, Some(reply))
    }

    /// Begins the reply to a message, or finds the one that an earlier call began.
    async fn exchange(
        &self,
        viewer: &Viewer,
        by: &UserId,
        to_answer: ToAnswer,
        wish: WhileReplying,
        manner: engine::Manner,
    ) -> Result<Sent, Error> {
        let admission = match (self.admit_prompt(viewer, by).await, &to_answer) {
            (Ok(admission), _) => admission,
            // Over its limits, a caller may still send again what is stored: that is no new prompt.
            (Err(refused), ToAnswer::New(message)) if message.client_key.is_some() => {
                self.chat(viewer, message.chat_id).await?;
                return self.sent_before(message).await?.ok_or(refused);
            }
            (Err(refused), _) => return Err(refused),
        };
        let (reply, asked, stored) = match to_answer {
            ToAnswer::New(message) => {
                let id = message.reply_id.unwrap_or_else(|| MessageId(self.ids.next()));
                let reply = self.new_reply(message.chat_id, id, Some(message.id));
                (reply, Asked::New(Box::new(message)), None)
            }
            ToAnswer::Stored(message) => {
                let id = MessageId(self.ids.next());
                let mut reply = self.new_reply(message.chat_id, id, Some(message.id));
                reply.client_key = Some(ClientKey::of_reply_to(message.id));
                (reply, Asked::Stored(HistoryEnd::at(&message)), Some(message))
            }
        };
        let request = engine::Request {
            asked,
            reply,
            chat_of: viewer.user().cloned(),
            meanwhile: meanwhile(wish, by),
            manner,
        };
        let (new, reply, joins) = match self.engine.begin(admission, request).await? {
            Started::Now { prompt, reply } => (prompt, Some(reply), false),
            Started::Before { prompt, reply } => (prompt, reply, true),
        };
        match (new.map(|message| *message).or(stored), reply) {
            (Some(message), Some(reply)) => Ok(Sent {
                message,
                reply: *reply,
                joins,
            }),
            _ => Err(Error::NotFound(Subject::Message)),
        }
    }

    /// The exchange that an earlier attempt with this message's client key stored, if any.
    async fn sent_before(&self, message: &Message) -> Result<Option<Sent>, Error> {
        let Some(key) = &message.client_key else {
            return Ok(None);
        };
        let Some(stored) = self.store.message_of_key(message.chat_id, key).await? else {
            return Ok(None);
        };
        if !is_same_content(&stored, message) {
            return Err(Error::Conflict);
        }
        let reply = match stored.reply_id {
            Some(id) => self.store.messages(&[id]).await?.pop(),
            None => None,
        };
        Ok(Some(Sent {
            message: stored,
            reply: reply.ok_or(Error::NotFound(Subject::Message))?,
            joins: true,
        }))
    }

    /// Admits one more reply of a viewer, within their rate, quota and number of active replies.
    async fn admit_prompt(&self, viewer: &Viewer, by: &UserId) -> Result<Admission, Error> {
        let admission = self.engine.admit()?;
        let share = self.count_prompt(viewer, by).await?;
        Ok(admission.holding(share))
    }

    async fn regenerate(
        &self,
        viewer: &Viewer,
        again: Regeneration,
        manner: engine::Manner,
    ) -> Result<Message, Error> {
        let replaced = self.reply_message(viewer, again.message_id).await?;
        let chat = self.chat(viewer, replaced.chat_id).await?;
        let client_key = self.client_key(again.client_key.as_deref())?;
        let by = viewer.acting_user(&chat.user_id);
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
        if replaced.is_under_way() {
            return Err(Error::ReplyUnderWay);
        }
        let asked = replaced.reply.as_ref().and_then(|reply| reply.in_reply_to);
        let prompt = match asked {
            Some(id) => self.store.messages(&[id]).await?.pop(),
            None => None,
        };
        let prompt = prompt.filter(|prompt| prompt.chat_id == chat.id);
        let _lock = self.lock(viewer, chat.id).await?;
        let admission = self.admit_prompt(viewer, &by).await?;
        let id = MessageId(self.ids.next());
        // Also one that is gone: a reply that answers none would be answered from what stood before it.
        let mut reply = self.new_reply(chat.id, id, asked);
        reply.client_key = client_key;
        if let Some(reply) = &mut reply.reply {
            reply.regenerates = Some(replaced.id);
        }
        let request = engine::Request {
            // Without its prompt, the history ends where the replaced reply is.
            asked: Asked::Stored(match &prompt {
                Some(prompt) => HistoryEnd::at(prompt),
                // One that is known and gone ends the reply without a call, as if it had gone while the reply waited.
                None => HistoryEnd {
                    position: replaced.position(),
                    prompt: asked,
                },
            }),
            reply,
            chat_of: viewer.user().cloned(),
            meanwhile: meanwhile(again.while_replying, &by),
            manner,
        };
        match self.engine.begin(admission, request).await? {
            Started::Now { reply, .. } => Ok(*reply),
            Started::Before { reply, .. } => made_before(*reply.ok_or(Error::NotFound(Subject::Message))?),
        }
    }

    /// Parses a manner.
    fn manner(&self, manner: &Manner) -> Result<engine::Manner, Error> {
        let language = manner.language.as_deref();
        let language = language.map(|tag| LanguageTag::parse(tag).ok_or(Error::InvalidLanguage));
        let timezone = manner.timezone.as_deref();
        let timezone = timezone.map(|name| TimeZone::parse(name).ok_or(Error::InvalidTimeZone));
        if manner.faults.is_some() && !self.engine.heeds_faults() {
            return Err(Error::FaultsNotAllowed);
        }
        Ok(engine::Manner {
            language: language.transpose()?,
            timezone: timezone.transpose()?,
            faults: manner.faults.as_deref().map(FaultScript::parse).transpose()?,
        })
    }

    /// A bot's message before its first piece. The store sets its date.
    fn new_reply(&self, chat_id: ChatId, id: MessageId, in_reply_to: Option<MessageId>) -> Message {
        let now = self.clock.now();
        Message {
            reply: Some(Reply {
                in_reply_to,
                model: Some(self.engine.model().to_owned()),
                // The store sets the lease, by its own clock.
                ..Reply::begun(self.engine.owner().to_owned(), now)
            }),
            ..Message::plain(id, chat_id, Author::Bot, String::new(), now)
        }
    }
}

/// What a reply does while others of its chat are active. `by` is the user in whose name it stops them.
fn meanwhile(wish: WhileReplying, by: &UserId) -> Meanwhile {
    match wish {
        WhileReplying::Queue => Meanwhile::Waits,
        WhileReplying::Reject => Meanwhile::IsRefused,
        WhileReplying::Interrupt => Meanwhile::StopsThem(by.clone()),
    }
}
