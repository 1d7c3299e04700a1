//! One trial, from the first server to the verdict.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::chaos::{self, Schedule};
use super::clients::{abuser, chat_follower, frames, pulse, staller, writer};
use super::crew::Crew;
use super::error::VerifyError;
use super::fleet::Fleet;
use super::judge::{Evidence, Finding, judge};
use super::ledger::{Ledger, Notes};
use super::operations::{CreateChat, create_chat};
use super::plan::Plan;
use super::process::{Launch, Told};
use super::progress::Progress;
use super::reading::{Stored, read};
use crate::bot::BuiltinBot;
use crate::cli::client::{ReplyState, Server};

/// How fast the bot speaks, and how long its answers are at least: some four seconds each, so that servers die in the
/// middle of many, and well after their beginning.
pub const PIECES_PER_SECOND: f64 = 25.0;
/// See [`PIECES_PER_SECOND`]. The longest answer has some more words, and a piece is a word or a blank.
pub const WORDS_MIN: usize = 45;
/// How long everything may take to come to rest: replies that wait for their turn, and those of servers that died.
const REST_MAX: Duration = Duration::from_secs(60);
/// How long it takes until what is stored is looked at again, where a reply is still under way: not all are waited for by
/// somebody.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How long clients take to leave once they are told that all is over.
const LEAVE_MAX: Duration = Duration::from_secs(10);
/// Every so many chats somebody uses the frames of the documented socket.
const FRAMES_EVERY: usize = 2;

/// When to end before the time.
#[derive(Clone, Default)]
pub struct Ends {
    /// The trouble is over, and what was seen is judged.
    pub enough: CancellationToken,
    /// Nothing is judged.
    pub given_up: CancellationToken,
}

/// Holds a trial. When this returns, no server is left.
pub async fn run(
    plan: Plan,
    launch: Launch,
    logs: &Path,
    ends: &Ends,
    progress: &Progress,
) -> Result<(Notes, Vec<Finding>), VerifyError> {
    let mut rng = Rng::with_seed(plan.seed);
    let ledger = Arc::new(Ledger::default());
    let launch = Arc::new(launch);
    let fleet = Fleet::start(&launch, plan.servers, logs, &mut rng, &ledger);
    let fleet = ends.given_up.run_until_cancelled(fleet).await;
    let crew = Arc::new(Crew {
        fleet: fleet.unwrap_or(Err(VerifyError::GivenUp))?,
        ledger,
        bot: bot(),
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
    let stored = read_afresh(&launch, logs, &chats).await?;

    let mut notes = crew.ledger.note(|notes| notes.clone());
    notes.cuts = crew.fleet.cuts();
    let evidence = Evidence {
        notes,
        servers: plan.servers,
        at_rest,
        stored,
        answer: |text| bot().answer(text, None),
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
    let chats = begin(crew, &plan, rng).await?;
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

/// What is stored, as a server tells that has seen nothing of the trial.
async fn read_afresh(launch: &Launch, logs: &Path, chats: &[String]) -> Result<Stored, VerifyError> {
    let mut reader = launch.start(&logs.join("reader.log")).await?;
    let stored = read(&reader.server()?, chats).await;
    reader.tell(Told::Kill)?;
    reader.wait().await?;
    stored.map_err(VerifyError::Reading)
}

/// The bot that the servers have.
fn bot() -> BuiltinBot {
    BuiltinBot::new(PIECES_PER_SECOND, WORDS_MIN)
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
    tasks.close();
    crew.watchers.close();
    Ok(chats)
}
