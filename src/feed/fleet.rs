//! What servers send each other besides the events of chats. None of it is authoritative, and nothing waits for it: a
//! server that receives nothing reads the store.

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use crate::domain::MessageId;

/// The other servers cannot be reached now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the other servers cannot be reached")]
pub struct Away;

/// What a server receives of a reply that another server generates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Text that begins at byte `offset` of the reply.
    Piece {
        /// The number of bytes before it.
        offset: usize,
        /// The text.
        text: String,
    },
    /// Text may have been missed: [`Fleet::text`] has it.
    Missed,
    /// The end is stored.
    Ended,
}

/// The published text of one reply from now on, beginning with [`Heard::Missed`]. Dropping it unsubscribes.
pub type Hearing = BoxStream<'static, Heard>;

/// The other servers on the same store.
#[async_trait]
pub trait Fleet: Send + Sync {
    /// Stores a piece that begins at byte `offset` of a reply, and publishes it. Returns how many bytes of the reply
    /// are stored by then. If that is fewer than `offset`, earlier text was lost, and the piece was neither stored nor
    /// published.
    async fn carry(&self, reply: MessageId, offset: usize, piece: &str) -> Result<usize, Away>;

    /// Publishes that the end of a reply is stored.
    async fn end(&self, reply: MessageId);

    /// Subscribes to the text of a reply.
    async fn hear(&self, reply: MessageId) -> Hearing;

    /// The published text of a reply; `None` if none is stored or it cannot be read now.
    async fn text(&self, reply: MessageId) -> Option<String>;

    /// Notifies the server of this name that the store has a stop request for its reply.
    async fn wake(&self, owner: &str, reply: MessageId);

    /// The replies of this server for which other servers stored a stop request.
    fn woken(&self) -> BoxStream<'static, MessageId>;

    /// Publishes how many connections a room has on this server.
    fn announce(&self, room: &str, connections: usize);

    /// How many connections each of these rooms has on the other live servers, in their order; empty if that cannot be
    /// read now.
    async fn connections(&self, rooms: &[String]) -> Vec<usize>;
}
