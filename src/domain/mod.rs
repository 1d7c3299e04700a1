//! What a conversation is: plain types and their rules, with no I/O, no async and no outside format.

pub mod author;
pub mod chat;
pub mod clock;
pub mod cursor;
pub mod event;
pub mod id;
pub mod language;
pub mod locale;
pub mod message;
pub mod page;
pub mod reply;
pub mod search;
pub mod tokens;
pub mod usage;
pub mod viewer;

pub use author::Author;
pub use chat::{Chat, ChatChange, ChatFilter, ChatStatus};
pub use clock::{Clock, SystemClock, Timestamp, whole_millis};
pub use cursor::{ChatCursor, ReplyCursor, TextDigest};
pub use event::{CONTENT_BYTES_MAX, ChatEvent, EventMessage, FeedPosition, Typing};
pub use id::{ChatId, DocumentId, IdSource, MalformedId, MessageId, ObjectId, UserId};
pub use language::Language;
pub use locale::{LanguageTag, TimeZone};
pub use message::{ClientKey, EndedMessage, Message, MessageChange, MessageFilter};
pub use page::{Page, PageRequest, Position, Slice};
pub use reply::{
    EndState, FinishReason, Reply, ReplyError, ReplyOutcome, ReplyState, StopRequest, WhileReplying,
};
pub use search::{SearchScope, SearchWords};
pub use tokens::{TokenCount, Usage};
pub use usage::{Bill, UsageRow};
pub use viewer::{Revocation, Viewer};
