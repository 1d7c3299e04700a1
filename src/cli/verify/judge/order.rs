//! A reply answers its prompt, and the order of a chat never goes back: also where messages were sent in one instant.

use std::collections::{BTreeMap, HashMap};

use super::evidence::Evidence;
use super::finding::{Breach, Finding};
use crate::cli::verify::ledger::Writing;
use crate::cli::verify::reading::StoredMessage;
use crate::domain::Timestamp;

/// Each reply names its prompt and stands behind it, and what was sent later stands later.
pub fn rises(evidence: &Evidence) -> Finding {
    let mut breaches = Vec::new();
    for replied in evidence.replies() {
        let asked = replied.reply.in_reply_to.as_deref();
        let mut acks = replied.writing.acks.iter();
        if let Some(asked) = asked.filter(|asked| acks.all(|ack| ack.message != **asked)) {
            let what = format!("it is the reply to {asked}, which it was not asked for with");
            breaches.push(Breach::new([replied.id], what));
        }
        let prompt = asked.and_then(|asked| evidence.stored.get(asked));
        if let Some(prompt) = prompt.filter(|prompt| prompt.place >= replied.message.place) {
            breaches.push(Breach::new(
                [replied.id, &prompt.id],
                "the reply stands before its prompt",
            ));
        }
    }
    for messages in by_chat(evidence).values() {
        breaches.extend(went_back(messages));
    }
    let (pairs, elsewhere) = pairs(evidence);
    let tried = format!(
        "{pairs} prompts and messages were sent in one instant, {elsewhere} of them by way of two servers"
    );
    let promise = "a reply answers its prompt, and order never goes back";
    Finding::of(13, promise, tried, pairs, breaches)
}

/// The messages of clients that are stored and were acknowledged, by chat and place.
fn by_chat(evidence: &Evidence) -> BTreeMap<&str, Vec<(&Writing, &StoredMessage)>> {
    let writings = evidence
        .notes
        .writings
        .iter()
        .filter(|writing| !writing.acks.is_empty());
    let by_key: HashMap<_, _> = writings
        .map(|writing| ((writing.chat.as_str(), writing.key.as_str()), writing))
        .collect();
    let mut chats: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for message in evidence.stored.values() {
        let key = message.key.as_deref().unwrap_or_default();
        if let Some(writing) = by_key.get(&(message.chat.as_str(), key)) {
            chats.entry(&message.chat).or_default().push((*writing, message));
        }
    }
    for messages in chats.values_mut() {
        messages.sort_by_key(|(_, message)| message.place);
    }
    chats
}

/// Messages that stand before others which were acknowledged before they were sent.
fn went_back(messages: &[(&Writing, &StoredMessage)]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    // Of those that stand before, the one that was sent last.
    let mut last_sent: Option<(Timestamp, &str)> = None;
    for (writing, message) in messages {
        if let (Some(acknowledged_at), Some((sent_at, before))) = (writing.acknowledged_at(), last_sent)
            && sent_at > acknowledged_at
        {
            let what = format!("it was acknowledged before {before} was sent, and stands behind it");
            breaches.push(Breach::new([message.id.as_str(), before], what));
        }
        let sent = writing.sent_at.map(|sent_at| (sent_at, message.id.as_str()));
        last_sent = last_sent.max(sent);
    }
    breaches
}

/// How many prompts and messages were acknowledged that were sent in one instant, and how many by two servers.
fn pairs(evidence: &Evidence) -> (usize, usize) {
    let writings = &evidence.notes.writings;
    let acknowledged = evidence.notes.pairs.iter().filter_map(|[prompt, message]| {
        let [prompt, message] = [writings.get(*prompt)?, writings.get(*message)?];
        prompt.acks.first().zip(message.acks.first())
    });
    acknowledged.fold((0, 0), |(pairs, elsewhere), (prompt, message)| {
        (
            pairs + 1,
            elsewhere + usize::from(prompt.server != message.server),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::evidence::samples::{at, trial};
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_trial_in_which_all_went_well_is_held_and_one_without_pairs_is_not_tried() {
        let mut evidence = trial();
        assert!(matches!(rises(&evidence).verdict, Verdict::NotTried(_)));
        evidence.notes.pairs.push([0, 1]);
        let finding = rises(&evidence);
        assert_eq!(finding.verdict, Verdict::Held, "{finding:?}");
        let tried = "1 prompts and messages were sent in one instant, 1 of them by way of two servers";
        assert_eq!(finding.tried, tried);
    }

    #[test]
    fn a_reply_to_another_prompt_or_before_its_own_is_found() {
        let mut evidence = trial();
        let place = evidence.stored["m0"].place;
        let reply = evidence.stored.get_mut("r0").unwrap();
        reply.place = place;
        reply.reply.as_mut().unwrap().in_reply_to = Some("m1".to_owned());
        let found = rises(&evidence).breaches;
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].what.contains("it is the reply to m1"), "{found:?}");
        assert!(found[1].what.contains("stands before its prompt"), "{found:?}");
    }

    #[test]
    fn a_message_that_was_sent_later_and_stands_earlier_is_found() {
        let mut evidence = trial();
        evidence.notes.writings[1].sent_at = Some(at(151));
        assert_eq!(rises(&evidence).breaches, []);
        let [one, other] = ["m0", "m1"].map(|id| evidence.stored[id].place);
        evidence.stored.get_mut("m0").unwrap().place = other;
        evidence.stored.get_mut("m1").unwrap().place = one;
        let found = rises(&evidence).breaches;
        assert!(found.iter().any(|breach| breach.ids == ["m0", "m1"]), "{found:?}");
        // Sent while the other was not acknowledged yet: either order is right.
        evidence.notes.writings[1].sent_at = Some(at(150));
        assert!(
            rises(&evidence)
                .breaches
                .iter()
                .all(|breach| breach.ids != ["m0", "m1"])
        );
    }
}
