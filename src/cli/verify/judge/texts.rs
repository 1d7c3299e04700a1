//! Promises 3 and 5: every reader ends with the text that is stored, and what was shown a while before a crash is kept.

use super::evidence::{Evidence, name};
use super::finding::{Breach, Finding};
use crate::cli::client::ReplyState;
use crate::cli::verify::bot::answers;
use crate::cli::verify::view::{View, difference};

/// What a server that dies may take of the text that was shown, in milliseconds.
const LOST_MS_MAX: i64 = 1_500;

/// What every reader assembled is what is stored, and that is what the bot said.
pub fn exact(evidence: &Evidence) -> Finding {
    let views = &evidence.notes.views;
    let mut breaches: Vec<_> = views.iter().flat_map(|view| faults(evidence, view)).collect();
    for replied in evidence.replies() {
        let answers = answers::to(&evidence.notes, replied.number);
        let text = &replied.message.text;
        let wrong = match (replied.reply.state, answers.last()) {
            (ReplyState::Complete, Some(answer)) if !answers.contains(text) => Some(difference(text, answer)),
            (ReplyState::Complete, None) => Some("the bot was never called".to_owned()),
            _ => answers::unlike(&answers, text),
        };
        if let Some(difference) = wrong {
            let state = name(replied.reply.state);
            let what = format!("it is {state}, and not what the bot said: {difference}");
            breaches.push(Breach::new([replied.id], what));
        }
    }
    let ended = views.iter().filter(|view| view.state.is_some());
    let (readings, breaks, resumed) = ended.fold((0, 0, 0), |(readings, breaks, resumed), view| {
        (readings + 1, breaks + view.breaks, resumed + view.resumed)
    });
    let tried =
        format!("{readings} readings over {breaks} lines that broke, {resumed} times behind a cursor");
    Finding::of(
        3,
        "every subscriber sees the exact text",
        tried,
        readings,
        breaches,
    )
}

fn faults(evidence: &Evidence, view: &View) -> Vec<Breach> {
    let who = view.face.name();
    let breach = |what: &str| Breach::new([&view.reply], format!("{who}: {what}"));
    let mut breaches: Vec<_> = view.faults.iter().map(|fault| breach(fault)).collect();
    let (Some(state), Some(stored)) = (view.state, evidence.stored.get(&view.reply)) else {
        return breaches;
    };
    if view.text != stored.text {
        let difference = difference(&view.text, &stored.text);
        breaches.push(breach(&format!(
            "it has another text than is stored: {difference}"
        )));
    }
    if let Some(reply) = stored.reply.as_ref().filter(|reply| reply.state != state) {
        let (told, kept) = (name(state), name(reply.state));
        breaches.push(breach(&format!("it was told {told}, and {kept} is stored")));
    }
    breaches
}

/// What was shown a while before a server died is kept. That what was shown later is taken back is part of
/// [`exact`].
pub fn survived(evidence: &Evidence) -> Finding {
    let mut breaches = Vec::new();
    let mut readings = 0;
    for replied in evidence.replies() {
        let ended_at = match (replied.reply.state, replied.reply.finished_at) {
            (ReplyState::Interrupted, Some(ended_at)) => ended_at,
            _ => continue,
        };
        let deaths = evidence.deaths(&replied.writing.tried, ended_at);
        let Some(death) = deaths.first() else { continue };
        let moment = death.from.plus_millis(-LOST_MS_MAX - evidence.notes.slack_ms);
        for view in evidence
            .notes
            .views
            .iter()
            .filter(|view| view.reply == replied.id)
        {
            let (shown, kept) = (view.shown_by(moment), replied.message.text.len());
            readings += usize::from(shown > 0);
            if kept < shown {
                let what = format!(
                    "{} was shown {shown} bytes {:.1} s before server {} died, and {kept} are kept",
                    view.face.name(),
                    seconds(LOST_MS_MAX + evidence.notes.slack_ms),
                    death.server,
                );
                breaches.push(Breach::new([replied.id], what));
            }
        }
    }
    let tried = format!("{readings} readings of replies whose server died");
    let promise = "partial text survives a crash";
    Finding::of(5, promise, tried, readings, breaches)
}

/// Milliseconds as people read them.
pub fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::super::evidence::samples::{at, trial};
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_trial_in_which_all_went_well_is_held() {
        let evidence = trial();
        assert_eq!(exact(&evidence).verdict, Verdict::Held);
        assert_eq!(
            survived(&evidence).verdict,
            Verdict::Held,
            "{:?}",
            survived(&evidence)
        );
        assert_eq!(
            survived(&evidence).tried,
            "1 readings of replies whose server died"
        );
    }

    #[test]
    fn a_reader_with_another_text_or_another_end_is_found() {
        let mut evidence = trial();
        evidence.notes.views[0].text.push('!');
        evidence.notes.views[1].state = Some(ReplyState::Complete);
        let found = exact(&evidence).breaches;
        assert!(found[0].what.contains("another text than is stored"), "{found:?}");
        assert!(
            found[1].what.contains("told COMPLETE, and INTERRUPTED is stored"),
            "{found:?}"
        );
    }

    #[test]
    fn a_stored_text_that_the_bot_never_said_is_found() {
        let mut evidence = trial();
        for view in &mut evidence.notes.views {
            view.text.insert(3, 'x');
        }
        for id in ["r0", "r1"] {
            evidence.stored.get_mut(id).unwrap().text.insert(3, 'x');
        }
        assert_eq!(exact(&evidence).breaches.len(), 2);
    }

    #[test]
    fn a_complete_reply_that_is_only_a_beginning_is_found() {
        let mut evidence = trial();
        let whole = evidence.stored["r0"].text.clone();
        let beginning = whole[..5].to_owned();
        evidence.notes.views[0].text.clone_from(&beginning);
        evidence.stored.get_mut("r0").unwrap().text = beginning;
        let found = exact(&evidence).breaches;
        assert_eq!(found.len(), 1);
        assert!(found[0].what.contains("it is COMPLETE"), "{found:?}");
    }

    #[test]
    fn text_that_a_crash_took_too_much_of_is_found() {
        let mut evidence = trial();
        evidence.stored.get_mut("r1").unwrap().text.truncate(11);
        let found = survived(&evidence).breaches;
        assert!(found[0].what.contains("was shown 12 bytes"), "{found:?}");
        // Shown within the time that may be lost.
        evidence.notes.views[1].shown = vec![(at(1_501), 12)];
        assert_eq!(survived(&evidence).breaches, []);
    }
}
