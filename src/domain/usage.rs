//! What was used: tokens by day and model.

use super::{Author, Timestamp, TokenCount};

/// The messages of one day that have one author, one model and one kind of figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// The day, in UTC, by its first moment.
    pub day: Timestamp,
    /// Who wrote the messages.
    pub author: Author,
    /// The model that wrote them; `None` of users' messages and of bots' messages that were stored ready-made.
    pub model: Option<String>,
    /// How many messages, whatever became of them; users' messages count only if their tokens were counted.
    pub message_count: u64,
    /// What bots were given to answer with them; nothing for users' messages. Estimated as `tokens` is.
    pub prompt_tokens: i64,
    /// What the messages themselves have.
    pub tokens: TokenCount,
}
