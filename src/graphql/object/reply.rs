//! The type `Reply`.

use async_graphql::{Context, Enum, Object, SimpleObject};

use super::Message;
use crate::domain::{self, TextDigest};
use crate::graphql::Error;
use crate::graphql::context;
use crate::graphql::scalar::DateTime;

/// Where a reply stands. Every state but `STREAMING` is final.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "domain::ReplyState")]
pub enum ReplyState {
    /// It waits for its turn, or its text grows.
    Streaming,
    /// The bot said all it had to say.
    Complete,
    /// The bot was cut off at the longest reply allowed.
    Length,
    /// Somebody stopped it.
    Stopped,
    /// The bot's stream broke off without an end.
    Truncated,
    /// The bot refused or failed.
    Failed,
    /// The server that generated it died or was shut down.
    Interrupted,
}

/// How a bot's message came about.
pub struct Reply<'a>(pub &'a domain::Message);

impl Reply<'_> {
    /// `None` of a bot's message that a client stored ready-made.
    fn generated(&self) -> Option<&domain::Reply> {
        self.0.reply.as_ref()
    }
}

#[Object]
impl Reply<'_> {
    /// Where it stands.
    async fn state(&self) -> ReplyState {
        self.generated()
            .map_or(domain::ReplyState::Complete, |reply| reply.state)
            .into()
    }

    /// The user's message that it answers.
    async fn in_reply_to(&self, context: &Context<'_>) -> Option<Result<Message, Error>> {
        let id = self.generated()?.in_reply_to?;
        context::of(context)
            .loader
            .load_one(id)
            .await
            .transpose()
            .map(|it| it.map(Message))
    }

    /// The place behind the message's `text`: subscribe to `reply` after it for the rest.
    async fn cursor(&self) -> String {
        TextDigest::of(&self.0.text).cursor().encode()
    }

    /// The model that wrote it.
    async fn model(&self) -> Option<&str> {
        self.generated()?.model.as_deref()
    }

    /// What it cost; known when it has ended.
    async fn usage(&self) -> Option<Usage> {
        self.generated()?.usage.map(|usage| Usage {
            prompt: usage.prompt.into(),
            completion: usage.completion.into(),
        })
    }

    /// When what happened.
    async fn timings(&self) -> Option<ReplyTimings> {
        let reply = self.generated()?;
        Some(ReplyTimings {
            queued_at: DateTime(self.0.created_at),
            started_at: reply.started_at.map(DateTime),
            first_piece_at: reply.first_piece_at.map(DateTime),
            finished_at: reply.finished_at.map(DateTime),
        })
    }

    /// Why it failed.
    async fn error(&self) -> Option<ReplyError> {
        let error = self.generated()?.error.as_ref()?;
        Some(ReplyError {
            code: error.code.clone(),
            message: error.message.clone(),
        })
    }
}

/// What a reply cost.
#[derive(SimpleObject)]
pub struct Usage {
    /// What the bot was given.
    prompt: TokenCount,
    /// What the bot produced.
    completion: TokenCount,
}

/// A number of tokens.
#[derive(SimpleObject)]
pub struct TokenCount {
    /// How many.
    tokens: i64,
    /// Whether this is an estimate rather than the service's own figure.
    is_estimated: bool,
}

impl From<domain::TokenCount> for TokenCount {
    fn from(count: domain::TokenCount) -> Self {
        Self {
            tokens: count.tokens,
            is_estimated: count.is_estimated,
        }
    }
}

/// When what happened to a reply.
#[derive(SimpleObject)]
pub struct ReplyTimings {
    /// When it was asked for.
    queued_at: DateTime,
    /// When the bot was called.
    started_at: Option<DateTime>,
    /// When the first piece came.
    first_piece_at: Option<DateTime>,
    /// When it ended.
    finished_at: Option<DateTime>,
}

/// Why a reply failed.
#[derive(SimpleObject)]
pub struct ReplyError {
    /// A stable code for programs.
    code: String,
    /// A sentence for people.
    message: String,
}
