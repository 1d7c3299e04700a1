//! Whom the server takes a caller for.

use super::UserId;

/// A caller, as its credential named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// No credential was asked for: the documented mode, in which the caller names the user.
    Anonymous,
}

impl Viewer {
    /// The user that documented clients name in their calls, and so the one an anonymous caller acts for who names
    /// nobody.
    pub const DOCUMENTED_USER: UserId = UserId::Int(1);

    /// The user that the viewer acts for when a call names none.
    pub fn default_user(&self) -> UserId {
        match self {
            Self::Anonymous => Self::DOCUMENTED_USER,
        }
    }

    /// The user in whose name the viewer acts on what belongs to `owner`.
    pub fn acting_user(&self, owner: &UserId) -> UserId {
        match self {
            Self::Anonymous => owner.clone(),
        }
    }

    /// Whether the viewer may see and change what belongs to `owner`. The one place that decides it.
    pub fn may_act_for(&self, _owner: &UserId) -> bool {
        match self {
            Self::Anonymous => true,
        }
    }
}
