//! One who makes chats, and deletes in each a prompt that waits, and then all of it while replies run and wait; and who
//! looks for what was deleted.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use super::writer::{Patience, ask, intend, note, send, watch};
use super::{chat_follower, writer};
use crate::cli::verify::bot::Speech;
use crate::cli::verify::crew::Crew;
use crate::cli::verify::ledger::{ChatDeletion, Deletion, GONE, Look, now};
use crate::cli::verify::operations::{
    CreateChat, DeleteChat, FindTraces, create_chat, delete_chat, find_traces,
};
use crate::cli::verify::words;

/// How many prompts there are in a chat: one is answered, and the others wait.
const PROMPTS: std::ops::Range<usize> = 2..5;
/// How many follow a chat.
const FOLLOWERS: usize = 2;
/// How long the replies are let go on, in milliseconds: also into the second one's turn.
const GROWS_MS: std::ops::Range<u64> = 0..4_000;
/// The pause between two chats, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 100..1_500;

/// Deletes chats until there is enough.
pub async fn delete(crew: Arc<Crew>, mut rng: Rng) {
    while !crew.enough.is_cancelled() {
        if one_chat(&crew, &mut rng).await.is_none() {
            return;
        }
        let pause = Duration::from_millis(rng.u64(PAUSE_MS));
        if crew.wait(pause).await.is_none() {
            return;
        }
    }
}

async fn one_chat(crew: &Arc<Crew>, rng: &mut Rng) -> Option<()> {
    let variables = || create_chat::Variables {
        title: "A trial, to be deleted".to_owned(),
    };
    let (_, made) = crew.ask_anybody::<CreateChat>(rng, variables, |_| {}).await?;
    let chat = made.ok()?.create_chat.chat.id;
    crew.ledger
        .note(|notes| notes.deletions.insert(chat.clone(), ChatDeletion::default()));
    for _ in 0..FOLLOWERS {
        crew.watchers
            .spawn(chat_follower::follow(crew.clone(), chat.clone(), rng.fork()));
    }
    let mut asked = Vec::new();
    for _ in 0..rng.usize(PROMPTS) {
        let number = intend(crew, &chat, Speech::Any, rng);
        let ack = ask(crew, number, Patience::Waits, rng).await?;
        let reply = ack.reply?;
        watch(crew, number, &reply, rng);
        asked.push((number, ack.message, reply));
    }
    // The last one still waits.
    if let Some((number, message, _)) = asked.last() {
        writer::delete(crew, *number, message, rng).await?;
    }
    let grows = Duration::from_millis(rng.u64(GROWS_MS));
    crew.over.run_until_cancelled(tokio::time::sleep(grows)).await?;

    if rng.bool() {
        // Whether that is still taken is up to chance; if it is, it is gone with the chat.
        let late = intend(crew, &chat, Speech::Any, rng);
        let mut other = rng.fork();
        let (deleted, _) = tokio::join!(delete_chat(crew, &chat, rng), send(crew, late, &mut other));
        deleted?;
    } else {
        delete_chat(crew, &chat, rng).await?;
    }
    let (number, message, reply) = asked.into_iter().next()?;
    let traces = Traces {
        chat: &chat,
        message: &message,
        reply: &reply,
        word: &words::name(number),
        is_chat_gone: true,
    };
    look(crew, &traces).await;
    Some(())
}

/// Deletes a chat. `None` if that was never acknowledged.
async fn delete_chat(crew: &Crew, chat: &str, rng: &mut Rng) -> Option<()> {
    let note = |deletion| {
        let noted = |noted: &mut ChatDeletion| noted.deletion = deletion;
        crew.ledger.note(|notes| notes.deletions.get_mut(chat).map(noted))
    };
    note(Deletion::Asked)?;
    let variables = || delete_chat::Variables { id: chat.to_owned() };
    let (_, answer) = crew.ask_anybody::<DeleteChat>(rng, variables, |_| {}).await?;
    match answer {
        // Also where an earlier request did it, whose answer was lost.
        Err(error) if error.code() != Some(GONE) => None,
        _ => note(Deletion::Acknowledged(now())),
    }
}

/// Looks on every server for a message that was deleted.
pub async fn look_for_message(crew: &Crew, number: usize, message: &str) {
    let Some(chat) = note(crew, number, |writing| writing.chat.clone()) else {
        return;
    };
    let traces = Traces {
        chat: &chat,
        message,
        reply: message,
        word: &words::name(number),
        is_chat_gone: false,
    };
    look(crew, &traces).await;
}

/// What is looked for.
struct Traces<'a> {
    chat: &'a str,
    message: &'a str,
    reply: &'a str,
    /// A word that nobody else said.
    word: &'a str,
    /// Whether the chat was deleted, and not the message alone.
    is_chat_gone: bool,
}

/// Looks on every server that serves for what was deleted.
async fn look(crew: &Crew, traces: &Traces<'_>) {
    for slot in &crew.fleet.slots {
        let Some(calm) = slot.calm() else { continue };
        let variables = find_traces::Variables {
            chat: traces.chat.to_owned(),
            message: traces.message.to_owned(),
            reply: traces.reply.to_owned(),
            word: traces.word.to_owned(),
        };
        let asked = calm.server.ask::<FindTraces>(variables);
        let found = match crew.over.run_until_cancelled(asked).await {
            Some(Ok(answer)) => traces.found(answer),
            Some(Err(error)) if !error.is_passing() => vec![error.to_string()],
            _ => continue,
        };
        let id = match traces.is_chat_gone {
            true => traces.chat,
            false => traces.message,
        };
        let look = Look {
            id: id.to_owned(),
            server: slot.index,
            found,
        };
        crew.ledger.note(|notes| notes.looks.push(look));
    }
}

impl Traces<'_> {
    /// What of the deleted is in an answer.
    fn found(&self, answer: find_traces::ResponseData) -> Vec<String> {
        let mut chats = answer.chats.nodes.iter();
        let is_listed = chats.any(|chat| chat.id == self.chat);
        let found = [
            (self.is_chat_gone && answer.chat.is_some(), "the chat"),
            (self.is_chat_gone && is_listed, "the chat, in the list of chats"),
            (answer.message.is_some(), "a message"),
            (answer.reply.is_some(), "a reply"),
            (
                !answer.search_messages.nodes.is_empty(),
                "a message, by its words",
            ),
        ];
        let found = found.into_iter().filter(|(is_found, _)| *is_found);
        found.map(|(_, what)| what.to_owned()).collect()
    }
}
