//! Messages and chats as events carry them: JSON, read back exactly as it was written.

use serde::{Deserialize, Serialize};

use crate::domain::{
    Author, Chat, ChatId, ChatStatus, ClientKey, DocumentId, Message, MessageId, Reply, ReplyError,
    ReplyState, StopRequest, Timestamp, TokenCount, Usage, UserId,
};

/// A [`UserId`].
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum User {
    Int(i64),
    Text(String),
}

/// A [`Message`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageContent {
    id: String,
    chat_id: String,
    is_bot: bool,
    text: String,
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reaction: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tokens: Option<Tokens>,
    is_edited: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    citation: Option<String>,
    created_at: i64,
    updated_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reply_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reply: Option<ReplyContent>,
}

/// A [`Reply`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReplyContent {
    state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    in_reply_to: Option<String>,
    owner: String,
    lease_until: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stop: Option<Stop>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    regenerates: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usage: Option<[Tokens; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_piece_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upstream_closed_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finished_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    overhead_us: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reasoning: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
}

/// A [`TokenCount`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tokens {
    tokens: i64,
    is_estimated: bool,
}

/// A [`StopRequest`].
#[derive(Serialize, Deserialize)]
struct Stop {
    at: i64,
    by: User,
}

/// A [`ReplyError`].
#[derive(Serialize, Deserialize)]
struct Failure {
    code: String,
    message: String,
}

/// A [`Chat`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChatContent {
    id: String,
    user: User,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    document_id: Option<String>,
    title: String,
    status: String,
    created_at: i64,
    updated_at: i64,
}

impl From<&Message> for MessageContent {
    fn from(message: &Message) -> Self {
        Self {
            id: message.id.to_string(),
            chat_id: message.chat_id.to_string(),
            is_bot: message.author.is_bot(),
            text: message.text.clone(),
            kind: message.kind.clone(),
            reaction: message.reaction.clone(),
            tokens: message.token_count.map(Into::into),
            is_edited: message.is_edited,
            citation: message.citation.clone(),
            created_at: message.created_at.millis(),
            updated_at: message.updated_at.millis(),
            client_key: message.client_key.as_ref().map(|key| key.as_str().to_owned()),
            reply_id: message.reply_id.map(|id| id.to_string()),
            reply: message.reply.as_ref().map(Into::into),
        }
    }
}

impl MessageContent {
    /// The message, or its id if something of it is not understood.
    pub(super) fn read(self) -> Result<Message, String> {
        let id = self.id.clone();
        self.try_read().ok_or(id)
    }

    fn try_read(self) -> Option<Message> {
        Some(Message {
            id: MessageId::parse(&self.id).ok()?,
            chat_id: ChatId::parse(&self.chat_id).ok()?,
            author: Author::from_is_bot(self.is_bot),
            text: self.text,
            kind: self.kind,
            reaction: self.reaction,
            token_count: self.tokens.map(Into::into),
            is_edited: self.is_edited,
            citation: self.citation,
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
            client_key: understood(self.client_key, |key| ClientKey::parse(&key))?,
            reply_id: understood(self.reply_id, |id| MessageId::parse(&id).ok())?,
            reply: understood(self.reply, ReplyContent::read)?,
        })
    }
}

impl From<&Reply> for ReplyContent {
    fn from(reply: &Reply) -> Self {
        Self {
            state: reply.state.name().to_owned(),
            in_reply_to: reply.in_reply_to.map(|id| id.to_string()),
            owner: reply.owner.clone(),
            lease_until: reply.lease_until.millis(),
            stop: reply.stop.as_ref().map(|stop| Stop {
                at: stop.at.millis(),
                by: (&stop.by).into(),
            }),
            regenerates: reply.regenerates.map(|id| id.to_string()),
            model: reply.model.clone(),
            usage: reply
                .usage
                .map(|usage| [usage.prompt.into(), usage.completion.into()]),
            started_at: reply.started_at.map(Timestamp::millis),
            first_piece_at: reply.first_piece_at.map(Timestamp::millis),
            upstream_closed_at: reply.upstream_closed_at.map(Timestamp::millis),
            finished_at: reply.finished_at.map(Timestamp::millis),
            overhead_us: reply.overhead_us,
            reasoning: reply.reasoning.clone(),
            error: reply.error.as_ref().map(|error| Failure {
                code: error.code.clone(),
                message: error.message.clone(),
            }),
        }
    }
}

impl ReplyContent {
    fn read(self) -> Option<Reply> {
        Some(Reply {
            state: ReplyState::from_name(&self.state)?,
            in_reply_to: understood(self.in_reply_to, |id| MessageId::parse(&id).ok())?,
            owner: self.owner,
            lease_until: Timestamp::from_millis(self.lease_until),
            stop: self.stop.map(|stop| StopRequest {
                at: Timestamp::from_millis(stop.at),
                by: stop.by.into(),
            }),
            regenerates: understood(self.regenerates, |id| MessageId::parse(&id).ok())?,
            model: self.model,
            usage: self.usage.map(|[prompt, completion]| Usage {
                prompt: prompt.into(),
                completion: completion.into(),
            }),
            started_at: self.started_at.map(Timestamp::from_millis),
            first_piece_at: self.first_piece_at.map(Timestamp::from_millis),
            upstream_closed_at: self.upstream_closed_at.map(Timestamp::from_millis),
            finished_at: self.finished_at.map(Timestamp::from_millis),
            overhead_us: self.overhead_us,
            reasoning: self.reasoning,
            error: self.error.map(|error| ReplyError {
                code: error.code,
                message: error.message,
            }),
        })
    }
}

