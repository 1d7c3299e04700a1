//! One prompt has one owner and one call to the bot, tries that failed before the first words aside; and nothing stands
//! in a call that does not belong there.

use std::collections::HashMap;

use super::evidence::{Evidence, ON_ITS_WAY_MS};
use super::finding::{Breach, Finding};
use super::texts::seconds;
use crate::cli::verify::bot::{Call, CallEnd, Turn};
use crate::cli::verify::ledger::Writing;

/// How often a server asks the bot for one prompt, where each time before it failed before its first words.
const CALLS_MAX: usize = 3;
/// What a reply fails with whose prompt was deleted before its turn.
const PROMPT_DELETED: &str = "PROMPT_DELETED";

/// Each prompt was asked once, of the bot that was given what stands before it.
pub fn counted(evidence: &Evidence) -> Finding {
    let calls = &evidence.notes.calls;
    let mut breaches = Vec::new();
    let asked = evidence
        .notes
        .writings
        .iter()
        .filter(|writing| !writing.calls.is_empty());
    for writing in asked.clone() {
        let of_it = writing
            .calls
            .iter()
            .filter_map(|call| Some((*call, calls.get(*call)?)));
        breaches.extend(again(writing, &of_it.collect::<Vec<_>>()));
    }
    let places = places(evidence);
    for (number, call) in calls.iter().enumerate() {
        let found = strange(evidence, &places, call)
            .into_iter()
            .chain(late(evidence, call));
        breaches.extend(found.map(|what| Breach::new([&format!("call {number}")], what)));
    }
    let mut unasked = 0;
    for replied in evidence.replies() {
        if replied.reply.code.as_deref() != Some(PROMPT_DELETED) {
            continue;
        }
        unasked += 1;
        if let Some(call) = replied.writing.calls.first() {
            let what = format!("it is {PROMPT_DELETED}, and the bot was asked: call {call}");
            breaches.push(Breach::new([replied.id], what));
        }
    }
    let ended = |end| calls.iter().filter(|call| call.end == end).count();
    let tried = format!(
        "{} calls for {} prompts; {} failed before their first words, {} broke off, {} were left by their server; \
         {unasked} prompts were deleted before their turn",
        calls.len(),
        asked.count(),
        ended(CallEnd::Failed),
        ended(CallEnd::BrokenOff),
        ended(CallEnd::Left),
    );
    let promise = "a prompt is answered by one call to the bot";
    Finding::of(11, promise, tried, calls.len(), breaches)
}

/// What is wrong with several calls for one prompt.
fn again(writing: &Writing, calls: &[(usize, &Call)]) -> Option<Breach> {
    let (last, earlier) = calls.split_last()?;
    let ids = || {
        let numbers = calls.iter().map(|(number, _)| format!("call {number}"));
        let message = writing.acks.first().map_or(&writing.key, |ack| &ack.message);
        [message.clone()].into_iter().chain(numbers).collect()
    };
    let breach = |what: String| Some(Breach { ids: ids(), what });
    let spoken = calls.iter().filter(|(_, call)| call.begun_at.is_some()).count();
    if spoken > 1 {
        return breach(format!("the bot answered it {spoken} times"));
    }
    if let Some((number, call)) = earlier.iter().find(|(_, call)| call.end != CallEnd::Failed) {
        return breach(format!(
            "the bot was asked again after call {number}, which is {:?}",
            call.end
        ));
    }
    let of = |call: &Call| (call.server, call.start);
    if let Some((_, call)) = earlier.iter().find(|(_, call)| of(call) != of(last.1)) {
        let (one, other) = (of(call), of(last.1));
        return breach(format!(
            "the bot was asked by server {} of start {} and by server {} of start {}",
            one.0, one.1, other.0, other.1
        ));
    }
    (calls.len() > CALLS_MAX)
        .then(|| breach(format!("the bot was asked {} times", calls.len())))
        .flatten()
}

