//! The type `UsageReport`.

use async_graphql::{Description, Object, SimpleObject};

use super::Author;
use crate::domain;
use crate::graphql::scalar::DateTime;
use crate::service;

/// What a user's chats used: tokens by day, author and model. Stopped and failed replies count like all others;
/// deleted messages do not.
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

    /// What bots were given, all together.
    async fn prompt_tokens(&self) -> i64 {
        self.0.prompt_tokens()
    }

    /// What the messages themselves have, all together.
    async fn tokens(&self) -> i64 {
        self.0.tokens().tokens
    }

    /// Whether any part of it is an estimate.
    async fn is_estimated(&self) -> bool {
        self.0.tokens().is_estimated
    }
}

/// The messages of one day that have one author, one model and one kind of figures.
#[derive(SimpleObject)]
pub struct UsageRow {
    /// The day, in UTC, by its first moment.
    day: DateTime,
    /// Who wrote the messages.
    author: Author,
    /// The model that wrote them; null of users' messages.
    model: Option<String>,
    /// How many messages, whatever became of them.
    message_count: u64,
    /// What bots were given to answer with them; nothing for users' messages.
    prompt_tokens: i64,
    /// What the messages themselves have.
    tokens: i64,
    /// Whether the figures are estimates rather than reported by the bot's service.
    is_estimated: bool,
}

impl From<domain::UsageRow> for UsageRow {
    fn from(row: domain::UsageRow) -> Self {
        Self {
            day: DateTime(row.day),
            author: row.author.into(),
            model: row.model,
            message_count: row.message_count,
            prompt_tokens: row.prompt_tokens,
            tokens: row.tokens.tokens,
            is_estimated: row.tokens.is_estimated,
        }
    }
}
