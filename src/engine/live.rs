//! The live reply: one append-only text, and readers that are no more than an offset into it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
#[cfg(not(test))]
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::domain::{
    ChatId, EndState, EndedMessage, Message, MessageId, ReplyCursor, ReplyOutcome, StopRequest, TextDigest,
};
// Wakes readers in an order that does not depend on chance.
#[cfg(test)]
use crate::engine::watch;

/// The most bytes of text in one [`ReplyUpdate::Snapshot`] or [`ReplyUpdate::Partial`]. A blocked socket holds at most
/// one of them, however long the reply.
pub const UPDATE_BYTES_MAX: usize = 16 * 1024;

/// The most readers that a change wakes on the caller's own task: waking more costs more than spawning a task for it.
const READERS_WOKEN_HERE_MAX: usize = 16;

/// What a reader receives.
#[derive(Clone, Debug)]
pub enum ReplyUpdate {
    /// The text so far, or the beginning of a long one, whose rest follows. It replaces what the reader had.
    Snapshot {
        /// The message as it was when the reply began, or as it is stored if it has ended.
        message: Arc<Message>,
        /// The text, at most [`UPDATE_BYTES_MAX`] bytes.
        text: String,
        /// The cursor after it.
        cursor: ReplyCursor,
    },
    /// Text to append.
    Partial {
        /// The reply.
        id: MessageId,
        /// The text; never empty, at most [`UPDATE_BYTES_MAX`] bytes.
        text: String,
        /// The cursor after it.
        cursor: ReplyCursor,
    },
    /// The reply has ended; nothing follows.
    Finished {
        /// The message as it is stored.
        message: EndedMessage,
        /// The cursor after its text.
        cursor: ReplyCursor,
    },
    /// The reply was deleted; nothing follows.
    Deleted {
        /// The message as one that was stopped, with the text that the reader has. The store no longer has it.
        message: EndedMessage,
        /// The cursor after that text.
        cursor: ReplyCursor,
    },
}

/// How a reply ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It ended, as this message.
    As(EndedMessage),
    /// It was deleted, or was never stored.
    Deleted,
}

impl Ended {
    /// The message, if there still is one.
    pub fn into_message(self) -> Option<Message> {
        match self {
            Self::As(ended) => Some(Message::clone(ended.message())),
            Self::Deleted => None,
        }
    }
}

/// A reply with its text, which readers follow while it grows.
pub struct LiveReply {
    id: MessageId,
    chat: ChatId,
    state: RwLock<State>,
    changes: Arc<Changes>,
    is_stopped: CancellationToken,
    stop: OnceLock<StopRequest>,
    checkpoint_wanted: Notify,
    /// Released when the last reader is gone.
    _counted: Option<TaskTrackerToken>,
}

/// What a mirrored piece was to the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It brought text that was not there yet.
    New,
    /// All of it was there already.
    Known,
    /// It does not fit: text before it is missing, or differs. Nothing was changed, and [`LiveReply::heal`] has to fill
    /// the gap.
    Gap,
}

/// Wakes the readers.
struct Changes {
    sender: watch::Sender<()>,
    /// A task is scheduled to wake the readers and has not begun. They will see every change until it does.
    is_announced: AtomicBool,
}

/// Wakes the readers when it is dropped, so even if its task never runs.
struct Announcement(Arc<Changes>);

struct State {
    /// Readers of an older edition have read text that is not a prefix of this one.
    edition: u64,
    /// While it grows, or as far as it had grown when it was deleted.
    text: String,
    /// As it was when the reply began, or was changed last; once it has ended, with the whole text.
    message: Arc<Message>,
    end: Option<Ended>,
}

impl LiveReply {
    /// A reply that has the text of `message` so far.
    pub fn new(message: Message) -> Self {
        let (id, chat) = (message.id, message.chat_id);
        let end = EndedMessage::of(message.clone()).map(Ended::As);
        let state = State {
            edition: 0,
            text: if end.is_some() {
                String::new()
            } else {
                message.text.clone()
            },
            message: Arc::new(message),
            end,
        };
        Self {
            id,
            chat,
            state: RwLock::new(state),
            changes: Arc::new(Changes {
                sender: watch::Sender::new(()),
                is_announced: AtomicBool::new(false),
            }),
            is_stopped: CancellationToken::new(),
            stop: OnceLock::new(),
            checkpoint_wanted: Notify::new(),
            _counted: None,
        }
    }