/// How many messages stand before each message of a client in its chat, by its chat and its key.
fn places(evidence: &Evidence) -> HashMap<(&str, &str), usize> {
    let stored = evidence.stored.values().filter(|message| !message.is_bot);
    let places =
        stored.filter_map(|message| Some(((message.chat.as_str(), message.key.as_deref()?), message.place)));
    places.collect()
}

/// What a call has in it that it must not have.
fn strange(evidence: &Evidence, places: &HashMap<(&str, &str), usize>, call: &Call) -> Option<String> {
    let notes = &evidence.notes;
    if call.server >= evidence.servers {
        return Some("it was made by a server that was only asked what is stored".to_owned());
    }
    let prompt = match call.prompt {
        Turn::Writing(number) => notes.writings.get(number)?,
        Turn::Answer(_) | Turn::Strange => return Some("what is said last in it is no client's".to_owned()),
    };
    let place = |writing: &Writing| {
        places
            .get(&(writing.chat.as_str(), writing.key.as_str()))
            .copied()
    };
    call.history.iter().find_map(|turn| {
        let asked = match *turn {
            Turn::Writing(number) => Turn::Writing(number),
            Turn::Answer(number) => notes.calls.get(number)?.prompt,
            Turn::Strange => Turn::Strange,
        };
        let Turn::Writing(number) = asked else {
            return Some("something is said in it that nobody said".to_owned());
        };
        let earlier = notes.writings.get(number)?;
        if earlier.chat != prompt.chat {
            return Some(format!("{turn:?} is in it, of another chat"));
        }
        let is_before = place(earlier)
            .zip(place(prompt))
            .is_none_or(|(one, other)| one < other);
        if !is_before {
            return Some(format!("{turn:?} is in it, and does not stand before its prompt"));
        }
        let since = notes.gone_since(earlier)?;
        (matches!(turn, Turn::Writing(_)) && evidence.is_late(call.server, since, call.at))
            .then(|| format!("{turn:?} is in it, which had been deleted"))
    })
}

/// How late after the deletion of its prompt, alone or with its chat, a call came, if it was too late.
fn late(evidence: &Evidence, call: &Call) -> Option<String> {
    let Turn::Writing(number) = call.prompt else {
        return None;
    };
    let since = evidence.notes.gone_since(evidence.notes.writings.get(number)?)?;
    evidence.is_late(call.server, since, call.at).then(|| {
        let late = seconds(call.at.millis() - since.millis());
        let most = ON_ITS_WAY_MS / 1_000;
        format!("it came {late:.1} s after its prompt or its chat was deleted; {most} s are allowed")
    })
}

#[cfg(test)]
mod tests {
    use super::super::evidence::samples::{at, trial};
    use super::super::finding::Verdict;
    use super::*;
    use crate::cli::verify::ledger::{Deletion, Trouble};

    /// A trial in which the prompt `m0` was asked by another call as well.
    fn with_call(change: impl FnOnce(&mut Call)) -> Evidence {
        let mut evidence = trial();
        let mut call = evidence.notes.calls[0].clone();
        change(&mut call);
        evidence.notes.writings[0].calls.push(evidence.notes.calls.len());
        evidence.notes.calls.push(call);
        evidence
    }

    fn found(evidence: &Evidence) -> String {
        let breaches = counted(evidence).breaches;
        breaches
            .into_iter()
            .map(|breach| breach.what)
            .collect::<Vec<_>>()
            .join("; ")
    }

    #[test]
    fn a_trial_in_which_all_went_well_is_held() {
        let finding = counted(&trial());
        assert_eq!(finding.verdict, Verdict::Held, "{finding:?}");
        assert!(
            finding.tried.starts_with("2 calls for 2 prompts; 0 failed"),
            "{}",
            finding.tried
        );
        assert!(
            finding.tried.contains("1 were left by their server"),
            "{}",
            finding.tried
        );
    }

