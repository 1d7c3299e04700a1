//! Replies that grow, each with one who follows it: what a piece costs, and how much later than the service sent it the
//! follower has it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Stage;
use crate::clock;
use crate::driver::sockets::{Came, Socket};
use crate::process::{Process, own_cpu};
use crate::report::{Figures, Report, Subject, median};
use crate::upstream::Question;

/// Pieces a second of each reply, unless there are so many that the machine could not take them.
pub const PACE: u32 = 50;
/// Of each of a thousand: as many in all as of a hundred at the usual pace.
const PACE_OF_MANY: u32 = 5;
/// What is measured: in the middle, when all have begun and none has ended.
const WINDOW: Duration = Duration::from_secs(10);
/// Between the last beginning and the window, and behind it.
const MARGIN: Duration = Duration::from_millis(1500);
/// Between one beginning and the next: users do not ask all at once. No part of the time between two pieces, for those of
/// all replies would come at the same moments.
const GAP: Duration = Duration::from_millis(17);
const ROUNDS: usize = 2;

/// Measures all of them.
pub async fn measure(stage: &Arc<Stage>, report: &mut Report) {
    use Subject::{Baseline, Graphql, Mt};
    for (name, replies, pace) in [
        ("1 reply", 1, PACE),
        ("100 replies", 100, PACE),
        ("1,000 replies", 1000, PACE_OF_MANY),
    ] {
        let crowd = Crowd { replies, pace };
        contest(stage, report, name, crowd, &[Baseline, Graphql, Mt]).await;
    }
}

/// Replies that grow at once.
#[derive(Clone, Copy)]
struct Crowd {
    replies: u32,
    /// Pieces a second of each.
    pace: u32,
}

async fn contest(
    stage: &Arc<Stage>,
    report: &mut Report,
    name: &'static str,
    crowd: Crowd,
    subjects: &[Subject],
) {
    let name = &format!("{name} of {} pieces a second, each to one viewer", crowd.pace);
    if !report.wants(name) {
        return;
    }
    let mut streams: Vec<Vec<Streamed>> = subjects.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (subject, streams) in subjects.iter().zip(&mut streams) {
            streams.push(stream(stage, *subject, crowd).await);
        }
    }
    for (subject, streams) in subjects.iter().zip(&streams) {
        report.add(name, *subject, figures(streams));
    }
}

/// What one round took.
pub struct Streamed {
    /// CPU time of the process for each piece and viewer, in microseconds.
    pub cpu_us: f64,
    /// That of the driver.
    pub driver_cpu_us: f64,
    /// Pieces a second that came to viewers.
    pub per_second: f64,
    /// How long after they were sent.
    pub after: Vec<Duration>,
}

/// The figures of several rounds.
pub fn figures(rounds: &[Streamed]) -> Figures {
    let of = |figure: fn(&Streamed) -> f64| Some(median(&rounds.iter().map(figure).collect::<Vec<_>>()));
    let figures = Figures {
        per_second: of(|round| round.per_second),
        cpu_us: of(|round| round.cpu_us),
        driver_cpu_us: of(|round| round.driver_cpu_us),
        ..Figures::default()
    };
    let after: Vec<_> = rounds.iter().flat_map(|round| &round.after).copied().collect();
    figures.with_latencies(&after)
}

/// What happens within the window, seen from all viewers.
pub async fn watch(process: &Process, readings: JoinSet<Vec<Came>>) -> Streamed {
    tokio::time::sleep(MARGIN).await;
    let (begun, cpu, driver) = (clock::now(), process.cpu(), own_cpu());
    tokio::time::sleep(WINDOW).await;
    let (ended, cpu, driver) = (clock::now(), process.cpu().since(&cpu), own_cpu().since(&driver));
    let came = readings.join_all().await.concat();
    let within = came.iter().filter(|came| (begun..ended).contains(&came.at));
    let after: Vec<_> = within.map(|came| Duration::from_micros(came.after)).collect();
    let pieces = after.len() as f64;
    Streamed {
        cpu_us: cpu.as_secs_f64() * 1e6 / pieces,
        driver_cpu_us: driver.as_secs_f64() * 1e6 / pieces,
        per_second: pieces * 1e6 / (ended - begun) as f64,
        after,
    }
}

/// A question whose answer lasts from so long before the window to behind it.
pub fn question(before: Duration, pace: u32) -> Question {
    let lasts = before + WINDOW + 3 * MARGIN;
    Question {
        pieces: u32::try_from(lasts.as_millis()).unwrap() * pace / 1000,
        pace,
    }
}

async fn stream(stage: &Arc<Stage>, subject: Subject, crowd: Crowd) -> Streamed {
    let mut readings = JoinSet::new();
    let (begun, mut all_begun) = mpsc::channel::<()>(1);
    let first = Instant::now();
    for nth in 0..crowd.replies {
        let (stage, begun) = (stage.clone(), begun.clone());
        let moment = first + GAP * nth;
        readings.spawn(async move {
            tokio::time::sleep_until(moment).await;
            let question = question(GAP * (crowd.replies - nth), crowd.pace);
            let socket = begin(&stage, subject, question).await;
            drop(begun);
            socket.read(question, stage.origin).await
        });
    }
    drop(begun);
    // Nothing is ever sent: it ends when the last has let go of it.
    all_begun.recv().await;
    watch(subject.process(stage), readings).await
}

async fn begin(stage: &Stage, subject: Subject, question: Question) -> Socket {
    let chat = stage.silent_chat();
    match subject {
        Subject::Baseline => {
            let mut socket = Socket::relay(&stage.baseline).await;
            socket.ask(question).await;
            socket
        }
        Subject::Mt => {
            let mut socket = Socket::mt(&stage.server, &chat).await;
            socket.upload(question).await;
            socket
        }
        Subject::Graphql | Subject::Rest => {
            let mut socket = Socket::graphql(&stage.server).await;
            let reply = socket.send_message(&chat, question).await;
            socket.follow(&reply).await;
            socket
        }
    }
}

impl Subject {
    /// The process that does it.
    pub fn process(self, stage: &Stage) -> &Process {
        match self {
            Self::Baseline => &stage.baseline,
            Self::Graphql | Self::Rest | Self::Mt => &stage.server,
        }
    }
}