    /// The same, holding `counted` until the last reader is gone.
    pub(super) fn counted_as(self, counted: TaskTrackerToken) -> Self {
        Self {
            _counted: Some(counted),
            ..self
        }
    }

    /// The chat that the reply is in.
    pub fn chat(&self) -> ChatId {
        self.chat
    }

    /// Appends a piece and wakes the readers. O(piece), amortised, for any number of readers.
    pub fn append(&self, piece: &str) {
        self.change(|state| state.text.push_str(piece));
    }

    /// Applies a piece that begins at byte `offset` of the reply, as its generating server published it. Pieces may
    /// come in any order and more than once: each byte enters the text once. O(piece).
    pub fn apply(&self, offset: usize, piece: &str) -> Applied {
        let mut applied = Applied::Known;
        self.change(|state| {
            let known = state.text.get(offset..).map(|tail| tail.len().min(piece.len()));
            let fits = known.filter(|known| {
                piece.get(..*known).is_some() && state.text.get(offset..offset + known) == piece.get(..*known)
            });
            match fits.and_then(|known| piece.get(known..)) {
                Some("") => {}
                Some(new) => {
                    state.text.push_str(new);
                    applied = Applied::New;
                }
                None => applied = Applied::Gap,
            }
        });
        applied
    }

    /// Takes over the text that the store or Redis has: a longer one extends this one, and a different one replaces it.
    pub fn heal(&self, text: &str) {
        self.change(|state| {
            if !state.text.starts_with(text) {
                state.set_text(text);
            }
        });
    }

    /// Which reply it is.
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// Takes over the message as it was stored when the reply began.
    pub(super) fn begin_as(&self, message: Message) {
        self.change(|state| state.message = Arc::new(message));
    }

    /// Takes over the message as it is stored, but for its text, unless what is known is newer: the `updated_at` of a
    /// stored message never goes back. Wakes no readers, because they have no more to read.
    pub fn show(&self, message: Message) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.end.is_none() && state.message.updated_at <= message.updated_at {
            state.message = Arc::new(message);
        }
    }

    /// Ends the reply.
    pub fn end(&self, end: Ended) {
        self.change(|state| state.end(end));
    }

    /// The text so far.
    pub fn text(&self) -> String {
        self.read(|state| state.text().to_owned())
    }

    /// The text up to a cursor; `None` if the cursor does not fit the text.
    pub fn text_before(&self, cursor: ReplyCursor) -> Option<String> {
        let offset = usize::try_from(cursor.offset).ok()?;
        self.read(|state| {
            cursor.verify(state.text())?;
            state.text().get(..offset).map(str::to_owned)
        })
    }

    /// The length of the text so far, in bytes.
    pub fn length(&self) -> usize {
        self.read(|state| state.text().len())
    }

    /// Whether the reply has ended.
    pub fn has_ended(&self) -> bool {
        self.read(|state| state.end.is_some())
    }

    /// At most [`UPDATE_BYTES_MAX`] bytes of the text after byte `offset`, once there are any; `None` at the end. An
    /// offset past the text or within a character moves down to the nearest one that is not.
    pub async fn piece_behind(&self, offset: &mut usize) -> Option<String> {
        let mut changes = self.changes.sender.subscribe();
        loop {
            changes.borrow_and_update();
            let (piece, has_ended) = self.read(|state| {
                let text = state.text();
                *offset = text.floor_char_boundary(*offset);
                let piece = text.get(*offset..).map(beginning).unwrap_or_default();
                (piece.to_owned(), state.end.is_some())
            });
            if !piece.is_empty() {
                return Some(piece);
            }
            if has_ended {
                return None;
            }
            // The sender is a field of `self`, so it cannot be gone.
            let _ = changes.changed().await;
        }
    }

    /// Has a checkpoint stored at once, which also finds a stop request in the store.
    pub fn request_checkpoint(&self) {
        self.checkpoint_wanted.notify_one();
    }

    /// Completes when [`LiveReply::request_checkpoint`] was called.
    pub async fn checkpoint_requested(&self) {
        self.checkpoint_wanted.notified().await;
    }

    /// Whether the reply has ended as exactly this message.
    pub fn ended_as(&self, message: &Message) -> bool {
        self.read(|state| state.end.is_some() && *state.message == *message)
    }

    /// How the reply ended, once it has.
    pub async fn ended(&self) -> Ended {
        let mut changes = self.changes.sender.subscribe();
        loop {
            changes.borrow_and_update();
            if let Some(end) = self.read(|state| state.end.clone()) {
                return end;
            }
            // The sender is a field of `self`, so it cannot be gone.
            let _ = changes.changed().await;
        }
    }

    /// Ends the reply as deleted, and stops its generation.
    pub fn abandon(&self) {
        self.end(Ended::Deleted);
        self.stop(None);
    }

    /// Stops the generation of the reply. Only the first request is kept; `None` means that the store has the request.
    pub fn stop(&self, request: Option<StopRequest>) {
        if let Some(request) = request {
            // Fails if there is an earlier request, which is kept.
            let _ = self.stop.set(request);
        }
        self.is_stopped.cancel();
    }

    /// Completes when somebody asked for a stop.
    pub async fn stopped(&self) {
        self.is_stopped.cancelled().await;
    }

    /// The stop request, if it was made on this server.
    pub fn stop_request(&self) -> Option<StopRequest> {
        self.stop.get().cloned()
    }

    /// A reader that continues after `cursor` if its checksum fits, and begins with a snapshot otherwise.
    pub fn read_from(self: &Arc<Self>, cursor: Option<ReplyCursor>) -> ReplyReader {
        ReplyReader {
            changes: self.changes.sender.subscribe(),
            live: self.clone(),
            cursor,
            patience: None,
            place: None,
            is_done: false,
        }
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, act: impl FnOnce(&mut State)) {
        {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            if state.end.is_some() {
                return;
            }
            act(&mut state);
        }
        self.changes.announce();
    }
}