    #[test]
    fn a_second_answer_is_found() {
        assert_eq!(found(&with_call(|_| {})), "the bot answered it 2 times");
    }

    #[test]
    fn asking_again_is_right_only_after_a_failure_before_the_first_words_by_the_same_server() {
        let failed = |call: &mut Call| (call.begun_at, call.end) = (None, CallEnd::Failed);
        let mut evidence = with_call(|_| {});
        failed(&mut evidence.notes.calls[0]);
        assert_eq!(found(&evidence), "");
        // As long as it was not answered.
        evidence.notes.calls[0].end = CallEnd::Left;
        assert!(found(&evidence).contains("asked again after call 0, which is Left"));
        // The same server, but after its death.
        failed(&mut evidence.notes.calls[0]);
        evidence.notes.calls[2].start += 1;
        assert!(found(&evidence).contains("by server 0 of start 0 and by server 0 of start 1"));
        evidence.notes.calls[2].start = 0;
        for _ in 0..2 {
            let mut call = evidence.notes.calls[0].clone();
            failed(&mut call);
            evidence.notes.writings[0]
                .calls
                .insert(0, evidence.notes.calls.len());
            evidence.notes.calls.push(call);
        }
        assert_eq!(found(&evidence), "the bot was asked 4 times");
    }

    #[test]
    fn what_does_not_belong_in_a_call_is_found() {
        let history = |turn| {
            let mut evidence = trial();
            evidence.notes.calls[0].history = vec![turn];
            found(&evidence)
        };
        // The prompt of the other call stands behind this one's.
        assert!(history(Turn::Writing(1)).contains("does not stand before"));
        assert!(history(Turn::Answer(1)).contains("does not stand before"));
        assert!(history(Turn::Strange).contains("nobody said"));
        let mut evidence = trial();
        evidence.notes.calls[1].history = vec![Turn::Writing(0), Turn::Answer(0)];
        assert_eq!(found(&evidence), "");
        evidence.notes.writings[0].deletion = Deletion::Acknowledged(at(-60_000));
        assert!(found(&evidence).contains("which had been deleted"));
        evidence.notes.writings[0].deletion = Deletion::None;
        evidence.notes.writings[0].chat = "d".to_owned();
        assert!(found(&evidence).contains("of another chat"));
        let mut evidence = trial();
        evidence.notes.calls[0].prompt = Turn::Strange;
        assert!(found(&evidence).contains("no client's"));
        evidence.notes.calls[1].server = 2;
        assert!(found(&evidence).contains("only asked what is stored"));
    }

    #[test]
    fn a_call_for_what_was_deleted_is_found_unless_it_was_on_its_way_or_its_server_stood_still() {
        let mut evidence = trial();
        let mut deleted = |ms| {
            evidence.notes.writings[0].deletion = Deletion::Acknowledged(at(ms));
            found(&evidence)
        };
        assert_eq!(deleted(-4_500), "");
        assert!(deleted(-4_501).contains("5.0 s after its prompt"));
        let chat = evidence.notes.deletions.entry("c".to_owned()).or_default();
        chat.deletion = Deletion::Acknowledged(at(-8_000));
        assert!(found(&evidence).contains("8.5 s after"));
        let done = &mut evidence.notes.disturbances[0];
        (done.server, done.trouble, done.from, done.back_at) =
            (0, Trouble::Freeze, at(-9_000), Some(at(400)));
        let found = counted(&evidence).breaches;
        assert!(found.iter().all(|breach| breach.ids != ["call 0"]), "{found:?}");
    }

    #[test]
    fn a_reply_whose_prompt_was_deleted_and_asked_all_the_same_is_found() {
        let mut evidence = trial();
        let reply = evidence.stored.get_mut("r0").unwrap().reply.as_mut().unwrap();
        reply.code = Some(PROMPT_DELETED.to_owned());
        assert!(found(&evidence).contains("PROMPT_DELETED, and the bot was asked: call 0"));
    }
}
