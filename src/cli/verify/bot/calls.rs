//! Calls to the trial's bot, as it noted them.

use crate::domain::Timestamp;

/// How the bot answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speech {
    /// In some words; now and then it fails before the first one, or breaks off.
    #[default]
    Any,
    /// In some words, and it never fails.
    Steady,
    /// In one very long word, and it never fails.
    Wide,
}

/// A call to the bot.
#[derive(Clone, Debug)]
pub struct Call {
    /// The server that made it.
    pub server: usize,
    /// How many servers of the trial had been started before that one was: another one after each death.
    pub start: usize,
    /// When it came.
    pub at: Timestamp,
    /// What is said last in it: the prompt.
    pub prompt: Turn,
    /// What is said before the prompt, by users and by the bot.
    pub history: Vec<Turn>,
    /// When the first words of the answer were sent.
    pub begun_at: Option<Timestamp>,
    /// How it ended.
    pub end: CallEnd,
}

/// What is said in a call, as far as somebody of the trial said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// A message, by its number among the writings.
    Writing(usize),
    /// The answer to an earlier call, or a part of it from its beginning.
    Answer(usize),
    /// Something that nobody said, or in another's name.
    Strange,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// Not yet.
    Open,
    /// The bot failed before its first words, and may be asked again.
    Failed,
    /// The bot broke off in the middle.
    BrokenOff,
    /// The answer was said to its end.
    Whole,
    /// The server closed the connection, or died.
    Left,
}
