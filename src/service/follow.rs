//! Following a chat: its events, and the text of every reply while it grows, in one stream with one cursor.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::time::{Instant, sleep_until};

use super::{Error, Service};
use crate::domain::{
    Chat, ChatCursor, ChatEvent, ChatId, FeedPosition, Message, MessageId, ReplyCursor, Typing, Viewer,
};
use crate::engine::{ReplyReader, ReplyUpdate};
use crate::feed::{Followed, Follower};
use crate::telemetry::{self, Counted};

/// A place that no feed has: whoever follows from it is told of a gap.
const NOWHERE: FeedPosition = FeedPosition {
    epoch: 0,
    sequence: 0,
};
/// How soon replies under way are looked for again that could not be read.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Deleted messages that a subscription remembers. Another server may publish an event of a message after its deletion,
/// but rarely so late that this many others were deleted in between.
const DELETED_MAX: usize = 32;

/// What a follower of a chat is told.
#[derive(Clone, Debug)]
pub enum ChatUpdate {
    /// What happened before is not told: the follower reads the chat, and goes on with what comes.
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
    /// Somebody began to type or ceased.
    TypingChanged(Typing),
    /// A reply began, grew or ended.
    Reply(ReplyUpdate),
}

/// One who follows a chat. Its memory is constant: a place in the feed, and one in each reply under way.
pub struct ChatFollower {
    service: Arc<Service>,
    viewer: Viewer,
    chat: ChatId,
    feed: Follower,
    position: FeedPosition,
    replies: Vec<(MessageId, BoxStream<'static, ReplyUpdate>)>,
    /// What was told of each reply that is followed; `None` if nothing was yet.
    told: BTreeMap<MessageId, Option<ReplyCursor>>,
    /// Replies that were found under way, and whose beginning the feed may still tell.
    found: HashSet<MessageId>,
    /// The messages whose deletion was sent last: later events of them are dropped.
    deleted: VecDeque<MessageId>,
    /// When to look again for the replies under way, which could not be read; `None` if all are followed.
    look_at: Option<Instant>,
    is_over: bool,
    _counted: Counted,
}

impl Service {
    /// Follows a chat from a cursor, or from this moment if there is none. Where the cursor's place is forgotten, or
    /// there is none, the follower is told to read the chat first; of the replies under way it misses nothing.
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
            told: BTreeMap::new(),
            found: HashSet::new(),
            deleted: VecDeque::new(),
            look_at: None,
            is_over: false,
            _counted: telemetry::streams::follows_chat(),
        };
        for (id, cursor) in cursor.into_iter().flat_map(|cursor| cursor.replies) {
            if follower.attach(id, cursor).await? {
                follower.found.insert(id);
            }
        }
        Ok(follower)
    }
}

