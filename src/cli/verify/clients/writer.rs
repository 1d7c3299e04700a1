//! One who writes in a chat, under client keys, and sends again until there is an answer.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use super::{reply_follower, stopper, words};
use crate::cli::client::ClientError;
use crate::cli::verify::crew::Crew;
use crate::cli::verify::ledger::{Ack, Deletion, Writing};
use crate::cli::verify::operations::{
    CreateMessage, DeleteMessage, SendMessage, SetTyping, create_message, delete_message, send_message,
    set_typing,
};

/// What a server says while it takes no more prompts of a chat.
const FULL: &str = "TOO_MANY_REPLIES";
/// What it says of a message that is gone.
const GONE: &str = "NOT_FOUND";

/// A message to write, noted; its number among the writings.
pub fn intend(crew: &Crew, chat: &str, text: String) -> usize {
    crew.ledger.note(|notes| {
        let number = notes.writings.len();
        notes.writings.push(Writing {
            chat: chat.to_owned(),
            key: format!("verify-{number}"),
            text,
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
    while !crew.enough.is_cancelled() {
        if rng.u8(..10) == 0 {
            type_something(&crew, &chat, &mut rng).await;
        }
        let asks = rng.u8(..10) < 6;
        let number = intend(&crew, &chat, words::text(&mut rng));
        let written = match asks {
            true => prompt(&crew, number, &mut rng).await,
            false => leave(&crew, number, &mut rng).await,
        };
        let Some(()) = written else { return };
        let pause = Duration::from_millis(rng.u64(20..400));
        if crew.wait(pause).await.is_none() {
            return;
        }
    }
}

/// Asks the bot, mostly hears the answer out, and sometimes stops it.
async fn prompt(crew: &Arc<Crew>, number: usize, rng: &mut Rng) -> Option<()> {
    // Two tabs of one page, say, or a proxy that sends twice.
    let twice = (rng.u8(..4) == 0).then(|| {
        let (crew, mut rng) = (crew.clone(), rng.fork());
        let tasks = crew.tasks.clone();
        tasks.spawn(async move { send(&crew, number, &mut rng).await })
    });
    let ack = send(crew, number, rng).await;
    if let Some(twice) = twice {
        let _ = twice.await;
    }
    let Some(reply) = ack?.reply else { return Some(()) };
    if rng.u8(..5) == 0 {
        let (crew, reply, rng) = (crew.clone(), reply.clone(), rng.fork());
        let tasks = crew.tasks.clone();
        tasks.spawn(async move { stopper::stop(&crew, number, reply, rng).await });
    }
    let text = note(crew, number, |writing| writing.text.clone())?;
    let answer: Arc<str> = crew.bot.answer(&text, None).into();
    let watch = |rng: &mut Rng| {
        let follower = reply_follower::follow(crew.clone(), reply.clone(), answer.clone(), rng.fork());
        crew.tasks.spawn(follower)
    };
    let (first, _second) = (watch(rng), watch(rng));
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

/// Sends a prompt until it is acknowledged; `None` if that never came.
pub async fn send(crew: &Crew, number: usize, rng: &mut Rng) -> Option<Ack> {
    let (chat, key, text) = note(crew, number, |writing| {
        (writing.chat.clone(), writing.key.clone(), writing.text.clone())
    })?;
    loop {
        let is_impatient = rng.u8(..5) == 0;
        let variables = || send_message::Variables {
            chat_id: chat.clone(),
            text: text.clone(),
            client_key: key.clone(),
            while_replying: match is_impatient {
                true => send_message::WhileReplying::INTERRUPT,
                false => send_message::WhileReplying::QUEUE,
            },
        };
        let (_, answer) = crew
            .ask_anybody::<SendMessage>(rng, variables, |server| heard(crew, number, server))
            .await?;
        match answer {
            Ok(sent) => {
                let sent = sent.send_message;
                let ack = Ack {
                    message: sent.message.id,
                    reply: Some(sent.reply.id),
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
    let (_, answer) = crew
        .ask_anybody::<CreateMessage>(rng, variables, |server| heard(crew, number, server))
        .await?;
    match answer {
        Ok(created) => {
            let message = created.create_message.message.id;
            let ack = Ack {
                message: message.clone(),
                reply: None,
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

async fn delete(crew: &Crew, number: usize, message: &str, rng: &mut Rng) -> Option<()> {
    note(crew, number, |writing| writing.deletion = Deletion::Asked)?;
    let variables = || delete_message::Variables {
        id: message.to_owned(),
    };
    let (_, answer) = crew.ask_anybody::<DeleteMessage>(rng, variables, |_| {}).await?;
    match answer {
        // Also where an earlier request did it, whose answer was lost.
        Err(error) if error.code() != Some(GONE) => refused(crew, number, &error),
        _ => {
            note(crew, number, |writing| writing.deletion = Deletion::Acknowledged)?;
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
    note(crew, number, |writing| {
        writing.sendings += 1;
        writing.tried.insert(server);
    });
}

fn refused(crew: &Crew, number: usize, error: &ClientError) {
    note(crew, number, |writing| writing.refusals.push(error.to_string()));
}
