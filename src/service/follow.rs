//! Following a chat: its events and the growing text of every reply, in one stream with one cursor.

use std::collections::{BTreeMap, VecDeque};
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::time::{Instant, sleep_until};

use super::{Error, Service, Subject};
use crate::domain::{
    Chat, ChatCursor, ChatEvent, ChatId, FeedPosition, Message, MessageId, ReplyCursor, Typing, Viewer,
};
use crate::engine::{LiveReply, ReplyReader, ReplyUpdate};
use crate::feed::{Content, EVENTS_MAX, Followed, Follower, ReadError, SharedContent};
use crate::store::StoreError;
use crate::telemetry::causes::causes;
use crate::telemetry::{self, Counted};

/// A position that no feed has: following from it begins with a gap.
const NOWHERE: FeedPosition = FeedPosition {
    epoch: 0,
    sequence: 0,
};
/// How soon to look for the active replies again if they could not be read.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How many ended replies, and how many deleted messages, a subscription remembers, to drop events that arrive late: as
/// many as a chat keeps events. If more than this many end before such an event arrives, its reply is sent once more.
const REMEMBERED_MAX: usize = EVENTS_MAX;

/// What a subscriber of a chat receives.
#[derive(Clone, Debug)]
pub enum ChatUpdate {
    /// Earlier events are unavailable: read the chat, then apply what follows.
    Resync,
    /// A message was written, other than a reply.
    MessageAdded(Message),
    /// A message was changed.
    MessageUpdated(Message),
    /// A message was deleted.
    MessageDeleted(MessageId),
    /// The chat was changed.
    ChatUpdated(Chat),
    /// The chat was deleted; nothing follows.
    ChatDeleted(ChatId),
    /// A user began or stopped typing.
    TypingChanged(Typing),
    /// A reply began, grew or ended.
    Reply(ReplyUpdate),
}

/// A subscription to a chat. Its memory is constant: a position in the feed, and a cursor in each active reply.
pub struct ChatFollower {
    service: Arc<Service>,
    viewer: Viewer,
    chat: ChatId,
    feed: Follower,
    position: FeedPosition,
    replies: Vec<FollowedReply>,
    /// How much of each followed reply was sent; `None` if nothing was.
    sent: BTreeMap<MessageId, Option<ReplyCursor>>,
    /// The replies whose end was sent last: an event of their beginning that comes after that is dropped.
    ended: Remembered,
    /// The messages whose deletion was sent last: later events of them are dropped.
    deleted: Remembered,
    /// When to look for the active replies again, which could not be read; `None` if all are followed.
    look_at: Option<Instant>,
    is_over: bool,
    _counted: Counted,
}

/// A reply whose growth is sent.
struct FollowedReply {
    reply: Arc<LiveReply>,
    updates: BoxStream<'static, ReplyUpdate>,
}

impl Service {
    /// Follows a chat from a cursor, or from this moment if there is none. Without a cursor, or with an expired one,
    /// [`ChatUpdate::Resync`] comes first, and behind it the text so far of each reply that is followed; else their text
    /// continues.
    pub async fn follow_chat(
        self: &Arc<Self>,
        viewer: &Viewer,
        chat: ChatId,
        after: Option<&str>,
    ) -> Result<ChatFollower, Error> {
        let cursor = after
            .map(|after| ChatCursor::decode(after).ok_or(Error::InvalidCursor))
            .transpose()?;
        self.chat(viewer, chat).await?;
        let position = cursor.as_ref().map(|cursor| cursor.position);
        let mut follower = ChatFollower {
            service: self.clone(),
            viewer: viewer.clone(),
            chat,
            feed: self.feed.follow(chat, position).await,
            position: position.unwrap_or(NOWHERE),
            replies: Vec::new(),
            sent: BTreeMap::new(),
            ended: Remembered::default(),
            deleted: Remembered::default(),
            look_at: None,
            is_over: false,
            _counted: telemetry::streams::follows_chat(),
        };
        for (id, cursor) in cursor.into_iter().flat_map(|cursor| cursor.replies) {
            follower.attach(id, cursor).await?;
        }
        Ok(follower)
    }

    /// The stored message of an event of this chat, from the read that all subscribers share.
    async fn event_message(
        &self,
        chat: ChatId,
        id: MessageId,
        content: &Arc<SharedContent>,
    ) -> Result<Message, Error> {
        let read = || {
            let store = self.store.clone();
            async move {
                let found = store.messages(&[id]).await.map_err(shared)?.pop();
                Ok(found.map_or(Content::Gone, |message| Content::Message(Arc::new(message))))
            }
            .boxed()
        };
        match content.get(read, &self.contents).await? {
            Content::Message(message) if message.chat_id == chat => Ok(Arc::unwrap_or_clone(message)),
            _ => Err(Error::NotFound(Subject::Message)),
        }
    }

