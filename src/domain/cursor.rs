//! Cursors of what grows: how much of a reply a client has, with proof that it is this reply's text; and how much of
//! a chat.

use std::hash::Hasher;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use twox_hash::XxHash64;

use super::{FeedPosition, MessageId, ObjectId};

/// A running checksum of a text, fed piece by piece: where the text was cut does not matter. Constant in size.
#[derive(Clone, Debug)]
pub struct TextDigest {
    length: u64,
    hash: XxHash64,
}

impl TextDigest {
    /// The digest of no text.
    pub fn empty() -> Self {
        Self {
            length: 0,
            hash: XxHash64::with_seed(0),
        }
    }

    /// The digest of `text`.
    pub fn of(text: &str) -> Self {
        let mut digest = Self::empty();
        digest.push(text);
        digest
    }

    /// Adds the next piece. O(piece).
    pub fn push(&mut self, piece: &str) {
        self.length += piece.len() as u64;
        self.hash.write(piece.as_bytes());
    }

    /// The cursor of one who has exactly the text fed so far.
    pub fn cursor(&self) -> ReplyCursor {
        ReplyCursor {
            offset: self.length,
            checksum: self.hash.finish(),
        }
    }
}

/// How far a client has read a reply. Opaque to clients: 23 characters of URL-safe base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyCursor {
    /// Bytes of UTF-8 that the client has.
    pub offset: u64,
    /// xxHash64 of those bytes.
    pub checksum: u64,
}

/// Sets a reply cursor apart from other cursors, and from those of later layouts.
const REPLY_CURSOR_VERSION: u8 = b'r';

impl ReplyCursor {
    /// The cursor as clients carry it.
    pub fn encode(self) -> String {
        let mut bytes = Vec::with_capacity(17);
        bytes.push(REPLY_CURSOR_VERSION);
        bytes.extend(self.offset.to_be_bytes());
        bytes.extend(self.checksum.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what [`ReplyCursor::encode`] wrote; `None` for anything else.
    pub fn decode(cursor: &str) -> Option<Self> {
        let bytes: [u8; 17] = URL_SAFE_NO_PAD.decode(cursor).ok()?.try_into().ok()?;
        let (version, rest) = bytes.split_first()?;
        let (offset, checksum) = rest.split_first_chunk::<8>()?;
        let checksum = checksum.first_chunk::<8>()?;
        (*version == REPLY_CURSOR_VERSION).then(|| Self {
            offset: u64::from_be_bytes(*offset),
            checksum: u64::from_be_bytes(*checksum),
        })
    }

    /// The digest of the text up to this cursor, if `text` begins with exactly the text that the cursor stands for.
    /// O(offset), paid once for each resume.
    pub fn verify(self, text: &str) -> Option<TextDigest> {
        let offset = usize::try_from(self.offset).ok()?;
        let digest = TextDigest::of(text.get(..offset)?);
        (digest.cursor() == self).then_some(digest)
    }
}

/// How far a client has followed a chat: a place in its feed, and one in each reply that was growing. Opaque to
/// clients: URL-safe base64 of 17 bytes and 28 for each reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatCursor {
    /// The place in the feed.
    pub position: FeedPosition,
    /// The replies that had begun and not ended, at most [`ChatCursor::REPLIES_MAX`]; `None` of one of which nothing
    /// was told yet.
    pub replies: Vec<(MessageId, Option<ReplyCursor>)>,
}

/// Stands for a reply of which nothing was told: no text is that long.
const NOTHING_TOLD: ReplyCursor = ReplyCursor {
    offset: u64::MAX,
    checksum: 0,
};

/// Sets a chat cursor apart from other cursors, and from those of later layouts.
const CHAT_CURSOR_VERSION: u8 = b'c';

impl ChatCursor {
    /// The most replies that a cursor holds.
    pub const REPLIES_MAX: usize = 16;