impl From<&Chat> for ChatContent {
    fn from(chat: &Chat) -> Self {
        Self {
            id: chat.id.to_string(),
            user: (&chat.user_id).into(),
            document_id: chat.document_id.map(|id| id.to_string()),
            title: chat.title.clone(),
            status: chat.status.0.clone(),
            created_at: chat.created_at.millis(),
            updated_at: chat.updated_at.millis(),
        }
    }
}

impl ChatContent {
    pub(super) fn read(self) -> Option<Chat> {
        Some(Chat {
            id: ChatId::parse(&self.id).ok()?,
            user_id: self.user.into(),
            document_id: understood(self.document_id, |id| DocumentId::parse(&id).ok())?,
            title: self.title,
            status: ChatStatus(self.status),
            created_at: Timestamp::from_millis(self.created_at),
            updated_at: Timestamp::from_millis(self.updated_at),
        })
    }
}

impl From<TokenCount> for Tokens {
    fn from(count: TokenCount) -> Self {
        Self {
            tokens: count.tokens,
            is_estimated: count.is_estimated,
        }
    }
}

impl From<Tokens> for TokenCount {
    fn from(count: Tokens) -> Self {
        Self {
            tokens: count.tokens,
            is_estimated: count.is_estimated,
        }
    }
}

impl From<&UserId> for User {
    fn from(id: &UserId) -> Self {
        match id {
            UserId::Int(id) => Self::Int(*id),
            UserId::Text(id) => Self::Text(id.clone()),
        }
    }
}

impl From<User> for UserId {
    fn from(id: User) -> Self {
        match id {
            User::Int(id) => Self::Int(id),
            User::Text(id) => Self::Text(id),
        }
    }
}

/// A field that may be missing: `None` only if it is there and is not understood.
fn understood<T, U>(field: Option<T>, read: impl FnOnce(T) -> Option<U>) -> Option<Option<U>> {
    match field {
        None => Some(None),
        Some(field) => read(field).map(Some),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::ObjectId;
    use proptest::option::of;
    use proptest::prelude::*;

    fn ids() -> impl Strategy<Value = ObjectId> {
        any::<[u8; 12]>().prop_map(ObjectId::from_bytes)
    }

    fn times() -> impl Strategy<Value = Timestamp> {
        any::<i64>().prop_map(Timestamp::from_millis)
    }

    fn users() -> impl Strategy<Value = UserId> {
        prop_oneof![
            any::<i64>().prop_map(UserId::Int),
            ".{1,9}".prop_map(UserId::Text)
        ]
    }

    fn counts() -> impl Strategy<Value = TokenCount> {
        (any::<i64>(), any::<bool>()).prop_map(|(tokens, is_estimated)| TokenCount { tokens, is_estimated })
    }

    fn replies() -> impl Strategy<Value = Reply> {
        let who = (
            proptest::sample::select(&ReplyState::ALL[..]),
            of(ids()),
            ".{0,9}",
            times(),
            of((times(), users())),
        );
        let what = (
            of(ids()),
            of(".{0,9}"),
            of((counts(), counts())),
            of(".{0,9}"),
            of((".{0,9}", ".{0,9}")),
        );
        let when = (
            of(times()),
            of(times()),
            of(times()),
            of(times()),
            of(any::<i64>()),
        );
        (who, what, when).prop_map(|(who, what, when)| Reply {
            state: who.0,
            in_reply_to: who.1.map(MessageId),
            owner: who.2,
            lease_until: who.3,
            stop: who.4.map(|(at, by)| StopRequest { at, by }),
            regenerates: what.0.map(MessageId),
            model: what.1,
            usage: what.2.map(|(prompt, completion)| Usage { prompt, completion }),
            reasoning: what.3,
            error: what.4.map(|(code, message)| ReplyError { code, message }),
            started_at: when.0,
            first_piece_at: when.1,
            upstream_closed_at: when.2,
            finished_at: when.3,
            overhead_us: when.4,
        })
    }

    /// Messages of every kind.
    pub(in crate::feed::redis) fn messages() -> impl Strategy<Value = Message> {
        let who = (ids(), ids(), any::<bool>(), of("[a-z]{1,9}"), of(ids()));
        let what = (
            "(?s).{0,30}",
            ".{0,9}",
            of(".{0,9}"),
            of(counts()),
            any::<bool>(),
            of(".{0,9}"),
        );
        (who, what, times(), times(), of(replies())).prop_map(|(who, what, created_at, updated_at, reply)| {
            Message {
                id: MessageId(who.0),
                chat_id: ChatId(who.1),
                author: Author::from_is_bot(who.2),
                client_key: who.3.and_then(|key| ClientKey::parse(&key)),
                reply_id: who.4.map(MessageId),
                text: what.0,
                kind: what.1,
                reaction: what.2,
                token_count: what.3,
                is_edited: what.4,
                citation: what.5,
                created_at,
                updated_at,
                reply,
            }
        })
    }

    /// Chats of every kind.
    pub(in crate::feed::redis) fn chats() -> impl Strategy<Value = Chat> {
        (ids(), users(), of(ids()), ".{0,9}", ".{0,9}", times(), times()).prop_map(
            |(id, user_id, document, title, status, created_at, updated_at)| Chat {
                id: ChatId(id),
                user_id,
                document_id: document.map(DocumentId),
                title,
                status: ChatStatus(status),
                created_at,
                updated_at,
            },
        )
    }
}
