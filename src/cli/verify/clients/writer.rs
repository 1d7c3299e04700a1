//! One who writes in a chat, under client keys, and sends again until there is an answer.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::task::JoinHandle;

use super::{deleter, reply_follower, stopper};
use crate::cli::client::{ClientError, ReplyState};
use crate::cli::verify::bot::Speech;
use crate::cli::verify::crew::Crew;
use crate::cli::verify::ledger::{Ack, Deletion, GONE, Writing, now};
use crate::cli::verify::operations::{
    CreateMessage, DeleteMessage, SendMessage, SetTyping, create_message, delete_message, send_message,
    set_typing,
};
use crate::cli::verify::words;

/// What a server says while it takes no more prompts of a chat.
const FULL: &str = "TOO_MANY_REPLIES";

/// What a prompt does while others of its chat are answered.
#[derive(Clone, Copy, Debug)]
pub enum Patience {
    /// It waits for its turn.
    Waits,
    /// It stops them.
    Interrupts,
}

/// A message to write, noted; its number among the writings.
pub fn intend(crew: &Crew, chat: &str, speech: Speech, rng: &mut Rng) -> usize {
    crew.ledger.note(|notes| {
        let number = notes.writings.len();
        notes.writings.push(Writing {
            chat: chat.to_owned(),
            key: format!("verify-{number}"),
            text: words::text(rng, number),
            speech,
            ..Writing::default()
        });
        number
    })
}

/// Changes what is noted of a writing.
pub fn note<T>(crew: &Crew, number: usize, change: impl FnOnce(&mut Writing) -> T) -> Option<T> {
    crew.ledger
        .note(|notes| notes.writings.get_mut(number).map(change))
}

/// Writes until there is enough.
pub async fn write(crew: Arc<Crew>, chat: String, mut rng: Rng) {
    // The first of each writer comes in one instant with a message, so that the shortest trial has tried it.
    let mut is_beside = true;
    while !crew.enough.is_cancelled() {
        if rng.u8(..10) == 0 {
            type_something(&crew, &chat, &mut rng).await;
        }
        let number = intend(&crew, &chat, Speech::Any, &mut rng);
        let written = match rng.u8(..10) {
            _ if is_beside => prompt(&crew, number, true, &mut rng).await,
            ..5 => {
                let is_beside = rng.u8(..4) == 0;
                prompt(&crew, number, is_beside, &mut rng).await
            }
            5 => regret(&crew, number, &mut rng).await,
            _ => leave(&crew, number, &mut rng).await,
        };
        let Some(()) = written else { return };
        is_beside = false;
        let pause = Duration::from_millis(rng.u64(20..400));
        if crew.wait(pause).await.is_none() {
            return;
        }
    }
}

/// Asks the bot, mostly hears the answer out, and sometimes stops it.
async fn prompt(crew: &Arc<Crew>, number: usize, is_beside: bool, rng: &mut Rng) -> Option<()> {
    // Two tabs of one page, say, or a proxy that sends twice.
    let twice = (rng.u8(..4) == 0).then(|| {
        let (crew, mut rng) = (crew.clone(), rng.fork());
        let tasks = crew.tasks.clone();
        tasks.spawn(async move { send(&crew, number, &mut rng).await })
    });
    let ack = match is_beside {
        true => send_beside(crew, number, rng).await,
        false => send(crew, number, rng).await,
    };
    if let Some(twice) = twice {
        let _ = twice.await;
    }
    let Some(reply) = ack?.reply else { return Some(()) };
    if rng.u8(..5) == 0 {
        let (crew, reply, rng) = (crew.clone(), reply.clone(), rng.fork());
        let tasks = crew.tasks.clone();
        tasks.spawn(async move { stopper::stop(&crew, number, reply, rng).await });
    }
    let (first, _second) = (watch(crew, number, &reply, rng), watch(crew, number, &reply, rng));
    if rng.u8(..10) == 0 {
        // Long after it was answered.
        send(crew, number, rng).await?;
    }
    // Otherwise the next prompt waits for this one in the server, or stops it.
    if rng.u8(..10) < 8 {
        let _ = first.await;
    }
    Some(())
}

/// Follows the reply to a prompt.
pub fn watch(crew: &Arc<Crew>, number: usize, reply: &str, rng: &mut Rng) -> JoinHandle<Option<ReplyState>> {
    let follower = reply_follower::follow(crew.clone(), reply.to_owned(), number, rng.fork());
    crew.tasks.spawn(follower)
}

/// Sends a prompt, and in the same instant a message that nobody answers, mostly by way of another server.
async fn send_beside(crew: &Arc<Crew>, number: usize, rng: &mut Rng) -> Option<Ack> {
    let chat = note(crew, number, |writing| writing.chat.clone())?;
    let beside = intend(crew, &chat, Speech::Any, rng);
    let mut other = rng.fork();
    let (ack, _) = tokio::join!(send(crew, number, rng), create(crew, beside, &mut other));
    crew.ledger.note(|notes| notes.pairs.push([number, beside]));
    ack
}