    /// The cursor as clients carry it.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(17 + 28 * self.replies.len());
        bytes.push(CHAT_CURSOR_VERSION);
        bytes.extend(self.position.epoch.to_be_bytes());
        bytes.extend(self.position.sequence.to_be_bytes());
        for (id, cursor) in self.replies.iter().take(Self::REPLIES_MAX) {
            let cursor = cursor.unwrap_or(NOTHING_TOLD);
            bytes.extend(id.0.bytes());
            bytes.extend(cursor.offset.to_be_bytes());
            bytes.extend(cursor.checksum.to_be_bytes());
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what [`ChatCursor::encode`] wrote; `None` for anything else.
    pub fn decode(cursor: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (epoch, rest) = rest.split_first_chunk::<8>()?;
        let (sequence, rest) = rest.split_first_chunk::<8>()?;
        let replies = rest.chunks(28).map(|reply| {
            let (id, rest) = reply.split_first_chunk::<12>()?;
            let (offset, checksum) = rest.split_first_chunk::<8>()?;
            let cursor = ReplyCursor {
                offset: u64::from_be_bytes(*offset),
                checksum: u64::from_be_bytes(checksum.try_into().ok()?),
            };
            let told = (cursor != NOTHING_TOLD).then_some(cursor);
            Some((MessageId(ObjectId::from_bytes(*id)), told))
        });
        let replies: Vec<_> = replies.collect::<Option<_>>()?;
        (*version == CHAT_CURSOR_VERSION && replies.len() <= Self::REPLIES_MAX).then_some(Self {
            position: FeedPosition {
                epoch: u64::from_be_bytes(*epoch),
                sequence: u64::from_be_bytes(*sequence),
            },
            replies,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_fits_every_text_that_begins_as_its_own_however_it_was_cut(
            pieces in prop::collection::vec(".{0,9}", 0..9), rest in ".{0,9}",
        ) {
            let mut digest = TextDigest::empty();
            pieces.iter().for_each(|piece| digest.push(piece));
            let cursor = ReplyCursor::decode(&digest.cursor().encode()).unwrap();
            let text = pieces.concat();
            prop_assert_eq!(cursor.verify(&(text.clone() + &rest)).unwrap().cursor(), TextDigest::of(&text).cursor());
        }

        #[test]
        fn decoding_any_text_is_harmless(text in ".{0,40}") {
            let _ = ReplyCursor::decode(&text);
            let _ = ChatCursor::decode(&text);
        }

        #[test]
        fn a_chat_cursor_survives_its_encoding(
            epoch: u64, sequence: u64, replies in prop::collection::vec((any::<[u8; 12]>(), any::<Option<(u32, u64)>>()), 0..16),
        ) {
            let reply = |(id, told): (_, Option<(u32, u64)>)| {
                let told = told.map(|(offset, checksum)| ReplyCursor { offset: offset.into(), checksum });
                (MessageId(ObjectId::from_bytes(id)), told)
            };
            let cursor = ChatCursor {
                position: FeedPosition { epoch, sequence },
                replies: replies.into_iter().map(reply).collect(),
            };
            prop_assert_eq!(ChatCursor::decode(&cursor.encode()), Some(cursor));
        }
    }

    #[test]
    fn a_cursor_does_not_fit_another_text_a_shorter_one_or_half_a_character() {
        let cursor = TextDigest::of("नमस्ते").cursor();
        assert!(cursor.verify("नमस्ते दुनिया").is_some());
        assert!(cursor.verify("नमस्").is_none());
        assert!(cursor.verify("नमस्तX दुनिया").is_none());
        assert!(
            ReplyCursor {
                offset: 1,
                checksum: cursor.checksum
            }
            .verify("नमस्ते")
            .is_none()
        );
        assert!(
            ReplyCursor {
                offset: u64::MAX,
                checksum: 0
            }
            .verify("नमस्ते")
            .is_none()
        );
    }
}
