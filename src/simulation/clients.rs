//! Clients: they call servers, go away, come back, and follow chats on whatever server is up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::fault::{Fault, is_put_back};
use super::history::{Answer, Note, Told, label_of};
use super::plan::{Call, What};
use super::world::{Server, World};
use crate::domain::{
    Author, Chat, ChatId, ChatStatus, Message, MessageId, ObjectId, ReplyCursor, TextDigest, Timestamp,
    UserId, Viewer,
};
use crate::engine::ReplyUpdate;
use crate::service::{ChatUpdate, Error, Manner, NewMessage, Prompt, Regeneration};
use crate::store::ChatStore;

const USER: UserId = UserId::Int(7);

fn viewer() -> Viewer {
    Viewer::User(USER)
}

/// The id of the chat of this number.
pub fn chat_id(chat: usize) -> ChatId {
    ChatId(ObjectId::from_bytes([u8::try_from(chat + 1).unwrap(); 12]))
}

/// Makes the chats that a run is about.
pub async fn make_chats(world: &World, count: usize) {
    for chat in 0..count {
        let (created_at, title) = (Timestamp::from_millis(0), format!("chat {chat}"));
        let chat = Chat {
            id: chat_id(chat),
            user_id: USER,
            document_id: None,
            title,
            status: ChatStatus::active(),
            created_at,
            updated_at: created_at,
        };
        world.store.insert_chat(&chat).await.unwrap();
    }
}

/// Does one step of a plan.
pub async fn perform(world: Arc<World>, label: usize, what: What) {
    match what {
        What::Call {
            server,
            call,
            leaves_after,
        } => make_call(&world, server, call, leaves_after).await,
        What::Follow { server, chat, cuts } => {
            let reader = Reader::new(&world, label, chat_id(chat), None);
            follow(reader, server, cuts).await;
        }
        What::FollowReply {
            server,
            label: followed,
            cuts,
        } => {
            if let Some((chat, reply)) = latest_reply(&world, followed) {
                follow(Reader::new(&world, label, chat, Some(reply)), server, cuts).await;
            }
        }
        What::Kill { server, down_for } => world.replace(server, Duration::from_millis(down_for)).await,
        What::ShutDown { server, grace } => shut_down(&world, server, Duration::from_millis(grace)).await,
        What::Freeze { server, time } => hurt(&world, server, "freezes", |server| {
            server.gate.freeze(Duration::from_millis(time));
        }),
        What::CutFromStore { server, time } => hurt(&world, server, "loses the store", |server| {
            server.gate.cut_from_store(Duration::from_millis(time));
        }),
        What::CutFromFeed { server, time } => hurt(&world, server, "loses the feed", |server| {
            server.gate.cut_from_feed(Duration::from_millis(time));
        }),
        What::SaveFeed => {
            world.note(Note::Feed { what: "is saved" });
            world.broker.save();
        }
        What::RestartFeed { is_old } => restart_feed(&world, is_old),
    }
}

fn hurt(world: &World, slot: usize, what: &str, how: impl FnOnce(&Server)) {
    let server = world.server(slot);
    world.note(Note::Server {
        server: server.gate.run,
        what: what.to_owned(),
    });
    how(&server);
}

/// The feed is away for a moment, for each server until another one, and comes back with less than it had.
fn restart_feed(world: &World, is_old: bool) {
    let what = if is_old { "restarts old" } else { "restarts empty" };
    world.note(Note::Feed { what });
    for slot in 0..world.server_count() {
        let away = world.roll(|rng| if rng.bool() { 0 } else { rng.u64(0..5_000) });
        world.server(slot).gate.cut_from_feed(Duration::from_millis(away));
    }
    world.broker.restart(is_old);
}

/// What `app` does when it is told to end: no more replies, then an end to those that are left.
async fn shut_down(world: &Arc<World>, slot: usize, grace: Duration) {
    let server = world.server(slot);
    if server.gate.is_dead() {
        return;
    }
    world.note(Note::Server {
        server: server.gate.run,
        what: "is told to end".to_owned(),
    });
    server.engine.drain();
    let _ = timeout(grace, server.engine.drained()).await;
    let _ = timeout(Duration::from_secs(5), server.engine.shut_down()).await;
    // Whoever still waits is answered.
    sleep(Duration::from_millis(500)).await;
    // Unless it was killed meanwhile, and another run is in its place.
    if Arc::ptr_eq(&server, &world.server(slot)) && !server.gate.is_dead() {
        world.replace(slot, Duration::from_millis(300)).await;
    }
}

async fn make_call(world: &World, slot: usize, call: Call, leaves_after: Option<u64>) {
    let Some(server) = world.server_up(slot) else {
        return;
    };
    let number = world.next_call();
    world.note(Note::Asked {
        call: number,
        server: server.gate.run,
        what: call.clone(),
    });
    let answered = async {
        tokio::select! {
            biased;
            () = server.gate.died() => Answer::Lost,
            answer = async {
                let answer = answer(world, &server, call).await;
                server.gate.pass().await;
                answer
            } => answer,
        }
    };
    let answer = match leaves_after {
        Some(time) => timeout(Duration::from_millis(time), answered)
            .await
            .unwrap_or(Answer::Left),
        None => answered.await,
    };
    world.note(Note::Answered { call: number, answer });
}

