//! Why a bot gave up: one code for each thing that somebody could act on, whichever bot it is.

/// Why a bot gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bot failed: {code}")]
pub struct BotError {
    /// A stable code, listed in `docs/errors.md`.
    pub code: &'static str,
    /// A fixed sentence for people. Never the upstream's own words.
    pub message: &'static str,
}

impl BotError {
    /// The service does not know us: its key is missing, wrong or expired.
    pub const UNAUTHORIZED: Self = Self {
        code: "UPSTREAM_UNAUTHORIZED",
        message: "The bot's service did not accept this server's key.",
    };
    /// The service says that the request is wrong.
    pub const REFUSED: Self = Self {
        code: "UPSTREAM_REFUSED",
        message: "The bot's service refused the request.",
    };
    /// The service has had enough for now.
    pub const RATE_LIMITED: Self = Self {
        code: "UPSTREAM_RATE_LIMITED",
        message: "The bot's service has too much to do. Please try again later.",
    };
    /// The service is down, or its connection broke.
    pub const UNAVAILABLE: Self = Self {
        code: "UPSTREAM_UNAVAILABLE",
        message: "The bot's service could not be reached. Please try again.",
    };
    /// The service fell silent.
    pub const TIMEOUT: Self = Self {
        code: "UPSTREAM_TIMEOUT",
        message: "The bot's service did not answer in time. Please try again.",
    };
    /// The service reported an error where an answer was due.
    pub const FAILED: Self = Self {
        code: "UPSTREAM_ERROR",
        message: "The bot's service reported an error. Please try again.",
    };
    /// What came is none of the protocol.
    pub const PROTOCOL: Self = Self {
        code: "UPSTREAM_PROTOCOL",
        message: "The bot's service answered in a way that was not understood.",
    };
    /// One line or event is larger than anything sensible.
    pub const TOO_LARGE: Self = Self {
        code: "UPSTREAM_TOO_LARGE",
        message: "The bot's service answered with more than is accepted.",
    };
    /// The service's filter took the answer away.
    pub const FILTERED: Self = Self {
        code: "UPSTREAM_FILTERED",
        message: "The bot's service withheld the answer, or the rest of it, because of its content.",
    };

    /// What an HTTP status other than 200 means.
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::UNAUTHORIZED,
            429 => Self::RATE_LIMITED,
            400..=499 => Self::REFUSED,
            500..=599 => Self::UNAVAILABLE,
            _ => Self::PROTOCOL,
        }
    }
}
