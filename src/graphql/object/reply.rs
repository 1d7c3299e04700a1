//! The type `Reply`.

use async_graphql::{Context, Description, Enum, Object, SimpleObject, Value};

use super::Message;
use super::at_hand::{AtHand, plain};
use crate::domain::{self, TextDigest};
use crate::graphql::Error;
use crate::graphql::context;
use crate::graphql::scalar::{DateTime, UserId};
use crate::service;

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
#[derive(Description)]
pub struct Reply<'a>(pub &'a domain::Message);

impl Reply<'_> {
    /// `None` of a bot's message that a client stored ready-made.
    fn generated(&self) -> Option<&domain::Reply> {
        self.0.reply.as_ref()
    }
}

#[Object(use_type_description)]
impl Reply<'_> {
    /// Where it stands.
    async fn state(&self) -> ReplyState {
        self.generated()
            .map_or(domain::ReplyState::Complete, |reply| reply.state)
            .into()
    }

    /// The user's message that it answers.
    async fn in_reply_to(&self, context: &Context<'_>) -> Option<Result<Message, Error>> {
        linked(context, self.generated()?.in_reply_to?).await
    }

    /// The reply that this one was made in place of.
    async fn regenerates(&self, context: &Context<'_>) -> Option<Result<Message, Error>> {
        linked(context, self.generated()?.regenerates?).await
    }

    /// What the model thought before it spoke, where it told; known when the reply has ended.
    async fn reasoning(&self) -> Option<&str> {
        self.generated()?.reasoning.as_deref()
    }

    /// Who stopped it, where, and at what cost; null if nobody asked for that.
    async fn receipt(&self) -> Option<StopReceipt> {
        service::StopReceipt::of(self.0).map(Into::into)
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

    /// When what happened, and how long it took.
    async fn timings(&self) -> Option<ReplyTimings> {
        self.generated()
            .map(|reply| ReplyTimings::new(self.0.created_at, reply))
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

impl AtHand for Reply<'_> {
    fn at_hand(&self, field: &Context<'_>) -> Option<Value> {
        let names = [
            "state",
            "reasoning",
            "receipt",
            "cursor",
            "model",
            "usage",
            "timings",
            "error",
        ];
        plain(self, field, &names)
    }
}

/// Another message that a reply names, if it is still there.
async fn linked(context: &Context<'_>, id: domain::MessageId) -> Option<Result<Message, Error>> {
    let loaded = context::of(context).loader.load_one(id).await;
    loaded.transpose().map(|it| it.map(Message::from))
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

/// When what happened to a reply, and how long it took in milliseconds.
#[derive(SimpleObject)]
pub struct ReplyTimings {
    /// When it was asked for.
    queued_at: DateTime,
    /// When the bot was called.
    started_at: Option<DateTime>,
    /// When the first piece came.
    first_piece_at: Option<DateTime>,
    /// When the bot's stream was closed, by either side.
    upstream_closed_at: Option<DateTime>,
    /// When it ended.
    finished_at: Option<DateTime>,
    /// From being asked for until the bot was called.
    queued_milliseconds: Option<i64>,
    /// From the call of the bot until the first piece.
    first_piece_milliseconds: Option<i64>,
    /// From being asked for until the end.
    total_milliseconds: Option<i64>,
    /// What Colloquy itself took of the time between the reply's turn and the end of the bot's stream: all but the
    /// waiting for the bot.
    overhead_milliseconds: Option<f64>,
}

impl ReplyTimings {
    fn new(queued_at: domain::Timestamp, reply: &domain::Reply) -> Self {
        let between = |from: Option<domain::Timestamp>, to: Option<domain::Timestamp>| {
            Some((to?.millis() - from?.millis()).max(0))
        };
        Self {
            queued_at: DateTime(queued_at),
            started_at: reply.started_at.map(DateTime),
            first_piece_at: reply.first_piece_at.map(DateTime),
            upstream_closed_at: reply.upstream_closed_at.map(DateTime),
            finished_at: reply.finished_at.map(DateTime),
            queued_milliseconds: between(Some(queued_at), reply.started_at),
            first_piece_milliseconds: between(reply.started_at, reply.first_piece_at),
            total_milliseconds: between(Some(queued_at), reply.finished_at),
            #[expect(
                clippy::cast_precision_loss,
                reason = "microseconds of hours fit into 53 bits"
            )]
            overhead_milliseconds: reply.overhead_us.map(|us| us as f64 / 1000.0),
        }
    }
}

/// Whether a stop did anything.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "service::StopOutcome")]
pub enum StopOutcome {
    /// The reply was stopped, by this request or an earlier one.
    Stopped,
    /// The wish is noted; the server that generates the reply has not ended it yet.
    Stopping,
    /// The reply had ended otherwise before.
    EndedBefore,
}

/// Proof of a stop: the same for everyone who asks, however often.
#[derive(SimpleObject)]
pub struct StopReceipt {
    /// Whether there was anything to stop.
    outcome: StopOutcome,
    /// The user who asked first.
    requested_by: Option<UserId>,
    /// When they did.
    requested_at: Option<DateTime>,
    /// How much of the text there is, in bytes of UTF-8.
    offset: usize,
    /// What the bot produced, as far as it is paid for; known when the reply has ended.
    tokens: Option<TokenCount>,
    /// How long it took from the wish until the bot's stream was closed. Null if the bot was never called.
    upstream_closed_milliseconds: Option<i64>,
}

impl From<service::StopReceipt> for StopReceipt {
    fn from(receipt: service::StopReceipt) -> Self {
        Self {
            outcome: receipt.outcome.into(),
            requested_by: receipt.requested_by.map(UserId),
            requested_at: receipt.requested_at.map(DateTime),
            offset: receipt.offset,
            tokens: receipt.tokens.map(Into::into),
            upstream_closed_milliseconds: receipt.upstream_closed_after_ms,
        }
    }
}

/// Why a reply failed.
#[derive(SimpleObject)]
pub struct ReplyError {
    /// A stable code for programs.
    code: String,
    /// A sentence for people.
    message: String,
}
