//! What answers: a prompt in; a stream of pieces, then how it ended, out.

pub mod builtin;
pub mod error;
pub mod openai;

use std::time::Duration;

use futures_util::stream::BoxStream;

use crate::config::FaultScript;
use crate::domain::{Author, FinishReason, LanguageTag, TimeZone, Timestamp, Usage};

pub use builtin::BuiltinBot;
pub use error::BotError;
pub use openai::{OpenAiBot, OpenAiSetupError, Probed};

/// The longest that a service may ask us to wait before we try again, without the reply failing instead: a person
/// looks at an empty reply meanwhile.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(20);

/// One earlier contribution to the chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Who wrote it.
    pub author: Author,
    /// What it says.
    pub text: String,
}

/// What a bot is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// The latest turns of the chat, oldest first; the last one is the message to answer.
    pub turns: Vec<Turn>,
    /// The language that the sender chose, if any.
    pub language: Option<LanguageTag>,
    /// Where the sender is, if told.
    pub timezone: Option<TimeZone>,
    /// The present moment.
    pub now: Timestamp,
    /// What goes wrong in the answer, instead of what goes wrong in all of them; only the offline bot heeds it.
    pub faults: Option<FaultScript>,
}

impl Prompt {
    /// The message to answer.
    pub fn question(&self) -> &str {
        self.turns.last().map_or("", |turn| &turn.text)
    }
}

/// What a bot's stream carries. A stream that ends without [`BotEvent::Finished`] broke off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BotEvent {
    /// The next part of the text; never empty.
    Piece(String),
    /// The next part of what the model thinks before it speaks; never empty, and no part of the text.
    Reasoning(String),
    /// The end.
    Finished {
        /// Why it ended.
        reason: FinishReason,
        /// What it cost, if the bot knows.
        usage: Option<Usage>,
    },
}

/// Something that answers prompts. Dropping the stream stops it and closes whatever it holds open.
pub trait Bot: Send + Sync {
    /// The name of the model that answers.
    fn model(&self) -> &str;

    /// Whether [`Prompt::faults`] means anything to it.
    fn heeds_faults(&self) -> bool {
        false
    }

    /// Starts an answer.
    fn reply(&self, prompt: Prompt) -> BoxStream<'static, Result<BotEvent, BotError>>;
}
