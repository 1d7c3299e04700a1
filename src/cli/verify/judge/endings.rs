//! Promise 4: every reply ends, in a state that has a name, soon after its server died, and everybody is told.

use super::evidence::{DEAD_FOR_MS_MAX, Evidence, name};
use super::finding::{Breach, Finding};
use super::texts::seconds;
use crate::cli::client::ReplyState;
use crate::cli::verify::view::Face;

/// Every reply ended.
pub fn ended(evidence: &Evidence) -> Finding {
    let mut breaches = Vec::new();
    let replies = evidence.replies();
    for replied in &replies {
        let at_rest = evidence
            .at_rest
            .get(replied.id)
            .and_then(|message| message.reply.as_ref());
        if at_rest.is_some_and(|reply| reply.state == ReplyState::Streaming) {
            let what = "it was still under way when everything had come to rest";
            breaches.push(Breach::new([replied.id], what));
        }
        if replied.reply.state == ReplyState::Unknown {
            breaches.push(Breach::new([replied.id], "its state has no name"));
        }
        let (ReplyState::Interrupted, Some(ended_at)) = (replied.reply.state, replied.reply.finished_at)
        else {
            continue;
        };
        let tried = &replied.writing.tried;
        if !evidence.deaths(tried, ended_at).is_empty() {
            continue;
        }
        let disturbances = evidence.notes.disturbances.iter();
        let mut earlier = disturbances.filter(|done| tried.contains(&done.server) && done.from <= ended_at);
        let what = match earlier.next_back() {
            Some(last) => format!(
                "it ended {:.1} s after server {} died; {} s are promised",
                seconds(ended_at.millis() - last.died_at.millis()),
                last.server,
                DEAD_FOR_MS_MAX / 1_000,
            ),
            None => "it is INTERRUPTED, and nothing was done to the server that generated it".to_owned(),
        };
        breaches.push(Breach::new([replied.id], what));
    }
    let untold = evidence
        .notes
        .views
        .iter()
        .filter(|view| view.face == Face::Reply && view.state.is_none() && view.faults.is_empty());
    let (unknown, untold): (Vec<_>, Vec<_>) = untold.partition(|view| view.is_gone);
    let unknown = unknown
        .into_iter()
        .filter(|view| evidence.stored.contains_key(&view.reply));
    breaches
        .extend(unknown.map(|view| Breach::new([&view.reply], "a server said that there is no such reply")));
    let untold = untold.into_iter();
    breaches.extend(untold.map(|view| Breach::new([&view.reply], "a subscriber was never told its end")));
    let states = evidence.states().into_iter();
    let states: Vec<_> = states
        .map(|(state, count)| format!("{count} {}", name(state)))
        .collect();
    let tried = format!("{} replies: {}", replies.len(), states.join(", "));
    Finding::of(
        4,
        "every reply ends, in a named state",
        tried,
        replies.len(),
        breaches,
    )
}

#[cfg(test)]
mod tests {
    use super::super::evidence::samples::{at, trial};
    use super::super::finding::Verdict;
    use super::*;
    use crate::cli::verify::view::View;

    #[test]
    fn a_trial_in_which_all_went_well_is_held() {
        let finding = ended(&trial());
        assert_eq!(finding.verdict, Verdict::Held, "{finding:?}");
        assert_eq!(finding.tried, "2 replies: 1 COMPLETE, 1 INTERRUPTED");
    }

    #[test]
    fn a_reply_without_end_and_a_subscriber_who_was_never_told_are_found() {
        let mut evidence = trial();
        let reply = evidence.at_rest.get_mut("r0").unwrap();
        reply.reply.as_mut().unwrap().state = ReplyState::Streaming;
        evidence.notes.views.push(View::new("r1".to_owned(), Face::Reply));
        // One whose reply was deleted is told so; of one that is there that is wrong.
        for reply in ["r0", "deleted"] {
            let mut view = View::new(reply.to_owned(), Face::Reply);
            view.is_gone = true;
            evidence.notes.views.push(view);
        }
        let found = ended(&evidence).breaches;
        assert_eq!(found.len(), 3, "{found:?}");
    }

    #[test]
    fn an_end_that_came_late_or_without_a_reason_is_found() {
        let mut evidence = trial();
        let reply = evidence.stored.get_mut("r1").unwrap().reply.as_mut().unwrap();
        reply.finished_at = Some(at(18_001));
        let found = ended(&evidence).breaches;
        assert!(found[0].what.contains("15.0 s after server 1 died"), "{found:?}");
        // So much as the machine was seen to stand still is forgiven.
        evidence.notes.slack_ms = 1;
        assert_eq!(ended(&evidence).breaches, []);
        evidence.notes.disturbances.clear();
        let found = ended(&evidence).breaches;
        assert!(found[0].what.contains("nothing was done"), "{found:?}");
    }

    #[test]
    fn a_server_that_is_alone_has_its_time_from_its_return() {
        let mut evidence = trial();
        evidence.servers = 1;
        evidence.notes.disturbances[0].back_at = Some(at(40_000));
        let reply = evidence.stored.get_mut("r1").unwrap().reply.as_mut().unwrap();
        reply.finished_at = Some(at(39_900));
        assert_eq!(ended(&evidence).breaches, []);
    }
}
