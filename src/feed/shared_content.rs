//! The stored content of an event that came without it: read once, for all subscribers of this server.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};

use super::ring::lock;
use crate::domain::{Chat, Message};

/// The most bytes of read content that a server keeps for further subscribers. The oldest is dropped first, and is read
/// again for a subscriber that lags so far.
const KEPT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// About how many bytes a content takes besides its text.
const OVERHEAD_BYTES: usize = 512;

/// What the store has of an event's message or chat.
#[derive(Clone, Debug)]
pub enum Content {
    /// The message.
    Message(Arc<Message>),
    /// The chat.
    Chat(Arc<Chat>),
    /// It was deleted.
    Gone,
}

/// Why a content could not be read.
pub type ReadError = Arc<dyn std::error::Error + Send + Sync>;

/// A read of the store.
pub type ContentRead = BoxFuture<'static, Result<Content, ReadError>>;

/// The content of one event. The first subscriber that needs it reads it, and the others share that read and its result.
/// The read begins after the event arrived, so its result is never older than what was stored then.
#[derive(Default)]
pub struct SharedContent {
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    content: Option<Content>,
    /// The read in progress. Weak: if all its callers are dropped, the read is too, and its connection is free.
    reading: Option<WeakShared<ContentRead>>,
}

/// The contents that a server keeps, at most [`KEPT_BYTES_MAX`]. Each is dropped with its event as well.
#[derive(Default)]
pub struct KeptContents {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// In the order in which they were read.
    contents: VecDeque<(Weak<SharedContent>, usize)>,
    bytes: usize,
}

impl Content {
    /// Whether it may be shown later. Not a reply that grows: once it has ended it would seem to grow again.
    fn is_lasting(&self) -> bool {
        !matches!(self, Self::Message(message) if message.is_under_way())
    }

    fn bytes(&self) -> usize {
        OVERHEAD_BYTES
            + match self {
                Self::Message(message) => message.text_bytes(),
                Self::Chat(chat) => chat.text_bytes(),
                Self::Gone => 0,
            }
    }
}

impl SharedContent {
    /// The content, which `read` reads if no other caller has. A failure is shared by those who wait for the same read,
    /// and is not kept.
    pub async fn get(
        self: &Arc<Self>,
        read: impl FnOnce() -> ContentRead,
        kept: &Arc<KeptContents>,
    ) -> Result<Content, ReadError> {
        let reading = {
            let mut slot = lock(&self.slot);
            if let Some(content) = &slot.content {
                return Ok(content.clone());
            }
            let reading = slot.reading.as_ref().and_then(WeakShared::upgrade);
            match reading.filter(|reading| reading.peek().is_none()) {
                Some(reading) => reading,
                None => {
                    let reading = self.keeping(read(), kept.clone());
                    slot.reading = reading.downgrade();
                    reading
                }
            }
        };
        reading.await
    }

    /// A read whose result is kept.
    fn keeping(self: &Arc<Self>, read: ContentRead, kept: Arc<KeptContents>) -> Shared<ContentRead> {
        let event = Arc::downgrade(self);
        let reading = async move {
            let content = read.await?;
            if content.is_lasting() {
                kept.keep(&event, content.clone());
            }
            Ok(content)
        };
        reading.boxed().shared()
    }
}

impl KeptContents {
    /// Keeps a content with its event, and drops the oldest ones for which there is no room.
    fn keep(&self, event: &Weak<SharedContent>, content: Content) {
        let Some(shared) = event.upgrade() else { return };
        let bytes = content.bytes();
        lock(&shared.slot).content = Some(content);
        let mut kept = lock(&self.kept);
        kept.contents.push_back((event.clone(), bytes));
        kept.bytes += bytes;
        while kept.bytes > KEPT_BYTES_MAX
            && let Some((oldest, bytes)) = kept.contents.pop_front()
        {
            kept.bytes -= bytes;
            if let Some(oldest) = oldest.upgrade() {
                lock(&oldest.slot).content = None;
            }
        }
    }
}

/// What was read is no part of the event.
impl PartialEq for SharedContent {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for SharedContent {}

impl std::fmt::Debug for SharedContent {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SharedContent").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "shared_content_tests.rs"]
mod tests;
