//! The type `UsageReport`.

use async_graphql::{Description, Object, SimpleObject};

use crate::domain;
use crate::graphql::scalar::DateTime;
use crate::service;

/// The tokens that bots used in a user's chats, by day and model. Stopped and failed replies count like all others.
/// Written down when a reply ends: deleting or editing changes nothing.
#[derive(Description)]
pub struct UsageReport(pub service::UsageReport);

#[Object(use_type_description)]
impl UsageReport {
    /// From when.
    async fn from(&self) -> DateTime {
        DateTime(self.0.from)
    }

    /// Until before when.
    async fn to(&self) -> DateTime {
        DateTime(self.0.to)
    }

    /// Days ascending.
    async fn rows(&self) -> Vec<UsageRow> {
        self.0.rows.iter().cloned().map(Into::into).collect()
    }

    /// Tokens of all prompts that bots were given.
    async fn prompt_tokens(&self) -> i64 {
        self.0.prompt_tokens()
    }

    /// Tokens of all replies.
    async fn tokens(&self) -> i64 {
        self.0.tokens().tokens
    }

    /// Whether any part of it is an estimate.
    async fn is_estimated(&self) -> bool {
        self.0.tokens().is_estimated
    }
}

/// The replies of one day that one model made, of one kind of figures.
#[derive(SimpleObject)]
pub struct UsageRow {
    /// The day, in UTC, by its first moment.
    day: DateTime,
    /// The model that made them, where known.
    model: Option<String>,
    /// How many replies, however they ended.
    reply_count: u64,
    /// Tokens of the prompts that the model was given.
    prompt_tokens: i64,
    /// Tokens of the replies.
    tokens: i64,
    /// Whether the figures are estimates rather than reported by the bot's service.
    is_estimated: bool,
}

impl From<domain::UsageRow> for UsageRow {
    fn from(row: domain::UsageRow) -> Self {
        Self {
            day: DateTime(row.day),
            model: row.model,
            reply_count: row.reply_count,
            prompt_tokens: row.prompt_tokens,
            tokens: row.tokens.tokens,
            is_estimated: row.tokens.is_estimated,
        }
    }
}
