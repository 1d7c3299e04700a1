//! What was used: tokens by day and model.

use super::{Timestamp, TokenCount, Usage, UserId};

/// The replies of one day that one model made, of one kind of figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRow {
    /// The day, in UTC, by its first moment.
    pub day: Timestamp,
    /// The model that made them, where known.
    pub model: Option<String>,
    /// How many replies, however they ended.
    pub reply_count: u64,
    /// The tokens of the prompts that the model was given. Estimated as `tokens` is.
    pub prompt_tokens: i64,
    /// The tokens of the replies themselves.
    pub tokens: TokenCount,
}

/// What one reply used, as it is entered into the ledger of usage: once, when the reply ends. Nothing that happens to the
/// reply or its chat later changes the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// The user whose chat it is.
    pub user: UserId,
    /// When the reply ended; the ledger keeps the UTC day.
    pub at: Timestamp,
    /// The model that was asked.
    pub model: Option<String>,
    /// The tokens that it took.
    pub usage: Usage,
}
