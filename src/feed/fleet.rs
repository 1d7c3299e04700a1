//! What servers tell each other besides the events of chats. None of it is the truth, and none of it is waited for:
//! whoever hears nothing looks into the store.

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use crate::domain::MessageId;

/// Nothing can be carried now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the other servers cannot be reached")]
pub struct Away;

/// What is heard of a reply that another server generates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Text that begins at byte `offset` of the reply.
    Piece {
        /// Bytes before it.
        offset: usize,
        /// The text.
        text: String,
    },
    /// Something may have been missed: [`Fleet::text`] has it.
    Missed,
    /// The end is stored.
    Ended,
}

/// What is heard of one reply from a moment on: [`Heard::Missed`] first. Dropping it ends the hearing.
pub type Hearing = BoxStream<'static, Heard>;

/// The other servers of one installation.
#[async_trait]
pub trait Fleet: Send + Sync {
    /// Keeps a piece that begins at byte `offset` of a reply, and tells it to whoever hears. Returns how many bytes of
    /// the reply are kept by now: fewer than `offset` if what came before is forgotten, and then the piece is not kept.
    async fn carry(&self, reply: MessageId, offset: usize, piece: &str) -> Result<usize, Away>;

    /// Tells that the end of a reply is stored.
    async fn end(&self, reply: MessageId);

    /// Hears of a reply from now on.
    async fn hear(&self, reply: MessageId) -> Hearing;

    /// The text of a reply as far as it was carried; `None` if nothing is kept of it or it cannot be had now.
    async fn text(&self, reply: MessageId) -> Option<String>;

    /// Tells the server of this name that somebody asked its reply to stop.
    async fn wake(&self, owner: &str, reply: MessageId);

    /// The replies of this server that others ask to stop.
    fn woken(&self) -> BoxStream<'static, MessageId>;

    /// Lets the others know how many connections a room has on this server.
    fn announce(&self, room: &str, connections: usize);

    /// How many connections each of these rooms has on the other servers that are alive, in their order; less, or none
    /// at all, where that cannot be known now.
    async fn connections(&self, rooms: &[String]) -> Vec<usize>;
}
