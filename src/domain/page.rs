//! Keyset pages: a list is cut at a position in its order, never at a row number.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{ObjectId, Timestamp};

/// A place in a list that is ordered by a timestamp, ties broken by id. It names a place, not a row: a page can
/// begin after a row that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The timestamp that the list is ordered by.
    pub at: Timestamp,
    /// The id of the row there.
    pub id: ObjectId,
}

/// Sets a page cursor apart from other cursors, and from those of later layouts.
const PAGE_CURSOR_VERSION: u8 = b'p';

impl Position {
    /// The position as an opaque cursor: 28 characters of URL-safe base64.
    pub fn encode(self) -> String {
        let mut bytes = Vec::with_capacity(21);
        bytes.push(PAGE_CURSOR_VERSION);
        bytes.extend(self.at.millis().to_be_bytes());
        bytes.extend(self.id.bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what [`Position::encode`] wrote; `None` for anything else.
    pub fn decode(cursor: &str) -> Option<Self> {
        let bytes: [u8; 21] = URL_SAFE_NO_PAD.decode(cursor).ok()?.try_into().ok()?;
        let (version, rest) = bytes.split_first()?;
        let (at, id) = rest.split_first_chunk::<8>()?;
        let id = id.first_chunk::<12>()?;
        (*version == PAGE_CURSOR_VERSION).then(|| Self {
            at: Timestamp::from_millis(i64::from_be_bytes(*at)),
            id: ObjectId::from_bytes(*id),
        })
    }
}

/// Which part of a list to read. Both bounds are exclusive; `backward` reads from the end of what they leave, and
/// the items still come in the list's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PageRequest {
    /// At most this many items, at least one.
    pub size: usize,
    /// Whether the page is the last `size` items rather than the first.
    pub backward: bool,
    /// Only items that come after this position in the list's order.
    pub after: Option<Position>,
    /// Only items that come before this position in the list's order.
    pub before: Option<Position>,
}

impl PageRequest {
    /// The first `size` items.
    pub const fn first(size: usize) -> Self {
        Self {
            size,
            backward: false,
            after: None,
            before: None,
        }
    }

    /// The last `size` items.
    pub const fn last(size: usize) -> Self {
        Self {
            size,
            backward: true,
            after: None,
            before: None,
        }
    }
}

/// Which part of a list to read by row numbers, as the documented API cuts its lists. What is written or deleted
/// meanwhile moves the rows behind it; whoever walks a list uses a [`PageRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Rows to pass over.
    pub skip: u64,
    /// At most this many rows after those.
    pub limit: usize,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Whether items that fit the bounds were left out, in the direction of reading.
    pub has_more: bool,
}

impl<T> Page<T> {
    /// A page of nothing.
    pub const fn empty() -> Self {
        Self {
            items: Vec::new(),
            has_more: false,
        }
    }

    /// The same page of other items.
    pub fn map<U>(self, item: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(item).collect(),
            has_more: self.has_more,
        }
    }

    /// Makes a page of what a store read in the direction of the request, one item more than asked for if there
    /// was one.
    pub fn from_read(mut read: Vec<T>, request: &PageRequest) -> Self {
        let has_more = read.len() > request.size;
        read.truncate(request.size);
        if request.backward {
            read.reverse();
        }
        Self {
            items: read,
            has_more,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_its_cursor() {
        let position = Position {
            at: Timestamp::from_millis(-7),
            id: ObjectId::from_bytes([9; 12]),
        };
        assert_eq!(Position::decode(&position.encode()), Some(position));
        assert_eq!(position.encode().len(), 28);
    }

    #[test]
    fn a_foreign_cursor_is_refused() {
        for cursor in [
            "",
            "x",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "ü",
            "cAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(Position::decode(cursor), None, "{cursor}");
        }
    }
}
