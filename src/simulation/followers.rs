//! Followers of chats and of single replies: they read, are cut off, and resume on whatever server is up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, sleep, sleep_until};

use super::clients::viewer;
use super::fault::{Fault, is_put_back};
use super::history::{Note, Told};
use super::world::{Server, World};
use crate::domain::{ChatId, Message, MessageId, ReplyCursor, TextDigest};
use crate::engine::ReplyUpdate;
use crate::service::{ChatUpdate, Error};

/// Follows a chat to the end of the run, or a reply to its own, on one server after the other.
pub async fn follow(mut reader: Reader, mut slot: usize, cuts: Vec<u64>) {
    let begun = Instant::now();
    let mut cuts: Vec<_> = cuts
        .into_iter()
        .map(|cut| begun + Duration::from_millis(cut))
        .collect();
    cuts.sort();
    let mut cuts = cuts.into_iter();
    let world = reader.world.clone();
    loop {
        let cut = cuts.next();
        // A server that shuts down takes no more followers.
        let server = world.server_up(slot).filter(|server| !server.drain.sends_away());
        if let Some(server) = server {
            let is_over = tokio::select! {
                biased;
                () = server.gate.died() => false,
                // A place that nobody is cut off at is never reached.
                () = sleep_until(cut.unwrap_or(begun + Duration::from_secs(86_400))) => false,
                () = server.drain.departure() => {
                    reader.is_let_go(&server);
                    false
                }
                is_over = reader.read(&server) => is_over,
            };
            if is_over {
                return;
            }
        }
        let pause = world.roll(|rng| rng.u64(0..800));
        sleep(Duration::from_millis(pause)).await;
        slot = world.roll(|rng| rng.usize(0..world.server_count()));
    }
}

/// One who follows a chat or a reply, and what it has.
pub struct Reader {
    world: Arc<World>,
    follower: usize,
    chat: ChatId,
    /// The reply that it follows, unless it is the chat.
    reply: Option<MessageId>,
    cursor: Option<String>,
    texts: BTreeMap<MessageId, String>,
}

impl Reader {
    pub fn new(world: &Arc<World>, follower: usize, chat: ChatId, reply: Option<MessageId>) -> Self {
        Self {
            world: world.clone(),
            follower,
            chat,
            reply,
            cursor: None,
            texts: BTreeMap::new(),
        }
    }

    /// Reads until there is nothing more to read here; whether it is over.
    async fn read(&mut self, server: &Server) -> bool {
        let read = match self.reply {
            Some(reply) => self.read_reply(server, reply).await,
            None => self.read_chat(server).await,
        };
        match read {
            Ok(is_over) => is_over,
            Err(Error::NotFound(_)) => {
                server.gate.pass().await;
                self.note(Told::Gone);
                true
            }
            Err(_) => false,
        }
    }

    /// The server has it go elsewhere: before its end, or because of it.
    fn is_let_go(&self, server: &Server) {
        if server.drain.ended().now_or_never().is_some() {
            let server = server.gate.run;
            self.note(Told::LetGo { server });
        }
    }

    fn connected(&self, server: &Server) {
        self.note(Told::Connected {
            server: server.gate.run,
            reply: self.reply,
        });
    }

    async fn read_chat(&mut self, server: &Server) -> Result<bool, Error> {
        let followed = server
            .service
            .follow_chat(&viewer(), self.chat, self.cursor.as_deref())
            .await;
        let mut chat = followed?;
        server.gate.pass().await;
        self.connected(server);
        while let Some((update, cursor)) = chat.next().await {
            self.world.travel().await;
            server.gate.pass().await;
            self.cursor = Some(cursor.encode());
            let told = self.take(update);
            let is_over = told == Told::ChatDeleted;
            self.note(told);
            if is_over {
                break;
            }
        }
        Ok(true)
    }