impl Changes {
    /// Wakes the readers, at a cost that does not grow with their number: many are woken by a separate task, and one
    /// task covers all changes until it runs.
    fn announce(self: &Arc<Self>) {
        let handle = Handle::try_current().ok();
        match handle.filter(|_| self.sender.receiver_count() > READERS_WOKEN_HERE_MAX) {
            None => {
                self.sender.send_replace(());
            }
            Some(handle) if !self.is_announced.swap(true, Ordering::AcqRel) => {
                let announcement = Announcement(self.clone());
                handle.spawn(async move { drop(announcement) });
            }
            Some(_) => {}
        }
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        // Before the readers are woken, so that a change during their wake-up schedules another one.
        self.0.is_announced.swap(false, Ordering::AcqRel);
        self.0.sender.send_replace(());
    }
}

impl State {
    fn text(&self) -> &str {
        match self.end {
            Some(Ended::As(_)) => &self.message.text,
            Some(Ended::Deleted) | None => &self.text,
        }
    }

    /// Once the end is stored, the text is that of the message, which readers and queries share.
    fn end(&mut self, end: Ended) {
        if let Ended::As(ended) = &end {
            if !ended.message().text.starts_with(self.text.as_str()) {
                self.edition += 1;
            }
            self.text = String::new();
            self.message = ended.message().clone();
        }
        self.end = Some(end);
    }

    /// The message as one that was stopped at a reader's cursor.
    fn stopped_at(&self, cursor: ReplyCursor) -> EndedMessage {
        let offset = usize::try_from(cursor.offset).ok();
        let text = offset.and_then(|offset| self.text().get(..offset));
        let outcome = ReplyOutcome {
            text: Some(text.unwrap_or_default().to_owned()),
            ..ReplyOutcome::bare(EndState::Stopped, self.message.updated_at)
        };
        // A known token count is that of the whole text, of which the reader may have only a part.
        let message = Message {
            token_count: None,
            ..Message::clone(&self.message)
        };
        EndedMessage::by_outcome(message, &outcome)
    }

    fn set_text(&mut self, text: &str) {
        match text.strip_prefix(self.text.as_str()) {
            Some(rest) => self.text.push_str(rest),
            None => {
                text.clone_into(&mut self.text);
                self.edition += 1;
            }
        }
    }
}

/// One subscriber: an offset, a running checksum, and a wake-up. Constant in size; a slow one receives the pieces that
/// it missed merged into one.
pub struct ReplyReader {
    live: Arc<LiveReply>,
    changes: watch::Receiver<()>,
    /// The client's cursor, until it was compared with the text.
    cursor: Option<ReplyCursor>,
    /// Until when to wait for a text that is shorter than that cursor.
    patience: Option<Instant>,
    place: Option<Place>,
    is_done: bool,
}

struct Place {
    edition: u64,
    digest: TextDigest,
}