    /// The changed message of an event. A subscriber to whom the end of a reply was sent is not shown it growing: the
    /// shared read may have begun before the end was stored.
    async fn changed_message(
        &self,
        chat: ChatId,
        id: MessageId,
        has_ended: bool,
        content: &Arc<SharedContent>,
    ) -> Result<Message, Error> {
        let message = self.event_message(chat, id, content).await?;
        match has_ended && message.is_under_way() {
            true => self.event_message(chat, id, &Arc::default()).await,
            false => Ok(message),
        }
    }

    /// The stored chat of an event of this chat, from the read that all subscribers share.
    async fn event_chat(&self, chat: ChatId, content: &Arc<SharedContent>) -> Result<Chat, Error> {
        let read = || {
            let store = self.store.clone();
            async move {
                let found = store.chats(&[chat]).await.map_err(shared)?.pop();
                Ok(found.map_or(Content::Gone, |chat| Content::Chat(Arc::new(chat))))
            }
            .boxed()
        };
        match content.get(read, &self.contents).await? {
            Content::Chat(found) if found.id == chat => Ok(Arc::unwrap_or_clone(found)),
            _ => Err(Error::NotFound(Subject::Chat)),
        }
    }
}

impl ChatFollower {
    /// The next update and the cursor after it, or `None` after the chat was deleted. Not cancel-safe: dropping the
    /// call can lose an update.
    pub async fn next(&mut self) -> Option<(ChatUpdate, ChatCursor)> {
        while !self.is_over {
            let update = tokio::select! {
                // The feed first: an event of a message, above all its deletion, is sent before more of its text.
                biased;
                // Not while the cursor has no room for one more reply: replies that have ended make room first.
                followed = self.feed.next(), if self.replies.len() < ChatCursor::REPLIES_MAX => {
                    // Boxed, so that it takes memory only while there is an event: most chats are silent most of the
                    // time.
                    Box::pin(self.take(followed?)).await
                }
                (id, update) = next_of(&mut self.replies) => Some(self.reply_update(id, update)),
                () = due(self.look_at) => Box::pin(self.look_again()).await,
            };
            if let Some(update) = update {
                return Some((update, self.cursor()));
            }
        }
        None
    }

    /// The update for an entry of the feed, if there is anything to send.
    async fn take(&mut self, followed: Followed) -> Option<ChatUpdate> {
        let update = match followed {
            Followed::Gap(position) => {
                self.position = position;
                self.resync().await.map(Some)
            }
            Followed::Event(position, event, content) => {
                self.position = position;
                self.update_for(event, &content).await
            }
            Followed::Typing(typing) => Ok(Some(ChatUpdate::TypingChanged(typing))),
        };
        match update {
            Ok(update) => update,
            // Deleted since; its deletion event follows.
            Err(Error::NotFound(_)) => None,
            // The store is unavailable, and the client was told so: once it answers, the client reads the chat again.
            Err(_) if self.look_at.is_some() => None,
            // The store is unavailable: the client reads the chat when it can.
            Err(error) => {
                tracing::warn!(chat.id = %self.chat, error = %causes(&error), "a follower is told to read the chat again");
                self.look_at = Some(Instant::now() + LOOK_AGAIN);
                self.begin_again();
                Some(ChatUpdate::Resync)
            }
        }
    }

    /// The update for an event. If the event came without its content, that is read once for all subscribers of this
    /// server, and they share `content`.
    async fn update_for(
        &mut self,
        event: ChatEvent,
        content: &Arc<SharedContent>,
    ) -> Result<Option<ChatUpdate>, Error> {
        let (service, chat) = (&self.service, self.chat);
        if event.message_id().is_some_and(|id| self.deleted.has(id)) {
            return Ok(None);
        }
        let has_ended = event.message_id().is_some_and(|id| self.ended.has(id));
        Ok(Some(match event {
            // The content of an event, and what is read in its place, is sent without a check of the viewer: the
            // subscriber may read the chat, whose owner never changes.
            ChatEvent::MessageAdded(message) => {
                ChatUpdate::MessageAdded(match message.content_in(self.chat) {
                    Ok(message) => message,
                    Err(id) => service.event_message(chat, id, content).await?,
                })
            }
            ChatEvent::MessageUpdated(message) => {
                let message = match message.content_in(self.chat) {
                    Ok(message) => message,
                    Err(id) => service.changed_message(chat, id, has_ended, content).await?,
                };
                ChatUpdate::MessageUpdated(self.as_followed(message))
            }
            ChatEvent::MessageDeleted(id) => {
                service.engine.end_deleted(id);
                self.forget_deleted(id);
                ChatUpdate::MessageDeleted(id)
            }
            ChatEvent::ChatUpdated(changed) => ChatUpdate::ChatUpdated(match changed {
                Some(changed) if changed.id == chat => Arc::unwrap_or_clone(changed),
                _ => service.event_chat(chat, content).await?,
            }),
            ChatEvent::ChatDeleted => {
                self.is_over = true;
                ChatUpdate::ChatDeleted(self.chat)
            }
            ChatEvent::ReplyStarted(message) => {
                // A reply of another server is read in the store: the event may arrive so late that its message is
                // deleted, and then nothing of it may be sent.
                let id = message.id();
                if !has_ended && !self.is_attached(id) {
                    let reader = match service.engine.follow_known(id, None) {
                        Some(reader) => reader,
                        None => {
                            let message = service.event_message(chat, id, content).await?;
                            service.engine.follow_message(message, None)
                        }
                    };
                    if reader.chat() == chat {
                        self.push(None, reader);
                    }
                }
                return Ok(None);
            }
        }))
    }

