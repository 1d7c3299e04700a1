//! Identifiers: 12-byte ObjectIds as MongoDB lays them out, and user ids as identity providers issue them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::clock::{Clock, Timestamp};

/// The text was not 24 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 24 hexadecimal digits")]
pub struct MalformedId;

/// Twelve bytes in the layout of the BSON specification: four of seconds since the epoch, five that are random
/// per process, three of a counter. Written as 24 lower-case hexadecimal digits; upper case is read as well.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId([u8; 12]);

impl ObjectId {
    /// An id from its twelve bytes.
    pub const fn from_bytes(bytes: [u8; 12]) -> Self {
        Self(bytes)
    }

    /// The twelve bytes.
    pub const fn bytes(self) -> [u8; 12] {
        self.0
    }

    /// The beginning of the second in which the id was minted, by its first four bytes. MongoDB's drivers write them too.
    pub fn minted_at(self) -> Timestamp {
        let [a, b, c, d, ..] = self.0;
        Timestamp::from_millis(i64::from(u32::from_be_bytes([a, b, c, d])) * 1000)
    }

    /// Reads 24 hexadecimal digits of either case.
    pub fn parse(text: &str) -> Result<Self, MalformedId> {
        let mut bytes = [0; 12];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| MalformedId)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 24];
        hex::encode_to_slice(self.0, &mut digits).map_err(|_| fmt::Error)?;
        out.write_str(str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

macro_rules! object_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub ObjectId);

        impl $name {
            /// Reads 24 hexadecimal digits of either case.
            pub fn parse(text: &str) -> Result<Self, MalformedId> {
                ObjectId::parse(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(out)
            }
        }
    };
}

object_id! {
    /// Names a chat.
    ChatId
}
object_id! {
    /// Names a message, and the reply that a bot's message grows from.
    MessageId
}
object_id! {
    /// Names a document, in some other system, that a chat is about. It is never looked up.
    DocumentId
}

/// Names a user: an integer as documented, or text as identity providers issue it. It keeps its kind in the store,
/// so that `7` and `"7"` are two users. Integers come before texts, as they do in every store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UserId {
    /// A documented user id.
    Int(i64),
    /// The subject of a token. Not empty, at most [`UserId::TEXT_BYTES_MAX`] bytes.
    Text(String),
}

impl UserId {
    /// The longest textual user id, in bytes: an OpenID Connect `sub` has at most 255 ASCII characters.
    pub const TEXT_BYTES_MAX: usize = 255;
}

impl fmt::Display for UserId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(id) => write!(out, "{id}"),
            Self::Text(id) => write!(out, "{id}"),
        }
    }
}

/// Mints ids. Ids of one source rise with the clock's seconds, and within one second with their counter.
pub struct IdSource {
    clock: Arc<dyn Clock>,
    process: [u8; 5],
    counter: AtomicU32,
}

impl IdSource {
    /// A source over `clock`; `seed` is eight random bytes that set it apart from the sources of other processes.
    pub fn new(clock: Arc<dyn Clock>, seed: [u8; 8]) -> Self {
        let [a, b, c, d, e, counter @ ..] = seed;
        let [x, y, z] = counter;
        // The counter starts in the lower half, so that it does not wrap within a burst after the start.
        Self {
            clock,
            process: [a, b, c, d, e],
            counter: AtomicU32::new(u32::from_be_bytes([0, x & 0x7f, y, z])),
        }
    }

    /// The next id.
    pub fn next(&self) -> ObjectId {
        let seconds = u32::try_from(self.clock.now().millis() / 1000)
            .unwrap_or(u32::MAX)
            .to_be_bytes();
        let counter = self.counter.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let ([s0, s1, s2, s3], [p0, p1, p2, p3, p4], [_, c0, c1, c2]) = (seconds, self.process, counter);
        ObjectId([s0, s1, s2, s3, p0, p1, p2, p3, p4, c0, c1, c2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SystemClock;

    #[test]
    fn an_id_reads_back_what_it_prints_and_accepts_upper_case() {
        let id = IdSource::new(Arc::new(SystemClock), *b"12345678").next();
        assert_eq!(ObjectId::parse(&id.to_string()), Ok(id));
        assert_eq!(ObjectId::parse(&id.to_string().to_uppercase()), Ok(id));
    }

    #[test]
    fn anything_but_24_hex_digits_is_malformed() {
        for text in [
            "",
            "5f",
            "+f5f5f5f5f5f5f5f5f5f5f5f",
            "zf5f5f5f5f5f5f5f5f5f5f5f",
            "ééééééééééééé",
        ] {
            assert_eq!(ObjectId::parse(text), Err(MalformedId), "{text}");
        }
    }

    #[test]
    fn a_source_never_repeats_and_rises() {
        let source = IdSource::new(Arc::new(SystemClock), *b"abcdefgh");
        let ids: Vec<_> = (0..1000).map(|_| source.next()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
    }
}