impl ReplyReader {
    /// The chat that the reply is in.
    pub fn chat(&self) -> ChatId {
        self.live.chat
    }

    /// The reply, for further readers of it.
    pub fn reply(&self) -> Arc<LiveReply> {
        self.live.clone()
    }

    /// The same, for a text that another server generates and that may lag behind what the client has seen there: a
    /// snapshot that takes text back is delayed this long.
    pub fn patient(mut self, patience: Duration) -> Self {
        self.patience = Some(Instant::now() + patience);
        self
    }

    /// The next update, or `None` after the end. Cancel-safe: dropping the call loses no update.
    pub async fn next(&mut self) -> Option<ReplyUpdate> {
        while !self.is_done {
            self.changes.borrow_and_update();
            let live = self.live.clone();
            if let Some(update) = live.read(|state| self.step(state)) {
                return Some(update);
            }
            // The sender lives in `self.live`, so it cannot be gone.
            let changed = self.changes.changed();
            match self.patience {
                Some(patience) => {
                    if timeout_at(patience, changed).await.is_err() {
                        self.patience = None;
                    }
                }
                None => drop(changed.await),
            }
        }
        None
    }

    fn step(&mut self, state: &State) -> Option<ReplyUpdate> {
        if self.patience.is_some() {
            let length = state.text().len() as u64;
            if state.end.is_none() && self.cursor.is_some_and(|cursor| cursor.offset > length) {
                return None;
            }
            self.patience = None;
        }
        if state.end == Some(Ended::Deleted) {
            if let Some(taken_back) = self.take_back(state) {
                return Some(taken_back);
            }
            self.is_done = true;
            let place = self.place.as_ref().map(|place| place.digest.cursor());
            let cursor = place.unwrap_or_else(|| TextDigest::empty().cursor());
            return Some(ReplyUpdate::Deleted {
                message: state.stopped_at(cursor),
                cursor,
            });
        }
        let cursor = match &self.place {
            Some(place) if place.edition == state.edition => None,
            Some(place) => Some(place.digest.cursor()),
            None => self.cursor.take(),
        };
        let text = state.text();
        if cursor.is_some() || self.place.is_none() {
            let confirmed = cursor.and_then(|cursor| cursor.verify(text));
            let is_confirmed = confirmed.is_some();
            let beginning = beginning(text);
            let digest = confirmed.unwrap_or_else(|| TextDigest::of(beginning));
            let cursor = digest.cursor();
            self.place = Some(Place {
                edition: state.edition,
                digest,
            });
            if !is_confirmed {
                return Some(ReplyUpdate::Snapshot {
                    message: state.message.clone(),
                    text: beginning.to_owned(),
                    cursor,
                });
            }
        }
        let place = self.place.as_mut()?;
        let cursor = place.digest.cursor();
        let offset = usize::try_from(cursor.offset).ok();
        let piece = beginning(offset.and_then(|offset| text.get(offset..)).unwrap_or(""));
        if !piece.is_empty() {
            place.digest.push(piece);
            return Some(ReplyUpdate::Partial {
                id: self.live.id,
                text: piece.to_owned(),
                cursor: place.digest.cursor(),
            });
        }
        let Some(Ended::As(message)) = state.end.clone() else {
            return None;
        };
        self.is_done = true;
        Some(ReplyUpdate::Finished { message, cursor })
    }

    /// Of a deleted reply: an empty snapshot if the client's cursor was never confirmed and does not fit the text.
    /// Without it, the text of the end would not be the text that the client has.
    fn take_back(&mut self, state: &State) -> Option<ReplyUpdate> {
        let claimed = self.cursor.take().filter(|_| self.place.is_none())?;
        let confirmed = claimed.verify(state.text());
        let is_confirmed = confirmed.is_some();
        let digest = confirmed.unwrap_or_else(TextDigest::empty);
        let cursor = digest.cursor();
        self.place = Some(Place {
            edition: state.edition,
            digest,
        });
        (!is_confirmed).then(|| ReplyUpdate::Snapshot {
            message: state.stopped_at(cursor).message().clone(),
            text: String::new(),
            cursor,
        })
    }
}

/// As much of a text as one update takes.
fn beginning(text: &str) -> &str {
    text.get(..text.floor_char_boundary(UPDATE_BYTES_MAX))
        .unwrap_or(text)
}

#[cfg(test)]
#[path = "live_tests.rs"]
pub(super) mod tests;
