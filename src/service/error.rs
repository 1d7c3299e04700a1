//! Why a use case was refused, with the stable code that clients act on.

use std::time::Duration;

use crate::config::FaultScriptError;
use crate::domain::SearchWords;
use crate::engine::BeginError;
use crate::feed::ReadError;
use crate::store::StoreError;

/// What was not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A chat.
    Chat,
    /// A message.
    Message,
}

impl std::fmt::Display for Subject {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Chat => "Chat",
            Self::Message => "Message",
        })
    }
}

/// A refusal. The text is for people, [`Error::code`] for programs; `docs/errors.md` lists the codes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The token is missing or invalid. The error does not say which.
    #[error("A valid token is required.")]
    Unauthenticated,
    /// Only tokens with the service scope may do this.
    #[error("That needs a token with the scope of services.")]
    Forbidden,
    /// The caller named another user. The error does not say whether that user exists.
    #[error("You may act for yourself only.")]
    OtherUser,
    /// The JWT keys could not be fetched yet.
    #[error("Tokens cannot be checked now. Please try again.")]
    NoKeys,
    /// The caller asks too often.
    #[error("Too many requests. Please wait.")]
    RateLimited {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The user has used up the tokens of the day.
    #[error("The tokens of today are used up.")]
    QuotaExceeded {
        /// The time until the next day begins.
        retry_after: Duration,
    },
    /// The caller or the server has as many open streams as allowed.
    #[error("As many streams are open as this server allows.")]
    TooManyStreams,
    /// Malformed id.
    #[error("An id is 24 hexadecimal digits.")]
    InvalidId,
    /// Malformed user id.
    #[error("A user id is a 64-bit integer or 1 to 255 bytes of text.")]
    InvalidUserId,
    /// It does not exist, or is not the viewer's: the two look the same.
    #[error("{0} not found")]
    NotFound(Subject),
    /// A title that is blank or too long.
    #[error("A title has 1 to {max} characters, and not only blanks.")]
    InvalidTitle {
        /// The bound, in characters.
        max: usize,
    },
    /// A text that is blank or too long.
    #[error("A message has 1 to {max} bytes of UTF-8, and not only blanks.")]
    InvalidText {
        /// The bound, in bytes.
        max: usize,
    },
    /// A status, type or reaction that is blank or too long.
    #[error("A {label} has 1 to {max} characters, and not only blanks.")]
    InvalidLabel {
        /// Which of them.
        label: &'static str,
        /// The bound, in characters.
        max: usize,
    },
    /// Malformed client key.
    #[error("A client key has 1 to 128 characters of A-Z a-z 0-9 _ . : -")]
    InvalidClientKey,
    /// A page size out of bounds.
    #[error("A page has 1 to {max} items.")]
    InvalidPageSize {
        /// The bound.
        max: usize,
    },
    /// Page arguments that contradict each other.
    #[error("Ask for the first items or for the last ones, not for both.")]
    InvalidPage,
    /// A cursor that this server did not write.
    #[error("This is not a cursor that this list or subscription hands out.")]
    InvalidCursor,
    /// A search without a word, or with too many.
    #[error(
        "A search has 1 to {} words and at most {} characters.",
        SearchWords::WORDS_MAX,
        SearchWords::QUERY_CHARS_MAX
    )]
    InvalidSearch,
    /// Invalid period.
    #[error("A period ends after it begins, and has at most {days} days.")]
    InvalidPeriod {
        /// The bound, in days.
        days: i64,
    },
    /// Malformed language tag.
    #[error("A language is a BCP 47 tag, such as hi or en-GB.")]
    InvalidLanguage,
    /// Unknown time zone.
    #[error("A time zone is a name of the IANA database, such as Asia/Kolkata.")]
    InvalidTimeZone,
    /// A fault script that cannot be read.
    #[error("The fault script cannot be read: {0}")]
    InvalidFaults(#[from] FaultScriptError),
    /// This server does not let messages say what goes wrong in their answers.
    #[error("This server takes no fault scripts with messages.")]
    FaultsNotAllowed,
    /// The client key is taken by a message that says something else.
    #[error("This client key belongs to another message of the chat.")]
    Conflict,
    /// The text of a reply is to be edited that still grows.
    #[error("This reply still grows; edit it when it has ended.")]
    ReplyGrows,
    /// The chat has too many active replies.
    #[error("Too many replies wait in this chat.")]
    TooManyReplies,
    /// A reply is active, and the caller does not want to wait for it; or it is the reply to regenerate.
    #[error("A reply is under way.")]
    ReplyUnderWay,
    /// The message is no reply.
    #[error("This message is not a bot's reply.")]
    NotAReply,
    /// The server is shutting down.
    #[error("The server is shutting down.")]
    ShuttingDown,
    /// The store is unavailable. The same call may succeed later.
    #[error("The store is not available. Please try again.")]
    Unavailable(#[source] StoreError),
    /// Something that should not happen.
    #[error("Something went wrong.")]
    Internal(#[source] StoreError),
    /// A use case panicked.
    #[error("Something went wrong.")]
    Panicked(#[source] tokio::task::JoinError),
}

impl Error {
    /// How long the caller should wait before a retry, in seconds, where that is known. Rounded up, so that a retry
    /// right after it succeeds.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after } | Self::QuotaExceeded { retry_after } => {
                Some(retry_after.as_secs().saturating_add(1))
            }
            _ => None,
        }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden | Self::OtherUser => "FORBIDDEN",
            Self::RateLimited { .. } => "RATE_LIMITED",
            Self::QuotaExceeded { .. } => "QUOTA_EXCEEDED",
            Self::TooManyStreams => "TOO_MANY_STREAMS",
            Self::InvalidId => "INVALID_ID",
            Self::InvalidUserId => "INVALID_USER_ID",
            Self::NotFound(_) => "NOT_FOUND",
            Self::InvalidTitle { .. } => "INVALID_TITLE",
            Self::InvalidText { .. } => "INVALID_TEXT",
            Self::InvalidLabel { .. } => "INVALID_LABEL",
            Self::InvalidClientKey => "INVALID_CLIENT_KEY",
            Self::InvalidPageSize { .. } => "INVALID_PAGE_SIZE",
            Self::InvalidPage => "INVALID_PAGE",
            Self::InvalidCursor => "INVALID_CURSOR",
            Self::InvalidSearch => "INVALID_SEARCH",
            Self::InvalidPeriod { .. } => "INVALID_PERIOD",
            Self::InvalidLanguage => "INVALID_LANGUAGE",
            Self::InvalidTimeZone => "INVALID_TIME_ZONE",
            Self::InvalidFaults(_) => "INVALID_FAULTS",
            Self::FaultsNotAllowed => "FAULTS_NOT_ALLOWED",
            Self::ReplyUnderWay => "REPLY_UNDER_WAY",
            Self::Conflict | Self::ReplyGrows => "CONFLICT",
            Self::TooManyReplies => "TOO_MANY_REPLIES",
            Self::NotAReply => "NOT_A_REPLY",
            Self::ShuttingDown => "SHUTTING_DOWN",
            Self::NoKeys | Self::Unavailable(_) => "UNAVAILABLE",
            Self::Internal(_) | Self::Panicked(_) => "INTERNAL",
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::Unavailable(error),
            StoreError::Corrupt(_) | StoreError::Failed(_) => Self::Internal(error),
        }
    }
}

/// The error of a read that several callers share.
impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        Self::Internal(StoreError::Failed(Box::new(error)))
    }
}

impl From<BeginError> for Error {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::NoChat => Self::NotFound(Subject::Chat),
            BeginError::KeyReused => Self::Conflict,
            BeginError::QueueFull => Self::TooManyReplies,
            BeginError::UnderWay => Self::ReplyUnderWay,
            BeginError::ShuttingDown => Self::ShuttingDown,
            BeginError::Store(error) => error.into(),
        }
    }
}