    async fn resync(&mut self) -> Result<ChatUpdate, Error> {
        let deleted = self.find_replies().await?;
        Ok(deleted.unwrap_or(ChatUpdate::Resync))
    }

    /// Looks for the active replies until they can be read, and then has the client read the chat again: a reply may
    /// have begun and ended meanwhile.
    async fn look_again(&mut self) -> Option<ChatUpdate> {
        match self.resync().await {
            Ok(update) => Some(update),
            Err(_) => {
                self.look_at = Some(Instant::now() + LOOK_AGAIN);
                None
            }
        }
    }

    /// Follows every active reply from its beginning. Returns an update if the chat turns out to be deleted,
    /// because that event may have been missed.
    async fn find_replies(&mut self) -> Result<Option<ChatUpdate>, Error> {
        match self.service.chat(&self.viewer, self.chat).await {
            Ok(_) => {}
            Err(Error::NotFound(_)) => {
                self.is_over = true;
                return Ok(Some(ChatUpdate::ChatDeleted(self.chat)));
            }
            Err(error) => return Err(error),
        }
        let active = self.service.engine.active_replies(self.chat).await?;
        // Those that were followed and have ended meanwhile: an event of what was changed behind their ends may be lost.
        let is_active = |id: &MessageId| active.iter().any(|message| message.id == *id);
        let ended: Vec<_> = self.sent.keys().filter(|id| !is_active(id)).copied().collect();
        let ended = match ended.is_empty() {
            true => Vec::new(),
            false => self.service.store.messages(&ended).await?,
        };
        self.begin_again();
        let engine = self.service.engine.clone();
        for message in active.into_iter().chain(ended) {
            let reader = match message.is_under_way() {
                true => engine.follow_message(message, None),
                false => engine.follow_changed(message),
            };
            self.push(None, reader);
        }
        self.look_at = None;
        Ok(None)
    }

    /// Follows a reply, if the chat has it and it is not followed yet.
    async fn attach(&mut self, id: MessageId, cursor: Option<ReplyCursor>) -> Result<(), Error> {
        if self.is_attached(id) {
            return Ok(());
        }
        // Clients can forge cursors: this one may name a reply of a chat that the caller may not read.
        let reader = self.service.engine.follow(id, cursor).await?;
        if let Some(reader) = reader.filter(|reader| reader.chat() == self.chat) {
            self.push(cursor, reader);
        }
        Ok(())
    }

    /// The changed message to send. Of a reply that is still followed, its stored text is not what was sent: it is that of
    /// a checkpoint, or whole already. A growing reply is sent with the text that was sent of it, which partials continue.
    /// Where that text is not here yet, because a client resumed at a server that is behind, and for a reply that has
    /// ended, the reply is sent from its beginning again.
    fn as_followed(&mut self, mut message: Message) -> Message {
        let Some(sent) = self.sent.get(&message.id) else {
            // Changed by another server before the event of its beginning is here, which knows nothing of the change.
            if message.is_under_way() && !self.ended.has(message.id) {
                let reader = self.service.engine.follow_message(message.clone(), None);
                self.push(None, reader);
            }
            return message;
        };
        let mut replies = self.replies.iter();
        let followed = replies.find(|followed| followed.reply.id() == message.id);
        match followed.filter(|_| message.is_under_way()) {
            Some(followed) => {
                let reply = followed.reply.clone();
                reply.show(message.clone());
                match sent.map(|sent| reply.text_before(sent)) {
                    Some(Some(text)) => message.text = text,
                    Some(None) => self.push(None, reply.read_from(None)),
                    None => {}
                }
            }
            None => {
                let reader = self.service.engine.follow_changed(message.clone());
                self.push(None, reader);
            }
        }
        message
    }

