//! One trial, from the first server to the verdict.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::chaos::{self, Schedule};
use super::clients::{abuser, chat_follower, deleter, frames, pulse, staller, writer};
use super::crew::Crew;
use super::error::VerifyError;
use super::fleet::Fleet;
use super::judge::{Evidence, Finding, judge};
use super::ledger::{Ledger, Notes};
use super::operations::{CreateChat, create_chat};
use super::place::{Gone, Place};
use super::plan::Plan;
use super::process::{Launch, Told};
use super::progress::Progress;
use super::reading::{Stored, read};
use crate::cli::client::{ReplyState, Server};
use crate::domain::{ChatId, MessageId};

/// How long everything may take to come to rest: replies that wait for their turn, and those of servers that died.
const REST_MAX: Duration = Duration::from_secs(60);
/// How long it takes until what is stored is looked at again, where a reply is still under way: not all are waited for
/// by somebody.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How long clients take to leave once they are told that all is over.
const LEAVE_MAX: Duration = Duration::from_secs(10);
/// Every so many chats somebody uses the frames of the documented socket.
const FRAMES_EVERY: usize = 2;
/// For every so many chats somebody makes others, and deletes them.
const DELETERS_EVERY: usize = 3;
/// How often it is looked at what is left of what was deleted, and the pause between: a store that several servers
/// share is looked through for what came late after five seconds, and after ten.
const LOOKS_MAX: usize = 4;
const LOOK_FOR_LEFT_AGAIN: Duration = Duration::from_secs(6);

/// When to end before the time.
#[derive(Clone, Default)]
pub struct Ends {
    /// The trouble is over, and what was seen is judged.
    pub enough: CancellationToken,
    /// Nothing is judged.
    pub given_up: CancellationToken,
}

/// Where a trial is held.
pub struct Site<'a> {
    /// How servers are started.
    pub launch: Arc<Launch>,
    /// Where they keep their data.
    pub place: &'a Place,
    /// The folder of their logs.
    pub logs: &'a Path,
}

/// Holds a trial. When this returns, no server is left.
pub async fn run(
    plan: Plan,
    site: &Site<'_>,
    ledger: Arc<Ledger>,
    mut rng: Rng,
    ends: &Ends,
    progress: &Progress,
) -> Result<(Notes, Vec<Finding>), VerifyError> {
    let Site { launch, logs, .. } = site;
    let fleet = Fleet::start(launch, plan.servers, logs, &mut rng, &ledger);
    let fleet = ends.given_up.run_until_cancelled(fleet).await;
    let crew = Arc::new(Crew {
        fleet: fleet.unwrap_or(Err(VerifyError::GivenUp))?,
        ledger,
        enough: ends.enough.clone(),
        over: CancellationToken::new(),
        tasks: TaskTracker::new(),
        watchers: TaskTracker::new(),
    });
    let held = hold(&crew, plan, &mut rng, progress);
    let held = ends.given_up.run_until_cancelled(held).await;
    crew.over.cancel();
    let (chats, at_rest) = match held.unwrap_or(Err(VerifyError::GivenUp)) {
        Ok(held) => held,
        Err(error) => {
            crew.fleet.abandon().await;
            return Err(error);
        }
    };
    crew.fleet.end().await;
    let mut notes = crew.ledger.note(|notes| notes.clone());
    notes.cuts = crew.fleet.cuts();
    let gone = gone(&notes);
    let read = read_afresh(site, plan.servers, &chats, &gone);
    let read = ends.given_up.run_until_cancelled(read).await;
    let (stored, left) = read.unwrap_or(Err(VerifyError::GivenUp))?;
    let evidence = Evidence {
        notes,
        servers: plan.servers,
        at_rest,
        stored,
        left,
    };
    let findings = judge(&evidence);
    Ok((evidence.notes, findings))
}

/// Lets clients and trouble loose on the servers: the chats, and what is stored in them when all has come to rest.
async fn hold(
    crew: &Arc<Crew>,
    plan: Plan,
    rng: &mut Rng,
    progress: &Progress,
) -> Result<(Vec<String>, Stored), VerifyError> {
    let mut chats = begin(crew, &plan, rng).await?;
    let telling = progress.clone().tell(crew.ledger.clone(), plan.time);
    let telling = AbortOnDropHandle::new(tokio::spawn(telling));
    let schedule = Schedule::new(rng.fork(), plan.servers == 1);
    let trouble = chaos::make_trouble(&crew.fleet, schedule, &crew.enough);
    // It ends when there is enough, or its time is over.
    let _ = timeout(plan.time, trouble).await;
    crew.enough.cancel();
    drop(telling);

    progress.say("waiting until everything has come to rest");
    crew.fleet.rest().await;
    let rest = Instant::now() + REST_MAX;
    // Who is not done by then says so in the notes.
    let _ = timeout_at(rest, crew.tasks.wait()).await;
    crew.over.cancel();
    let leaving = async {
        crew.tasks.wait().await;
        crew.watchers.wait().await;
    };
    let _ = timeout(LEAVE_MAX, leaving).await;

    progress.say("reading what is stored");
    // Those that were to be deleted as well: nothing is in them.
    chats.extend(
        crew.ledger
            .note(|notes| notes.deletions.keys().cloned().collect::<Vec<_>>()),
    );
    let at_rest = match crew.fleet.calm(rng) {
        Some((_, calm)) => read_at_rest(&calm.server, &chats, rest).await?,
        // None came up again, which is judged as well.
        None => Stored::new(),
    };
    Ok((chats, at_rest))
}

