//! What one socket is shown: the order of its frames, and what has to be remembered for it. No I/O.

use std::collections::{HashMap, HashSet, VecDeque};

use futures_util::stream::BoxStream;

use super::place::Place;
use crate::domain::{
    Author, ChatCursor, Language, Message, MessageId, ReplyCursor, ReplyState, TextDigest, Timestamp,
};
use crate::legacy::dates::{self, DateFormat};
use crate::legacy::frame::{Progress, ServerFrame, Stamp};
use crate::legacy::texts;
use crate::service::{ChatUpdate, ReplyUpdate};

/// Replies that are remembered to have ended: as many as can be told twice.
const ENDED_MAX: usize = 32;

/// A user's message of this socket that is stored.
pub(super) struct Answer {
    /// As it is stored.
    pub(super) message: Message,
    /// `userId`, as JSON.
    pub(super) user_id: String,
    /// The reply to come.
    pub(super) reply_id: MessageId,
    /// What the sender is owed.
    pub(super) own: Own,
    /// The reply, where the chat does not tell it: an earlier sending began it.
    pub(super) joined: Option<BoxStream<'static, ReplyUpdate>>,
}

/// A reply that this socket asked for.
#[derive(Clone, Copy)]
pub(super) struct Own {
    /// Whether the client takes the bot's confirmation for a second reply.
    pub(super) is_unconfirmed: bool,
    /// The language of fixed texts.
    pub(super) language: Language,
}

/// A reply that is shown.
struct Stream {
    /// What its frames name it.
    name: String,
    has_started: bool,
    /// Bytes of text that were shown.
    offset: u64,
    /// Which text that is.
    shown: Option<ReplyCursor>,
}

/// A stop whose replies have not all been shown to end.
struct Stop {
    echo: String,
    missing: HashSet<MessageId>,
}

/// One socket's view of its chat.
pub(super) struct Stage {
    voice: Voice,
    opened_at: Timestamp,
    own: HashMap<MessageId, Own>,
    streams: HashMap<MessageId, Stream>,
    /// What the client comes back with. Replies that are told by themselves are in it, so that what the chat tells of them
    /// is not heard.
    place: Place,
    /// Replies whose coming was shown.
    typing: HashSet<MessageId>,
    ended: VecDeque<MessageId>,
    is_stopping: bool,
    stop: Option<Stop>,
    /// Whether the end of typing is still to be shown, behind the answer to a stop.
    owes_typing_end: bool,
}

/// Says frames: each is encoded with the moment, and goes to the end of what is to be written.
struct Voice {
    chat_id: String,
    dates: DateFormat,
    now_micros: i64,
    last_token: i64,
    said: Vec<String>,
}

impl Voice {
    fn say(&mut self, frame: ServerFrame<'_>) {
        let stamp = Stamp {
            chat_id: &self.chat_id,
            timestamp: &self.dates.micros(self.now_micros),
        };
        self.said.push(frame.encode(stamp));
    }

    /// Epoch milliseconds and the chat: another for each frame of this socket.
    fn token(&mut self) -> String {
        let millis = self.now_micros.div_euclid(1_000);
        self.last_token = millis.max(self.last_token.saturating_add(1));
        format!("{}_{}", self.last_token, self.chat_id)
    }

    fn bot_confirm(&mut self, message: &str, id: MessageId) {
        let (time, token) = (dates::minute(self.now_micros), self.token());
        self.say(ServerFrame::BotConfirm {
            message,
            time: &time,
            token: &token,
            message_id: &id.to_string(),
        });
    }
}

impl Stage {
    /// The view of a socket that was opened at a moment.
    pub(super) fn new(chat_id: String, dates: DateFormat, opened_at: Timestamp) -> Self {
        Self {
            voice: Voice {
                chat_id,
                dates,
                now_micros: 0,
                last_token: 0,
                said: Vec::new(),
            },
            opened_at,
            own: HashMap::new(),
            streams: HashMap::new(),
            place: Place::default(),
            typing: HashSet::new(),
            ended: VecDeque::new(),
            is_stopping: false,
            stop: None,
            owes_typing_end: false,
        }
    }

    /// The moment that what is said next speaks of.
    pub(super) fn set_now(&mut self, micros: i64) {
        self.voice.now_micros = micros;
    }