    /// Whether a reply is followed, and its end was not sent.
    fn is_attached(&self, id: MessageId) -> bool {
        self.sent.contains_key(&id)
    }

    /// Follows a reply by this reader: in place of an earlier one, so that replies keep their order, or as the last.
    fn push(&mut self, cursor: Option<ReplyCursor>, reader: ReplyReader) {
        let reply = reader.reply();
        let id = reply.id();
        self.sent.insert(id, cursor);
        let updates = updates(reader);
        let followed = FollowedReply { reply, updates };
        match self.replies.iter_mut().find(|earlier| earlier.reply.id() == id) {
            Some(earlier) => *earlier = followed,
            None => self.replies.push(followed),
        }
    }

    fn stop_following(&mut self, id: MessageId) {
        self.replies.retain(|followed| followed.reply.id() != id);
        self.sent.remove(&id);
    }

    /// Sends every followed reply from its beginning again. After a resync the client reads the chat, whose text of a
    /// reply may be older than what was sent, that of a checkpoint, or newer, if the reply has ended.
    fn begin_again(&mut self) {
        self.replies
            .retain(|followed| self.sent.contains_key(&followed.reply.id()));
        for followed in &mut self.replies {
            followed.updates = updates(followed.reply.read_from(None));
            self.sent.insert(followed.reply.id(), None);
        }
    }

    /// Stops following a deleted message, and drops later events of it.
    fn forget_deleted(&mut self, id: MessageId) {
        self.stop_following(id);
        self.deleted.note(id);
    }

    /// The update of the chat for an update of one of its replies.
    fn reply_update(&mut self, id: MessageId, update: ReplyUpdate) -> ChatUpdate {
        match update {
            ReplyUpdate::Snapshot { cursor, .. } | ReplyUpdate::Partial { cursor, .. } => {
                self.sent.insert(id, Some(cursor));
            }
            ReplyUpdate::Finished { .. } => {
                // Its reader stays until the next call: a shutdown waits for readers, and this is not sent yet.
                self.sent.remove(&id);
                self.ended.note(id);
            }
            ReplyUpdate::Deleted { .. } => {
                // The feed's deletion event may be lost, or was never published.
                self.forget_deleted(id);
                return ChatUpdate::MessageDeleted(id);
            }
        }
        ChatUpdate::Reply(update)
    }

    /// The cursor after what was sent. While the active replies cannot be read, it is one that begins with a resync.
    pub fn cursor(&self) -> ChatCursor {
        ChatCursor {
            position: match self.look_at {
                Some(_) => NOWHERE,
                None => self.position,
            },
            replies: self.sent.iter().map(|(id, sent)| (*id, *sent)).collect(),
        }
    }
}

/// The error of a read, for all who wait for it.
fn shared(error: StoreError) -> ReadError {
    Arc::new(error)
}

/// The last [`REMEMBERED_MAX`] messages of which something was noted.
#[derive(Default)]
struct Remembered(VecDeque<MessageId>);

impl Remembered {
    fn note(&mut self, id: MessageId) {
        if self.0.len() == REMEMBERED_MAX {
            self.0.pop_front();
        }
        self.0.push_back(id);
    }

    fn has(&self, id: MessageId) -> bool {
        self.0.contains(&id)
    }
}

/// Completes at a moment; never, if there is none.
async fn due(at: Option<Instant>) {
    match at {
        // Boxed, so that it takes memory only while there is something to wait for.
        Some(at) => Box::pin(sleep_until(at)).await,
        None => pending().await,
    }
}

/// The next update of any of these replies, the one attached first having priority: so slow clients also see replies in
/// the order of their turns. Removes replies that have ended; never completes if there are none.
async fn next_of(replies: &mut Vec<FollowedReply>) -> (MessageId, ReplyUpdate) {
    poll_fn(|context| {
        let mut place = 0;
        while let Some(followed) = replies.get_mut(place) {
            match followed.updates.poll_next_unpin(context) {
                Poll::Ready(Some(update)) => return Poll::Ready((followed.reply.id(), update)),
                Poll::Ready(None) => drop(replies.remove(place)),
                Poll::Pending => place += 1,
            }
        }
        Poll::Pending
    })
    .await
}

fn updates(reader: ReplyReader) -> BoxStream<'static, ReplyUpdate> {
    stream::unfold(reader, |mut reader| async {
        let update = reader.next().await?;
        Some((update, reader))
    })
    .boxed()
}
