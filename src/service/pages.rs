//! The arguments of a Relay connection, checked and made a page request.

use super::Error;
use crate::domain::{PageRequest, Position};

/// What a caller asks of a list, as the GraphQL Cursor Connections specification names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageArguments {
    /// At most this many from the beginning.
    pub first: Option<i32>,
    /// Only what comes after this cursor.
    pub after: Option<String>,
    /// At most this many from the end.
    pub last: Option<i32>,
    /// Only what comes before this cursor.
    pub before: Option<String>,
}

impl PageArguments {
    /// The page request: `default` items if the arguments have no number. More than `max` is an error.
    pub fn request(&self, default: usize, max: usize) -> Result<PageRequest, Error> {
        let (size, backward) = match (self.first, self.last) {
            (Some(_), Some(_)) => return Err(Error::InvalidPage),
            (Some(size), None) => (Some(size), false),
            (None, Some(size)) => (Some(size), true),
            (None, None) => (None, false),
        };
        let size = match size {
            None => default,
            Some(size) => usize::try_from(size)
                .ok()
                .filter(|size| (1..=max).contains(size))
                .ok_or(Error::InvalidPageSize { max })?,
        };
        let position = |cursor: &Option<String>| {
            cursor
                .as_deref()
                .map(|cursor| Position::decode(cursor).ok_or(Error::InvalidCursor))
                .transpose()
        };
        Ok(PageRequest {
            size,
            backward,
            after: position(&self.after)?,
            before: position(&self.before)?,
        })
    }
}
