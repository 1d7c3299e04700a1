//! How the messages of a chat are counted.

/// How the messages of a chat are counted, and their tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CountsConfig {
    /// By what is kept with the chat, which only the servers of this version keep right.
    #[default]
    Kept,
    /// All of them each time, whoever wrote them.
    Live,
}
