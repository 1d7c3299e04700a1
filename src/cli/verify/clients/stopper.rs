//! One who stops a reply, from any server, and asks once more from another.

use std::time::Duration;

use fastrand::Rng;

use super::writer::note;
use crate::cli::verify::crew::Crew;
use crate::cli::verify::ledger::{Outcome, Receipt, Stop, now};
use crate::cli::verify::operations::{StopReply, stop_reply};

/// How often the same stop is asked for.
const ASKED: usize = 3;
/// How long the reply is let grow before, in milliseconds.
const GROWS_MS: std::ops::Range<u64> = 0..1_500;
/// The pause between two questions, in milliseconds: longer than any owner takes to hear of a stop.
const PAUSE_MS: std::ops::Range<u64> = 200..2_500;

/// Stops the reply to a writing.
pub async fn stop(crew: &Crew, writing: usize, reply: String, mut rng: Rng) {
    let mut receipts = Vec::new();
    let mut pause = GROWS_MS;
    for _ in 0..ASKED {
        let time = Duration::from_millis(rng.u64(pause));
        pause = PAUSE_MS;
        tokio::time::sleep(time).await;
        match ask(crew, &reply, &mut rng).await {
            Some(receipt) => receipts.push(receipt),
            None => break,
        }
    }
    let tried = note(crew, writing, |writing| writing.tried.clone()).unwrap_or_default();
    crew.ledger.note(|notes| {
        notes.stops.push(Stop {
            reply,
            tried,
            receipts,
        });
    });
}

async fn ask(crew: &Crew, reply: &str, rng: &mut Rng) -> Option<Receipt> {
    let variables = || stop_reply::Variables {
        message_id: reply.to_owned(),
    };
    let (slot, answer) = crew.ask_anybody::<StopReply>(rng, variables, |_| {}).await?;
    let receipt = answer.ok()?.stop_reply.receipt;
    Some(Receipt {
        server: slot.index,
        at: now(),
        outcome: match receipt.outcome {
            stop_reply::StopOutcome::STOPPED => Outcome::Stopped,
            stop_reply::StopOutcome::STOPPING => Outcome::Stopping,
            _ => Outcome::EndedBefore,
        },
        offset: receipt.offset,
        requested_at: receipt.requested_at,
    })
}