async fn answer(world: &World, server: &Server, call: Call) -> Answer {
    match try_call(world, server, call).await {
        Ok(answer) => answer,
        Err(error @ (Error::Unavailable(_) | Error::Internal(_) | Error::Panicked(_))) => {
            Answer::Unknown { code: error.code() }
        }
        Err(error) => Answer::Refused { code: error.code() },
    }
}

async fn try_call(world: &World, server: &Server, call: Call) -> Result<Answer, Error> {
    let (service, viewer) = (&server.service, viewer());
    let client_key = call.key();
    Ok(match call {
        Call::Send { chat, label, wish } => {
            let prompt = Prompt {
                chat_id: chat_id(chat),
                text: format!("p{label} says"),
                client_key,
                while_replying: wish,
                manner: Manner::default(),
                is_documented: false,
            };
            let sent = service.send_message(&viewer, prompt).await?;
            Answer::Sent {
                message: sent.message.id,
                reply: sent.reply.id,
            }
        }
        Call::Create { chat, label } => {
            let new = NewMessage {
                chat_id: chat_id(chat),
                author: Author::User,
                text: format!("m{label} says"),
                kind: None,
                token_count: None,
                client_key,
            };
            let message = service.create_message(&viewer, new).await?.id;
            Answer::Created { message }
        }
        Call::Regenerate { label, key, wish } => match latest_reply(world, label) {
            Some((_, reply)) => {
                let regeneration = Regeneration {
                    message_id: world.regenerated(key, reply),
                    client_key,
                    while_replying: wish,
                    manner: Manner::default(),
                };
                let reply = service.regenerate_reply(&viewer, regeneration).await?.id;
                Answer::Regenerated { reply }
            }
            None => Answer::Nothing,
        },
        Call::Edit { label } => match prompt(world, label) {
            Some(message) => {
                let text = format!("p{label} says better");
                service.update_message(&viewer, message.id, text).await?;
                Answer::Edited
            }
            None => Answer::Nothing,
        },
        Call::DeletePrompt { label } => match prompt(world, label) {
            Some(message) => service
                .delete_message(&viewer, message.id)
                .await
                .map(|_| Answer::Deleted)?,
            None => Answer::Nothing,
        },
        Call::DeleteReply { label } => match latest_reply(world, label) {
            Some((_, reply)) => service
                .delete_message(&viewer, reply)
                .await
                .map(|_| Answer::Deleted)?,
            None => Answer::Nothing,
        },
        Call::DeleteChat { chat } => {
            service.delete_chat(&viewer, chat_id(chat)).await?;
            Answer::Deleted
        }
        Call::StopReply { label } => match latest_reply(world, label) {
            Some((_, reply)) => {
                let outcome = service.stop_reply(&viewer, reply).await?.receipt.outcome;
                Answer::Stopped { reply, outcome }
            }
            None => Answer::Nothing,
        },
        Call::StopAll { chat } => {
            let stopped = service.stop_replies(&viewer, chat_id(chat)).await?;
            let replies = stopped.into_iter().map(|message| message.id).collect();
            Answer::StoppedAll { replies }
        }
    })
}

/// The prompt of this label, as a client knows it that was shown the chat.
fn prompt(world: &World, label: usize) -> Option<Message> {
    let wanted = format!("p{label}");
    let all = world.store.all_messages();
    all.into_iter().find(|message| label_of(&message.text) == wanted)
}

/// The latest reply to the prompt of this label, with its chat, as a client knows it that was shown the chat.
fn latest_reply(world: &World, label: usize) -> Option<(ChatId, MessageId)> {
    let prompt = prompt(world, label)?;
    let mut replies = world.store.all_messages();
    replies.retain(|message| {
        let reply = message.reply.as_ref();
        reply.is_some_and(|reply| reply.in_reply_to == Some(prompt.id))
    });
    let latest = replies.into_iter().max_by_key(Message::position);
    let id = latest.map(|reply| reply.id).or(prompt.reply_id);
    Some((prompt.chat_id, id?))
}

/// Follows a chat to the end of the run, or a reply to its own, on one server after the other.
async fn follow(mut reader: Reader, mut slot: usize, cuts: Vec<u64>) {
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
        if let Some(server) = world.server_up(slot) {
            let is_over = tokio::select! {
                biased;
                () = server.gate.died() => false,
                // A place that nobody is cut off at is never reached.
                () = sleep_until(cut.unwrap_or(begun + Duration::from_secs(86_400))) => false,
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
struct Reader {
    world: Arc<World>,
    follower: usize,
    chat: ChatId,
    /// The reply that it follows, unless it is the chat.
    reply: Option<MessageId>,
    cursor: Option<String>,
    texts: BTreeMap<MessageId, String>,
}

impl Reader {
    fn new(world: &Arc<World>, follower: usize, chat: ChatId, reply: Option<MessageId>) -> Self {
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
        self.world.note(Note::Told {
            follower: self.follower,
            chat: self.chat,
            told,
        });
    }

    fn take(&mut self, update: ChatUpdate) -> Told {
        match update {
            ChatUpdate::Resync => Told::Resync,
            ChatUpdate::MessageAdded(message) => Told::Added(message.id),
            ChatUpdate::MessageUpdated(message) => Told::Updated(message.id),
            ChatUpdate::MessageDeleted(id) => Told::Deleted(id),
            ChatUpdate::ChatUpdated(_) | ChatUpdate::TypingChanged(_) => Told::ChatUpdated,
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
                Told::Text {
                    reply: message.id,
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
