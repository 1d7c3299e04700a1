//! Which bot answers, and the offline bot's manner.

use super::{ConfigError, FaultScript, OpenAiConfig};

/// What answers.
#[derive(Clone, Debug)]
pub enum BotConfig {
    /// The offline bot.
    Builtin(BuiltinBotConfig),
    /// A service that speaks OpenAI's Chat Completions protocol.
    OpenAi(OpenAiConfig),
}

/// The offline bot's manner.
#[derive(Clone, Debug, PartialEq)]
pub struct BuiltinBotConfig {
    /// Pieces (words and the blanks between them) a second; 0 for as fast as they are read. Default 20.
    pub pieces_per_second: f64,
    /// Every answer is stretched to at least this many words. Default 0.
    pub words_min: usize,
    /// What goes wrong in every answer. Default nothing.
    pub faults: Option<FaultScript>,
    /// Whether a message may say what goes wrong in its own answer. Default no.
    pub takes_message_faults: bool,
}

impl BuiltinBotConfig {
    /// The most words that an answer can be stretched to.
    pub const WORDS_MAX: usize = 100_000;

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if !(0.0..=1_000_000.0).contains(&self.pieces_per_second) {
            return Err(ConfigError::Pace);
        }
        if self.words_min > Self::WORDS_MAX {
            return Err(ConfigError::Words);
        }
        Ok(())
    }
}

impl Default for BuiltinBotConfig {
    fn default() -> Self {
        Self {
            pieces_per_second: 20.0,
            words_min: 0,
            faults: None,
            takes_message_faults: false,
        }
    }
}
