//! Following a chat: its events, and the text of every reply while it grows, in one stream with one cursor.

use std::collections::{BTreeMap, HashSet};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use futures_util::stream::{self, BoxStream, StreamExt};

use super::{Error, Service};
use crate::domain::{
    Chat, ChatCursor, ChatEvent, ChatId, FeedPosition, Message, MessageId, ReplyCursor, Typing, Viewer,
};
use crate::engine::{ReplyReader, ReplyUpdate};
use crate::feed::{Followed, Follower};
use crate::telemetry::{self, Counted};

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
            position: position.unwrap_or(FeedPosition {
                epoch: 0,
                sequence: 0,
            }),
            replies: Vec::new(),
            told: BTreeMap::new(),
            found: HashSet::new(),
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
                (id, update) = next_of(&mut self.replies) => {
                    self.note(id, &update);
                    Some(ChatUpdate::Reply(update))
                }
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
        };
        match told {
            Ok(told) => told,
            // Gone by now; that it went is told next.
            Err(Error::NotFound(_)) => None,
            // Not to be read now: the follower reads it by itself when it can.
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(chat.id = %self.chat, error, "a follower is told to read the chat again");
                Some(ChatUpdate::Resync)
            }
        }
    }

    async fn tell(&mut self, event: ChatEvent) -> Result<Option<ChatUpdate>, Error> {
        let (service, viewer) = (&self.service, &self.viewer);
        Ok(Some(match event {
            ChatEvent::MessageAdded(id) => ChatUpdate::MessageAdded(service.message(viewer, id).await?),
            ChatEvent::MessageUpdated(id) => ChatUpdate::MessageUpdated(service.message(viewer, id).await?),
            ChatEvent::MessageDeleted(id) => ChatUpdate::MessageDeleted(id),
            ChatEvent::ChatUpdated => ChatUpdate::ChatUpdated(service.chat(viewer, self.chat).await?),
            ChatEvent::ChatDeleted => {
                self.is_over = true;
                ChatUpdate::ChatDeleted(self.chat)
            }
            ChatEvent::TypingChanged(typing) => ChatUpdate::TypingChanged(typing),
            ChatEvent::ReplyStarted(id) => {
                if !self.found.remove(&id) {
                    self.attach(id, None).await?;
                }
                return Ok(None);
            }
        }))
    }

    /// Follows every reply under way that is not followed yet; that the chat is deleted may be among what was missed.
    async fn resync(&mut self) -> Result<ChatUpdate, Error> {
        match self.service.chat(&self.viewer, self.chat).await {
            Ok(_) => {}
            Err(Error::NotFound(_)) => {
                self.is_over = true;
                return Ok(ChatUpdate::ChatDeleted(self.chat));
            }
            Err(error) => return Err(error),
        }
        self.found.clear();
        for id in self.service.engine.replies_under_way(self.chat).await? {
            // One that has its place in the chat but is not stored yet begins later, and is followed then.
            if self.attach(id, None).await? {
                self.found.insert(id);
            }
        }
        Ok(ChatUpdate::Resync)
    }

    /// Whether the reply is followed: there may be no such message, or not yet.
    async fn attach(&mut self, id: MessageId, cursor: Option<ReplyCursor>) -> Result<bool, Error> {
        if self.replies.iter().any(|(followed, _)| *followed == id) {
            return Ok(true);
        }
        let Some(reader) = self.service.engine.follow(id, cursor).await? else {
            return Ok(false);
        };
        // A cursor is what the caller says: it may name the reply of another chat, which is not theirs to read.
        if reader.chat() != self.chat {
            return Ok(false);
        }
        self.told.insert(id, cursor);
        self.replies.push((id, updates(reader)));
        Ok(true)
    }

    fn note(&mut self, id: MessageId, update: &ReplyUpdate) {
        match update {
            ReplyUpdate::Snapshot { cursor, .. } | ReplyUpdate::Partial { cursor, .. } => {
                self.told.insert(id, Some(*cursor));
            }
            ReplyUpdate::Finished { .. } => {
                self.told.remove(&id);
            }
        }
    }

    /// Behind what was told.
    pub fn cursor(&self) -> ChatCursor {
        ChatCursor {
            position: self.position,
            replies: self.told.iter().map(|(id, told)| (*id, *told)).collect(),
        }
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