impl ChatFollower {
    /// The next update and the cursor behind it, or `None` after the chat was deleted. To be polled to its end: what
    /// a dropped call was told is lost.
    pub async fn next(&mut self) -> Option<(ChatUpdate, ChatCursor)> {
        while !self.is_over {
            let update = tokio::select! {
                // The feed first: what it says of a message, its deletion above all, comes before more of its text.
                biased;
                // Not while there is no room for one more reply: those that have ended make room first.
                followed = self.feed.next(), if self.replies.len() < ChatCursor::REPLIES_MAX => {
                    // Kept only while there is something to take: most chats are silent nearly all of the time.
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

    /// What to tell of an entry of the feed, if anything is left to tell.
    async fn take(&mut self, followed: Followed) -> Option<ChatUpdate> {
        let told = match followed {
            Followed::Gap(position) => {
                self.position = position;
                self.resync().await.map(Some)
            }
            Followed::Event(position, event) => {
                self.position = position;
                self.tell(event).await
            }
            Followed::Typing(typing) => Ok(Some(ChatUpdate::TypingChanged(typing))),
        };
        match told {
            Ok(told) => told,
            // Gone by now; that it went is told next.
            Err(Error::NotFound(_)) => None,
            // Not to be read now: the follower reads it by itself when it can.
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(chat.id = %self.chat, error, "a follower is told to read the chat again");
                self.look_at = Some(Instant::now() + LOOK_AGAIN);
                Some(ChatUpdate::Resync)
            }
        }
    }

    async fn tell(&mut self, event: ChatEvent) -> Result<Option<ChatUpdate>, Error> {
        let (service, viewer) = (&self.service, &self.viewer);
        if event.message_id().is_some_and(|id| self.deleted.contains(&id)) {
            return Ok(None);
        }
        Ok(Some(match event {
            // What an event carries needs no read: the right to the chat was checked, and its owner never changes.
            ChatEvent::MessageAdded(message) => {
                ChatUpdate::MessageAdded(match message.content_in(self.chat) {
                    Ok(message) => message,
                    Err(id) => service.message(viewer, id).await?,
                })
            }
            ChatEvent::MessageUpdated(message) => {
                ChatUpdate::MessageUpdated(match message.content_in(self.chat) {
                    Ok(message) => message,
                    Err(id) => service.message(viewer, id).await?,
                })
            }
            ChatEvent::MessageDeleted(id) => {
                // Nothing of it is told any more.
                self.detach(id);
                ChatUpdate::MessageDeleted(id)
            }
            ChatEvent::ChatUpdated(chat) => ChatUpdate::ChatUpdated(match chat {
                Some(chat) if chat.id == self.chat => Arc::unwrap_or_clone(chat),
                _ => service.chat(viewer, self.chat).await?,
            }),
            ChatEvent::ChatDeleted => {
                self.is_over = true;
                ChatUpdate::ChatDeleted(self.chat)
            }
            ChatEvent::ReplyStarted(message) => {
                let id = message.id();
                if !self.found.remove(&id) {
                    // Of a reply that another server generates the store is asked: the event may come so late that its
                    // message is deleted, and then nothing more of it may be shown.
                    self.attach(id, None).await?;
                }
                return Ok(None);
            }
        }))
    }

    async fn resync(&mut self) -> Result<ChatUpdate, Error> {
        self.found.clear();
        let deleted = self.find_replies().await?;
        Ok(deleted.unwrap_or(ChatUpdate::Resync))
    }

    /// Looks for the replies under way, until they can be read. One may have begun and ended meanwhile, so the follower
    /// then reads the chat once more.
    async fn look_again(&mut self) -> Option<ChatUpdate> {
        match self.resync().await {
            Ok(update) => Some(update),
            Err(_) => {
                self.look_at = Some(Instant::now() + LOOK_AGAIN);
                None
            }
        }
    }

    /// Follows every reply under way that is not followed yet; that the chat is deleted may be among what was missed.
    async fn find_replies(&mut self) -> Result<Option<ChatUpdate>, Error> {
        match self.service.chat(&self.viewer, self.chat).await {
            Ok(_) => {}
            Err(Error::NotFound(_)) => {
                self.is_over = true;
                return Ok(Some(ChatUpdate::ChatDeleted(self.chat)));
            }
            Err(error) => return Err(error),
        }
        let engine = &self.service.engine;
        for message in engine.active_replies(self.chat).await? {
            let id = message.id;
            if !self.is_attached(id) {
                let reader = self.service.engine.follow_message(message, None);
                self.push(id, None, reader);
            }
            self.found.insert(id);
        }
        self.look_at = None;
        Ok(None)
    }

    /// Whether the reply is followed: there may be no such message, or not yet.
    async fn attach(&mut self, id: MessageId, cursor: Option<ReplyCursor>) -> Result<bool, Error> {
        if self.is_attached(id) {
            return Ok(true);
        }
        let Some(reader) = self.service.engine.follow(id, cursor).await? else {
            return Ok(false);
        };
        // A cursor is what the caller says: it may name the reply of another chat, which is not theirs to read.
        if reader.chat() != self.chat {
            return Ok(false);
        }
        self.push(id, cursor, reader);
        Ok(true)
    }

    fn is_attached(&self, id: MessageId) -> bool {
        self.replies.iter().any(|(followed, _)| *followed == id)
    }

    fn push(&mut self, id: MessageId, cursor: Option<ReplyCursor>, reader: ReplyReader) {
        self.told.insert(id, cursor);
        self.replies.push((id, updates(reader)));
    }

    fn detach(&mut self, id: MessageId) {
        self.replies.retain(|(followed, _)| *followed != id);
        self.told.remove(&id);
        self.found.remove(&id);
        if self.deleted.len() == DELETED_MAX {
            self.deleted.pop_front();
        }
        self.deleted.push_back(id);
    }

    /// The update of the chat that an update of one of its replies is.
    fn reply_update(&mut self, id: MessageId, update: ReplyUpdate) -> ChatUpdate {
        match update {
            ReplyUpdate::Snapshot { cursor, .. } | ReplyUpdate::Partial { cursor, .. } => {
                self.told.insert(id, Some(cursor));
            }
            ReplyUpdate::Finished { .. } => _ = self.told.remove(&id),
            ReplyUpdate::Deleted { .. } => {
                // The feed's own event of the deletion may be lost, or was never published.
                self.detach(id);
                return ChatUpdate::MessageDeleted(id);
            }
        }
        ChatUpdate::Reply(update)
    }

    /// Behind what was told. Whoever comes back with it while the replies under way could not be read reads the chat again.
    pub fn cursor(&self) -> ChatCursor {
        ChatCursor {
            position: match self.look_at {
                Some(_) => NOWHERE,
                None => self.position,
            },
            replies: self.told.iter().map(|(id, told)| (*id, *told)).collect(),
        }
    }
}

/// Completes at a moment; never, if there is none.
async fn due(at: Option<Instant>) {
    match at {
        // Kept only while it is waited for.
        Some(at) => Box::pin(sleep_until(at)).await,
        None => pending().await,
    }
}

/// The next update of any of these, of that one first which was attached first: so whoever is slow sees replies in the
/// order of their turns, as everybody else does. Those that have ended are put away; where there is none, it never comes.
async fn next_of(
    replies: &mut Vec<(MessageId, BoxStream<'static, ReplyUpdate>)>,
) -> (MessageId, ReplyUpdate) {
    poll_fn(|context| {
        let mut place = 0;
        while let Some((id, updates)) = replies.get_mut(place) {
            match updates.poll_next_unpin(context) {
                Poll::Ready(Some(update)) => return Poll::Ready((*id, update)),
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
