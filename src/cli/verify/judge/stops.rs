//! Promise 6: stop stops, and to stop twice is the same answer.

use super::evidence::{DEAD_FOR_MS_MAX, Evidence, Replied, name};
use super::finding::{Breach, Finding};
use super::texts::seconds;
use crate::cli::client::ReplyState;
use crate::cli::verify::ledger::{Outcome, Receipt, Stop};

/// How long after the first answer a reply may go on, in milliseconds: until its owner, where another server took the
/// stop, has looked.
const STOPS_IN_MS_MAX: i64 = 3_000;

/// What was to stop has stopped.
pub fn stopped(evidence: &Evidence) -> Finding {
    let mut breaches = Vec::new();
    let replies = evidence.replies();
    let stops = evidence
        .notes
        .stops
        .iter()
        .filter(|stop| !stop.receipts.is_empty());
    let (mut asked, mut again, mut elsewhere) = (0, 0, 0);
    for stop in stops {
        asked += 1;
        again += usize::from(stop.receipts.len() > 1);
        let mut servers = stop.receipts.iter().map(|receipt| receipt.server);
        elsewhere += usize::from(servers.any(|server| !stop.tried.contains(&server)));
        let replied = replies.iter().find(|replied| replied.id == stop.reply);
        breaches.extend(contradiction(stop));
        breaches.extend(replied.and_then(|replied| unheard(evidence, stop, replied)));
    }
    let tried = format!(
        "{asked} replies, {again} of them more than once, {elsewhere} by way of a server that had not begun them"
    );
    Finding::of(6, "stop stops", tried, asked, breaches)
}

/// Receipts that say two things of a reply that had stopped.
fn contradiction(stop: &Stop) -> Option<Breach> {
    let settled = stop
        .receipts
        .iter()
        .filter(|receipt| receipt.outcome != Outcome::Stopping);
    let says = |receipt: &Receipt| (receipt.outcome, receipt.offset, receipt.requested_at.clone());
    let mut said: Vec<_> = settled.map(says).collect();
    said.dedup();
    (said.len() > 1).then(|| Breach::new([&stop.reply], format!("its receipts differ: {said:?}")))
}

/// A reply that went on although it was to stop.
fn unheard(evidence: &Evidence, stop: &Stop, replied: &Replied<'_>) -> Option<Breach> {
    let first = stop.receipts.first()?;
    let (state, bytes) = (replied.reply.state, replied.message.text.len());
    if let Some(receipt) = stop
        .receipts
        .iter()
        .find(|receipt| receipt.outcome == Outcome::Stopped)
    {
        let is_so = state == ReplyState::Stopped && usize::try_from(receipt.offset) == Ok(bytes);
        return (!is_so).then(|| {
            let (offset, state) = (receipt.offset, name(state));
            let what =
                format!("it was said to be stopped at byte {offset}, and is {state} with {bytes} bytes");
            Breach::new([&stop.reply], what)
        });
    }
    let ended_at = replied.reply.finished_at?;
    let late_ms = ended_at.millis() - first.at.millis();
    // A server that stood still or was dead could not look; and a reply of its life before stands until its lease has
    // lapsed and somebody has looked, however soon it is back.
    let is_excused = evidence.notes.disturbances.iter().any(|done| {
        let back_at = done.back_at.unwrap_or(ended_at);
        let lapsed_at = done.from.plus_millis(DEAD_FOR_MS_MAX);
        let could_not = back_at >= first.at || lapsed_at >= ended_at;
        stop.tried.contains(&done.server) && done.from <= ended_at && could_not
    });
    (late_ms > STOPS_IN_MS_MAX + evidence.notes.slack_ms && !is_excused).then(|| {
        let what = format!("it went on for {:.1} s after it was to stop", seconds(late_ms));
        Breach::new([&stop.reply], what)
    })
}

#[cfg(test)]
mod tests {
    use super::super::evidence::samples::{at, trial};
    use super::super::finding::Verdict;
    use super::*;

    fn receipt(server: usize, outcome: Outcome, offset: i64) -> Receipt {
        Receipt {
            server,
            at: at(1_000),
            outcome,
            offset,
            requested_at: (outcome != Outcome::EndedBefore).then(|| "then".to_owned()),
        }
    }

    /// A trial in which `r0` was stopped at its 14 bytes.
    fn with_stop(receipts: Vec<Receipt>) -> Evidence {
        let mut evidence = trial();
        evidence.stored.get_mut("r0").unwrap().text.truncate(14);
        let reply = evidence.stored.get_mut("r0").unwrap().reply.as_mut().unwrap();
        reply.state = ReplyState::Stopped;
        evidence.notes.stops.push(Stop {
            reply: "r0".to_owned(),
            tried: [0].into(),
            receipts,
        });
        evidence
    }

    #[test]
    fn a_stop_that_stopped_is_held_and_nothing_to_stop_is_not_tried() {
        let evidence = with_stop(vec![
            receipt(0, Outcome::Stopping, 3),
            receipt(1, Outcome::Stopped, 14),
        ]);
        let finding = stopped(&evidence);
        assert_eq!(finding.verdict, Verdict::Held, "{finding:?}");
        let tried = "1 replies, 1 of them more than once, 1 by way of a server that had not begun them";
        assert_eq!(finding.tried, tried);
        assert!(matches!(stopped(&trial()).verdict, Verdict::NotTried(_)));
    }

    #[test]
    fn receipts_that_differ_are_found() {
        for other in [
            receipt(0, Outcome::Stopped, 13),
            receipt(0, Outcome::EndedBefore, 14),
        ] {
            let evidence = with_stop(vec![receipt(0, Outcome::Stopped, 14), other]);
            let found = stopped(&evidence).breaches;
            assert!(found[0].what.contains("differ"), "{found:?}");
        }
    }

    #[test]
    fn a_reply_that_goes_on_although_it_was_stopped_is_found() {
        let mut evidence = with_stop(vec![receipt(0, Outcome::Stopped, 14)]);
        let reply = evidence.stored.get_mut("r0").unwrap().reply.as_mut().unwrap();
        reply.state = ReplyState::Complete;
        assert!(stopped(&evidence).breaches[0].what.contains("is COMPLETE"));
        let mut evidence = with_stop(vec![receipt(0, Outcome::Stopped, 14)]);
        evidence.stored.get_mut("r0").unwrap().text.push('!');
        assert!(stopped(&evidence).breaches[0].what.contains("with 15 bytes"));
    }

    #[test]
    fn a_stop_that_took_its_time_is_found_unless_the_server_was_away() {
        let mut evidence = with_stop(vec![receipt(0, Outcome::Stopping, 3)]);
        assert!(stopped(&evidence).breaches[0].what.contains("went on for 8.0 s"));
        evidence.notes.disturbances[0].server = 0;
        assert_eq!(stopped(&evidence).breaches, []);
        // It was back before, but the reply was one of before its death.
        for (died_at, is_excused) in [(-4_000, true), (-20_000, false)] {
            evidence.notes.disturbances.truncate(1);
            evidence.notes.disturbances[0].from = at(died_at);
            evidence.notes.disturbances[0].back_at = Some(at(died_at + 2_000));
            assert_eq!(stopped(&evidence).breaches.is_empty(), is_excused, "{died_at}");
        }
    }
}
