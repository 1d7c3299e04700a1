//! What counting everything again did: the facts behind `colloquy recount`.

/// How far a recount is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecountProgress {
    /// So many chats were looked at.
    Chats(u64),
    /// The replies in the chats of so many users were looked at.
    Users(u64),
}

/// What a recount did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recounted {
    /// Chats whose counts were counted again.
    pub chats_counted: u64,
    /// Those of them for which something else was stored.
    pub chats_corrected: u64,
    /// Chats that are being changed, which the servers count again by themselves.
    pub chats_left: u64,
    /// Users whose replies were looked at. None where the ledger of usage is complete by itself.
    pub users: u64,
    /// Stored replies that used tokens.
    pub replies: u64,
    /// Rows of the ledger of usage that were added or raised.
    pub ledger_rows: u64,
}
