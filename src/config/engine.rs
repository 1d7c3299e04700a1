//! How replies are made.

/// What the reply engine is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// How many tokens of a chat's latest turns a bot is given at most; the message to answer always goes in.
    /// Default 8000: room for a long conversation, and for the answer in the smallest context windows in use.
    pub history_tokens_max: i64,
}

impl EngineConfig {
    /// The largest budget that can be set.
    pub const HISTORY_TOKENS_MAX: i64 = 2_000_000;
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            history_tokens_max: 8_000,
        }
    }
}