/// Asks the bot while it still answers something else, and deletes the prompt before its turn.
async fn regret(crew: &Arc<Crew>, number: usize, rng: &mut Rng) -> Option<()> {
    let chat = note(crew, number, |writing| writing.chat.clone())?;
    let regretted = intend(crew, &chat, Speech::Any, rng);
    let first = ask(crew, number, Patience::Waits, rng).await?;
    let second = ask(crew, regretted, Patience::Waits, rng).await?;
    let answered = watch(crew, number, &first.reply?, rng);
    watch(crew, regretted, &second.reply?, rng);
    delete(crew, regretted, &second.message, rng).await?;
    let _ = answered.await;
    Some(())
}

/// Sends a prompt until it is acknowledged, mostly to wait for its turn; `None` if that never came.
pub async fn send(crew: &Crew, number: usize, rng: &mut Rng) -> Option<Ack> {
    let patience = match rng.u8(..5) {
        0 => Patience::Interrupts,
        _ => Patience::Waits,
    };
    ask(crew, number, patience, rng).await
}

/// Sends a prompt until it is acknowledged; `None` if that never came.
pub async fn ask(crew: &Crew, number: usize, patience: Patience, rng: &mut Rng) -> Option<Ack> {
    let (chat, key, text) = note(crew, number, |writing| {
        (writing.chat.clone(), writing.key.clone(), writing.text.clone())
    })?;
    loop {
        let variables = || send_message::Variables {
            chat_id: chat.clone(),
            text: text.clone(),
            client_key: key.clone(),
            while_replying: match patience {
                Patience::Waits => send_message::WhileReplying::QUEUE,
                Patience::Interrupts => send_message::WhileReplying::INTERRUPT,
            },
        };
        let (slot, answer) = crew
            .ask_anybody::<SendMessage>(rng, variables, |server| heard(crew, number, server))
            .await?;
        match answer {
            Ok(sent) => {
                let sent = sent.send_message;
                let ack = Ack {
                    message: sent.message.id,
                    reply: Some(sent.reply.id),
                    server: slot.index,
                    at: now(),
                };
                note(crew, number, |writing| writing.acks.push(ack.clone()))?;
                return Some(ack);
            }
            Err(error) if error.code() == Some(FULL) => crew.pause(rng).await?,
            Err(error) => {
                refused(crew, number, &error);
                return None;
            }
        }
    }
}

/// Writes a message that nobody answers, and sometimes sends it twice or deletes it.
async fn leave(crew: &Crew, number: usize, rng: &mut Rng) -> Option<()> {
    let message = create(crew, number, rng).await?;
    if rng.u8(..4) == 0 {
        create(crew, number, rng).await?;
    }
    if rng.u8(..6) == 0 {
        delete(crew, number, &message, rng).await?;
    }
    Some(())
}

async fn create(crew: &Crew, number: usize, rng: &mut Rng) -> Option<String> {
    let (chat, key, text) = note(crew, number, |writing| {
        (writing.chat.clone(), writing.key.clone(), writing.text.clone())
    })?;
    let variables = || create_message::Variables {
        chat_id: chat.clone(),
        text: text.clone(),
        client_key: key.clone(),
    };
    let (slot, answer) = crew
        .ask_anybody::<CreateMessage>(rng, variables, |server| heard(crew, number, server))
        .await?;
    match answer {
        Ok(created) => {
            let message = created.create_message.message.id;
            let ack = Ack {
                message: message.clone(),
                reply: None,
                server: slot.index,
                at: now(),
            };
            note(crew, number, |writing| writing.acks.push(ack))?;
            Some(message)
        }
        Err(error) => {
            refused(crew, number, &error);
            None
        }
    }
}

/// Deletes the message of a writing, and looks for it on every server.
pub async fn delete(crew: &Crew, number: usize, message: &str, rng: &mut Rng) -> Option<()> {
    // Of one that was sent more often than it was acknowledged a sending may still be on its way, and it is stored anew
    // if that comes after the deletion.
    let is_settled = note(crew, number, |writing| writing.sendings == writing.acks.len())?;
    if !is_settled {
        return Some(());
    }
    note(crew, number, |writing| writing.deletion = Deletion::Asked)?;
    let variables = || delete_message::Variables {
        id: message.to_owned(),
    };
    let (_, answer) = crew.ask_anybody::<DeleteMessage>(rng, variables, |_| {}).await?;
    match answer {
        // Also where an earlier request did it, whose answer was lost.
        Err(error) if error.code() != Some(GONE) => refused(crew, number, &error),
        _ => {
            let since = now();
            note(crew, number, |writing| {
                writing.deletion = Deletion::Acknowledged(since)
            })?;
            deleter::look_for_message(crew, number, message).await;
        }
    }
    Some(())
}

/// Tells the chat that somebody types. Nothing is stored, so nothing is promised.
async fn type_something(crew: &Crew, chat: &str, rng: &mut Rng) {
    let variables = || set_typing::Variables {
        chat_id: chat.to_owned(),
    };
    let _ = crew.ask_anybody::<SetTyping>(rng, variables, |_| {}).await;
}

/// Notes that a server may have heard of a writing.
pub fn heard(crew: &Crew, number: usize, server: usize) {
    let at = now();
    note(crew, number, |writing| {
        writing.sent_at.get_or_insert(at);
        writing.sendings += 1;
        writing.tried.insert(server);
    });
}

fn refused(crew: &Crew, number: usize, error: &ClientError) {
    note(crew, number, |writing| writing.refusals.push(error.to_string()));
}
