//! Who wrote a message.

/// The side of the conversation that a message belongs to (`is_bot` in the documented storage).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Author {
    /// A person.
    User,
    /// The bot.
    Bot,
}

impl Author {
    /// The author that the documented `is_bot` flag stands for.
    pub fn from_is_bot(is_bot: bool) -> Self {
        if is_bot { Self::Bot } else { Self::User }
    }

    /// The documented `is_bot` flag.
    pub fn is_bot(self) -> bool {
        self == Self::Bot
    }
}