    /// The frames that are to be written.
    pub(super) fn take_said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.voice.said)
    }

    pub(super) fn error(&mut self, message: &str) {
        self.voice.say(ServerFrame::Error { message });
    }

    pub(super) fn deny(&mut self) {
        self.voice.say(ServerFrame::ChatAccessDenied);
    }

    /// Confirms a message of this socket.
    pub(super) fn confirm(&mut self, answer: &Answer) {
        let id = answer.reply_id;
        let (time, token) = (dates::minute(self.voice.now_micros), self.voice.token());
        self.voice.say(ServerFrame::UserConfirm {
            message: &answer.message.text,
            user_id: &answer.user_id,
            time: &time,
            token: &token,
            message_id: &answer.message.id.to_string(),
            reply_id: &id.to_string(),
        });
        self.own.insert(id, answer.own);
    }

    /// A reply is to be told by itself, from its beginning, because the chat may not tell it; whether it is, for one
    /// that is shown already needs no other teller.
    pub(super) fn join(&mut self, id: MessageId) -> bool {
        if self.streams.contains_key(&id) {
            return false;
        }
        self.ended.retain(|ended| *ended != id);
        // Under another name, so that a client that has part of it does not append to that.
        let stream = Stream {
            name: self.fresh_name(id),
            has_started: false,
            offset: 0,
            shown: None,
        };
        self.streams.insert(id, stream);
        self.place.tell_alone(id);
        true
    }

    /// The chat is followed from a place.
    pub(super) fn follow(&mut self, place: ChatCursor) {
        self.place.follow(place);
    }

    /// Whether an update may be about a message of this socket that is just being stored, so that its confirmation
    /// has to come first.
    pub(super) fn may_await_confirmation(&self, update: &ChatUpdate) -> bool {
        match update {
            ChatUpdate::MessageAdded(message) => message.reply_id.is_some(),
            ChatUpdate::Reply(ReplyUpdate::Snapshot { message, .. }) => !self.knows(message.id),
            _ => false,
        }
    }

    /// Whether a reply is shown here, or is to be.
    pub(super) fn knows(&self, id: MessageId) -> bool {
        self.streams.contains_key(&id) || self.typing.contains(&id) || self.ended.contains(&id)
    }

    /// Replies that this socket asked for and was shown nothing of.
    pub(super) fn unseen(&self) -> Vec<MessageId> {
        let ids = self.own.keys().copied();
        ids.filter(|id| !self.streams.contains_key(id)).collect()
    }

    /// Shows what happened in the chat, and moves to the place behind it.
    pub(super) fn show(&mut self, update: &ChatUpdate, place: ChatCursor) {
        self.place.follow(place);
        match update {
            ChatUpdate::MessageAdded(message) => {
                if let Some(reply) = message.reply_id {
                    self.begin_typing(reply);
                }
                self.voice.say(ServerFrame::NewMessage {
                    message_id: &message.id.to_string(),
                    message: &message.text,
                    is_bot: message.author == Author::Bot,
                });
            }
            ChatUpdate::Reply(update) if self.place.is_alone(id_of(update)) => {}
            ChatUpdate::Reply(update) => self.show_reply(update),
            ChatUpdate::ChatDeleted(_) => self.close_all(),
            ChatUpdate::MessageDeleted(id) => self.lose(*id),
            // The documented socket has no frames for these.
            ChatUpdate::Resync
            | ChatUpdate::MessageUpdated(_)
            | ChatUpdate::ChatUpdated(_)
            | ChatUpdate::TypingChanged(_) => {}
        }
    }

    /// Shows what happened to a reply that is told by itself.
    pub(super) fn show_alone(&mut self, update: &ReplyUpdate) {
        let (ReplyUpdate::Snapshot { cursor, .. }
        | ReplyUpdate::Partial { cursor, .. }
        | ReplyUpdate::Finished { cursor, .. }
        | ReplyUpdate::Deleted { cursor, .. }) = update;
        self.place.told(id_of(update), *cursor);
        self.show_reply(update);
    }

    /// Shows what happened to a reply.
    fn show_reply(&mut self, update: &ReplyUpdate) {
        if self.ended.contains(&id_of(update)) {
            return;
        }
        match update {
            ReplyUpdate::Snapshot {
                message,
                text,
                cursor,
            } => {
                let id = message.id;
                match self.rest_of(id, text) {
                    Some(rest) => self.chunk(id, rest),
                    None => {
                        self.enter(message);
                        self.chunk(id, text);
                    }
                }
                self.note_shown(id, *cursor);
            }
            ReplyUpdate::Partial {
                id,
                text,
                cursor: place,
            } => {
                // A socket that goes on behind a cursor: the client has the beginning, if there was one.
                let behind = place.offset.saturating_sub(text.len() as u64);
                self.streams.entry(*id).or_insert_with(|| Stream {
                    name: id.to_string(),
                    has_started: behind > 0,
                    offset: behind,
                    shown: None,
                });
                self.chunk(*id, text);
                self.note_shown(*id, *place);
            }
            ReplyUpdate::Finished { message, .. } => self.finish(message.message()),
            ReplyUpdate::Deleted { message, .. } => self.lose(message.message().id),
        }
    }

    /// What a text has behind what is shown of a reply, if it begins with that.
    fn rest_of<'t>(&self, id: MessageId, text: &'t str) -> Option<&'t str> {
        let stream = self.streams.get(&id).filter(|stream| stream.has_started)?;
        let (begin, rest) = text.split_at_checked(usize::try_from(stream.offset).ok()?)?;
        (Some(TextDigest::of(begin).cursor()) == stream.shown).then_some(rest)
    }

    fn note_shown(&mut self, id: MessageId, shown: ReplyCursor) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.shown = Some(shown);
        }
    }

    /// A reply comes on stage: new, or with another text than the one that was shown.
    fn enter(&mut self, message: &Message) {
        let id = message.id;
        self.begin_typing(id);
        let name = match self.streams.remove(&id) {
            Some(shown) if shown.has_started => {
                self.end(id, &shown, None);
                self.fresh_name(id)
            }
            Some(shown) => shown.name,
            // Part of it was written before this socket: a client that comes back has that part under the plain name.
            None if message.created_at < self.opened_at => self.fresh_name(id),
            None => id.to_string(),
        };
        let stream = Stream {
            name,
            has_started: false,
            offset: 0,
            shown: None,
        };
        self.streams.insert(id, stream);
    }

    fn begin_typing(&mut self, reply: MessageId) {
        if !self.ended.contains(&reply) && self.typing.insert(reply) {
            self.voice.say(ServerFrame::TypingIndicator);
        }
    }

    /// A name for a stream that nobody was told before.
    fn fresh_name(&self, id: MessageId) -> String {
        format!("{id}_{}", self.voice.now_micros)
    }

    /// Says a piece; the beginning of the stream comes with the first.
    fn chunk(&mut self, id: MessageId, partial: &str) {
        let stream = self.streams.get_mut(&id);
        let Some(stream) = stream.filter(|_| !partial.is_empty()) else {
            return;
        };
        let cursor = self.place.cursor();
        start(&mut self.voice, id, stream);
        self.voice.say(ServerFrame::Chunk {
            stream: &stream.name,
            partial,
            progress: Progress {
                message_id: &id.to_string(),
                offset: stream.offset,
                cursor: cursor.as_deref(),
                state: None,
            },
        });
        stream.offset += partial.len() as u64;
    }

    fn end(&mut self, id: MessageId, stream: &Stream, state: Option<ReplyState>) {
        // One that says that the stream will not go on stands for nothing.
        let cursor = state.and_then(|_| self.place.cursor());
        self.voice.say(ServerFrame::End {
            stream: &stream.name,
            progress: Progress {
                message_id: &id.to_string(),
                offset: stream.offset,
                cursor: cursor.as_deref(),
                state: state.map(ReplyState::name),
            },
        });
    }

    /// A reply has ended, one way or another.
    fn finish(&mut self, message: &Message) {
        let id = message.id;
        self.place.end(id);
        let state = message
            .reply
            .as_ref()
            .map_or(ReplyState::Complete, |reply| reply.state);
        let has_failed = match state {
            ReplyState::Complete | ReplyState::Length | ReplyState::Stopped => false,
            ReplyState::Streaming | ReplyState::Truncated | ReplyState::Failed | ReplyState::Interrupted => {
                true
            }
        };
        let stream = self.streams.remove(&id);
        // Nobody is shown an empty reply before the apology for it.
        let is_shown =
            !has_failed || !message.text.is_empty() || stream.as_ref().is_some_and(|it| it.has_started);
        if is_shown {
            let mut stream = stream.unwrap_or_else(|| Stream {
                name: id.to_string(),
                has_started: !message.text.is_empty(),
                offset: message.text.len() as u64,
                shown: None,
            });
            start(&mut self.voice, id, &mut stream);
            self.end(id, &stream, Some(state));
        }
        let own = self.own.remove(&id);
        let is_whole = matches!(state, ReplyState::Complete | ReplyState::Length);
        if is_whole && own.is_some_and(|own| !own.is_unconfirmed) {
            self.voice.bot_confirm(&message.text, id);
        }
        self.typing.remove(&id);
        if self.is_stopping && state == ReplyState::Stopped {
            self.owes_typing_end = true;
        } else {
            self.voice.say(ServerFrame::StopTypingIndicator);
        }
        if let Some(own) = own.filter(|_| has_failed) {
            self.voice.bot_confirm(texts::apology(own.language), id);
        }
        self.note_end(id);
    }

    /// A message was deleted: if it is a reply that is shown to grow, it does not any more.
    fn lose(&mut self, id: MessageId) {
        let stream = self.streams.remove(&id);
        let was_coming = self.typing.remove(&id);
        if stream.is_none() && !was_coming {
            return;
        }
        self.place.end(id);
        if let Some(stream) = stream.filter(|stream| stream.has_started) {
            self.end(id, &stream, None);
        }
        self.own.remove(&id);
        self.voice.say(ServerFrame::StopTypingIndicator);
        self.note_end(id);
    }

    fn note_end(&mut self, id: MessageId) {
        if self.ended.len() == ENDED_MAX {
            self.ended.pop_front();
        }
        self.ended.push_back(id);
        if let Some(stop) = &mut self.stop {
            stop.missing.remove(&id);
            if stop.missing.is_empty() {
                self.end_stop();
            }
        }
    }

    /// A stop of this socket is under way.
    pub(super) fn begin_stop(&mut self) {
        self.is_stopping = true;
    }

    /// A stop of this socket was done: it is answered when the end of all that it stopped was shown.
    pub(super) fn stopped(&mut self, echo: String, ids: Vec<MessageId>) {
        let missing = ids.into_iter().filter(|id| !self.ended.contains(id)).collect();
        let stop = Stop { echo, missing };
        let is_done = stop.missing.is_empty();
        self.stop = Some(stop);
        if is_done {
            self.end_stop();
        }
    }

    /// Whether a stop waits for the end of a reply to be shown.
    pub(super) fn awaits_ends(&self) -> bool {
        self.stop.is_some()
    }

    /// Answers a stop.
    pub(super) fn end_stop(&mut self) {
        self.is_stopping = false;
        if let Some(stop) = self.stop.take() {
            self.voice
                .say(ServerFrame::StoppedGeneration { message: &stop.echo });
        }
        if std::mem::take(&mut self.owes_typing_end) {
            self.voice.say(ServerFrame::StopTypingIndicator);
        }
    }

    /// The chat is gone: whatever was shown to grow does not any more.
    pub(super) fn close_all(&mut self) {
        for (id, stream) in std::mem::take(&mut self.streams) {
            if stream.has_started {
                self.end(id, &stream, None);
            }
        }
        if !self.typing.is_empty() {
            self.voice.say(ServerFrame::StopTypingIndicator);
        }
        self.typing.clear();
        self.place = Place::default();
        self.own.clear();
        if self.stop.is_some() {
            self.end_stop();
        }
    }
}

fn id_of(update: &ReplyUpdate) -> MessageId {
    match update {
        ReplyUpdate::Snapshot { message, .. } => message.id,
        ReplyUpdate::Finished { message, .. } | ReplyUpdate::Deleted { message, .. } => message.message().id,
        ReplyUpdate::Partial { id, .. } => *id,
    }
}

/// Says that a stream begins, unless that was said.
fn start(voice: &mut Voice, id: MessageId, stream: &mut Stream) {
    if !std::mem::replace(&mut stream.has_started, true) {
        voice.say(ServerFrame::Start {
            stream: &stream.name,
            progress: Progress {
                message_id: &id.to_string(),
                offset: stream.offset,
                cursor: None,
                state: None,
            },
        });
    }
}
