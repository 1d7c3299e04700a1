//! Whom the server takes a caller for.

use super::{Timestamp, UserId};

/// A caller, as its credential named it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Viewer {
    /// No credential was asked for: the documented mode, in which the caller names the user.
    Anonymous,
    /// A user, by a token.
    User(UserId),
    /// A program that may act for every user, by a token with the scope for that; named as its token names it.
    Service(UserId),
}

impl Viewer {
    /// The user that documented clients name in their calls, and so the one an anonymous caller acts for who names
    /// nobody.
    pub const DOCUMENTED_USER: UserId = UserId::Int(1);

    /// The user that the viewer acts for when a call names none.
    pub fn default_user(&self) -> UserId {
        match self {
            Self::Anonymous => Self::DOCUMENTED_USER,
            Self::User(id) | Self::Service(id) => id.clone(),
        }
    }

    /// Whose token it is; `None` if none was asked for.
    pub fn subject(&self) -> Option<&UserId> {
        match self {
            Self::Anonymous => None,
            Self::User(id) | Self::Service(id) => Some(id),
        }
    }

    /// The user, if it is one and nobody else.
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::User(id) => Some(id),
            Self::Anonymous | Self::Service(_) => None,
        }
    }

    /// Whether this is the id of the viewer, who is a user with a text for an id: even if the text could be read as a
    /// number.
    pub fn is_called(&self, id: &str) -> bool {
        matches!(self, Self::User(UserId::Text(own)) if own == id)
    }

    /// The user in whose name the viewer acts on what belongs to `owner`, which it [may](Self::may_act_for).
    pub fn acting_user(&self, owner: &UserId) -> UserId {
        match self {
            Self::Anonymous | Self::Service(_) => owner.clone(),
            Self::User(id) => id.clone(),
        }
    }

    /// Whether the viewer may see and change what belongs to `owner`. The one place that decides it.
    pub fn may_act_for(&self, owner: &UserId) -> bool {
        match self {
            Self::Anonymous | Self::Service(_) => true,
            Self::User(id) => id == owner,
        }
    }

    /// Whether the viewer may end the sessions of other users. The one place that decides it.
    pub fn may_revoke(&self) -> bool {
        matches!(self, Self::Service(_))
    }
}

/// That tokens of a user are worth nothing that were issued before a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Whose.
    pub user: UserId,
    /// Before when.
    pub at: Timestamp,
}
