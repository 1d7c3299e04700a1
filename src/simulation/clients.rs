//! Clients: they call servers and go away.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::followers::{Reader, follow};
use super::history::{Answer, KILLED, Note, label_of};
use super::plan::{Call, What};
use super::trouble::{hurt, restart_feed, shut_down};
use super::world::{Server, World};
use crate::domain::{
    Author, Chat, ChatChange, ChatId, ChatStatus, Message, MessageId, ObjectId, Timestamp, UserId, Viewer,
};
use crate::service::{Error, Manner, NewMessage, Prompt, Regeneration};
use crate::store::ChatStore;

const USER: UserId = UserId::Int(7);

pub fn viewer() -> Viewer {
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
        What::Kill { server, down_for } => {
            world
                .replace(server, KILLED, Duration::from_millis(down_for))
                .await
        }
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

async fn make_call(world: &World, slot: usize, call: Call, leaves_after: Option<u64>) {
    let Some(server) = world.server_up(slot) else {
        return;
    };
    let _counted = server.calls.token();
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
                is_legacy: false,
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
                reaction: None,
                is_edited: false,
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
        Call::Rename { chat, edit } => {
            let change = ChatChange {
                title: Some(format!("chat {chat}, named {edit}")),
                status: None,
            };
            service.update_chat(&viewer, chat_id(chat), &change).await?;
            Answer::Edited
        }
        Call::Edit { label, edit } => match prompt(world, label) {
            Some(message) => {
                let text = format!("p{label} says better {edit}");
                service.update_message(&viewer, message.id, text).await?;
                Answer::Edited
            }
            None => Answer::Nothing,
        },
        Call::React { label, reaction } => match latest_reply(world, label) {
            Some((_, reply)) => {
                let reaction = format!("reaction {reaction}");
                service.add_reaction(&viewer, reply, reaction).await?;
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