    async fn read_reply(&mut self, server: &Server, id: MessageId) -> Result<bool, Error> {
        let followed = server
            .service
            .follow_reply(&viewer(), id, self.cursor.as_deref())
            .await;
        let mut reply = followed?;
        server.gate.pass().await;
        self.connected(server);
        while let Some(update) = reply.next().await {
            self.world.travel().await;
            server.gate.pass().await;
            self.cursor = Some(cursor_of(&update).encode());
            let told = self.take_reply(update);
            let is_over = matches!(told, Told::Finished { .. });
            self.note(told);
            if is_over {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn note(&self, told: Told) {
        if is_put_back(Fault::EndToldAgain) && matches!(told, Told::Finished { .. }) {
            self.note_once(told.clone());
        }
        self.note_once(told);
    }

    fn note_once(&self, told: Told) {
        self.world.note(Note::Told {
            follower: self.follower,
            chat: self.chat,
            told,
        });
    }

    fn take(&mut self, update: ChatUpdate) -> Told {
        match update {
            ChatUpdate::Resync => {
                // It reads the chat, and has another text of each reply than was told.
                self.texts.clear();
                Told::Resync
            }
            ChatUpdate::MessageAdded(Message { id, text, .. }) => Told::Added { id, text },
            ChatUpdate::MessageUpdated(message) => {
                let is_growing = message.is_under_way();
                let Message {
                    id, text, reaction, ..
                } = message;
                // Whatever is told of a message replaces what was told before, and a partial goes on behind it.
                if let Some(so_far) = self.texts.get_mut(&id).filter(|_| is_growing) {
                    so_far.clone_from(&text);
                }
                Told::Updated {
                    id,
                    text,
                    reaction,
                    is_growing,
                }
            }
            ChatUpdate::MessageDeleted(id) => Told::Deleted(id),
            ChatUpdate::ChatUpdated(chat) => Told::ChatUpdated { title: chat.title },
            ChatUpdate::TypingChanged(_) => Told::Typing,
            ChatUpdate::ChatDeleted(_) => Told::ChatDeleted,
            ChatUpdate::Reply(update) => self.take_reply(update),
        }
    }

    fn take_reply(&mut self, update: ReplyUpdate) -> Told {
        match update {
            ReplyUpdate::Snapshot {
                message,
                text,
                cursor,
            } => {
                let is_exact = fits(&text, cursor);
                self.texts.insert(message.id, text);
                Told::Shown {
                    reply: message.id,
                    reaction: message
                        .reaction
                        .clone()
                        .filter(|_| !is_put_back(Fault::ReactionTakenBack)),
                    is_exact,
                }
            }
            ReplyUpdate::Partial { id, text, cursor } => {
                let so_far = self.texts.entry(id).or_default();
                if !(is_put_back(Fault::PartialLost) && self.world.happens(100)) {
                    so_far.push_str(&text);
                }
                Told::Text {
                    reply: id,
                    is_exact: fits(so_far, cursor),
                }
            }
            ReplyUpdate::Finished { message, cursor } | ReplyUpdate::Deleted { message, cursor } => {
                let message = message.message();
                let so_far = self.texts.entry(message.id).or_default();
                Told::Finished {
                    reply: message.id,
                    state: message.reply.as_ref().map(|reply| reply.state),
                    is_exact: *so_far == message.text && fits(so_far, cursor),
                    text: message.text.clone(),
                    reaction: message
                        .reaction
                        .clone()
                        .filter(|_| !is_put_back(Fault::ReactionLost)),
                }
            }
        }
    }
}

/// Where a follower is behind this update.
fn cursor_of(update: &ReplyUpdate) -> ReplyCursor {
    match update {
        ReplyUpdate::Snapshot { cursor, .. }
        | ReplyUpdate::Partial { cursor, .. }
        | ReplyUpdate::Finished { cursor, .. }
        | ReplyUpdate::Deleted { cursor, .. } => *cursor,
    }
}

/// Whether a text is the one that a cursor stands for.
fn fits(text: &str, cursor: ReplyCursor) -> bool {
    TextDigest::of(text).cursor() == cursor
}