/// What is stored once every reply has ended, or it is time that it had.
async fn read_at_rest(server: &Server, chats: &[String], rest: Instant) -> Result<Stored, VerifyError> {
    loop {
        let stored = read(server, chats).await.map_err(VerifyError::Reading)?;
        let mut replies = stored.values().filter_map(|message| message.reply.as_ref());
        if replies.all(|reply| reply.state != ReplyState::Streaming) || Instant::now() >= rest {
            return Ok(stored);
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// What is stored, as a server tells that has seen nothing of the trial; and what is left of what was deleted. That
/// server goes on removing it, as any other would.
async fn read_afresh(
    site: &Site<'_>,
    number: usize,
    chats: &[String],
    gone: &Gone,
) -> Result<(Stored, Vec<String>), VerifyError> {
    let mut stored = None;
    let mut looks = 0;
    loop {
        let mut reader = site.launch.start(number, &site.logs.join("reader.log")).await?;
        match &stored {
            None => stored = Some(read(&reader.server()?, chats).await),
            Some(_) => sleep(LOOK_FOR_LEFT_AGAIN).await,
        }
        reader.tell(Told::Kill)?;
        reader.wait().await?;
        let left = site.place.left(gone).await?;
        looks += 1;
        if left.is_empty() || looks == LOOKS_MAX {
            let stored = stored.unwrap_or(Ok(Stored::new()));
            return Ok((stored.map_err(VerifyError::Reading)?, left));
        }
    }
}

/// What should be gone: everything whose deletion was acknowledged.
fn gone(notes: &Notes) -> Gone {
    let deleted = notes.deletions.iter();
    let chats = deleted.filter(|(_, noted)| noted.deletion.acknowledged_at().is_some());
    let in_chats = notes.writings.iter().filter(|writing| {
        let with_chat = notes.deletion_of(&writing.chat);
        with_chat.acknowledged_at().is_some()
    });
    let with_chats = in_chats.flat_map(|writing| {
        let ids = writing
            .acks
            .iter()
            .flat_map(|ack| [Some(&ack.message), ack.reply.as_ref()]);
        ids.flatten()
    });
    let alone = notes
        .writings
        .iter()
        .filter(|writing| writing.deletion.acknowledged_at().is_some());
    let alone = alone.flat_map(|writing| writing.acks.iter().map(|ack| &ack.message));
    Gone {
        // What a server named so has the form of an id.
        chats: chats.filter_map(|(chat, _)| ChatId::parse(chat).ok()).collect(),
        messages: with_chats
            .chain(alone)
            .filter_map(|id| MessageId::parse(id).ok())
            .collect(),
    }
}

/// Makes the chats and sends the clients in.
async fn begin(crew: &Arc<Crew>, plan: &Plan, rng: &mut Rng) -> Result<Vec<String>, VerifyError> {
    let tasks = &crew.tasks;
    let mut chats = Vec::new();
    // Two more: what is measured in them must wait for nobody else.
    for number in 0..plan.chats + 2 {
        let variables = create_chat::Variables {
            title: format!("A trial, chat {number}"),
        };
        let slot = crew.fleet.any(rng);
        let made = match slot.calm() {
            Some(calm) => calm.server.insist::<CreateChat>(variables).await,
            None => slot.server.insist::<CreateChat>(variables).await,
        };
        chats.push(made.map_err(VerifyError::Reading)?.create_chat.chat.id);
    }
    let (measured, talked_in) = chats.split_at(2);
    if let [pulse, stall] = measured {
        tasks.spawn(pulse::beat(crew.clone(), pulse.clone(), rng.fork()));
        tasks.spawn(staller::stall(crew.clone(), stall.clone(), rng.fork()));
    }
    tasks.spawn(abuser::abuse(crew.clone(), rng.fork()));
    for (number, chat) in talked_in.iter().enumerate() {
        tasks.spawn(writer::write(crew.clone(), chat.clone(), rng.fork()));
        crew.watchers
            .spawn(chat_follower::follow(crew.clone(), chat.clone(), rng.fork()));
        if number.is_multiple_of(FRAMES_EVERY) {
            tasks.spawn(frames::chat(crew.clone(), chat.clone(), rng.fork()));
        }
    }
    for _ in 0..plan.chats.div_ceil(DELETERS_EVERY) {
        tasks.spawn(deleter::delete(crew.clone(), rng.fork()));
    }
    tasks.close();
    crew.watchers.close();
    Ok(chats)
}
