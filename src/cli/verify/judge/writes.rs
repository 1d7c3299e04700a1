//! Promises 1 and 2: nothing that was acknowledged is lost, and nothing is there twice.

use std::collections::{BTreeMap, BTreeSet};

use super::evidence::Evidence;
use super::finding::{Breach, Finding};
use crate::cli::verify::ledger::{Deletion, GONE, Writing};
use crate::cli::verify::view::difference;

/// What was acknowledged is there.
pub fn kept(evidence: &Evidence) -> Finding {
    let mut breaches = Vec::new();
    let (mut messages, mut deletions) = (0, 0);
    for writing in evidence
        .notes
        .writings
        .iter()
        .filter(|writing| !writing.acks.is_empty())
    {
        let with_chat = evidence.notes.deletion_of(&writing.chat);
        match (evidence.notes.gone_since(writing), with_chat, writing.deletion) {
            (Some(_), _, _) => deletions += 1,
            (None, Deletion::None, Deletion::None) => messages += 1,
            // Whether it is there is not known, and either is right.
            _ => continue,
        }
        let ids: BTreeSet<_> = writing.acks.iter().map(|ack| ack.message.as_str()).collect();
        breaches.extend(ids.into_iter().filter_map(|id| unlike(evidence, writing, id)));
        let replies: BTreeSet<_> = writing
            .acks
            .iter()
            .filter_map(|ack| ack.reply.as_deref())
            .collect();
        if with_chat != Deletion::None {
            let left = replies.into_iter().filter(|id| evidence.stored.contains_key(*id));
            breaches.extend(left.map(|id| Breach::new([id], "its chat was deleted, and it is there")));
            continue;
        }
        // Of a prompt that was deleted whoever finds its server dead removes a reply that says nothing.
        let mut disturbances = evidence.notes.disturbances.iter();
        let may_be_removed = writing.deletion != Deletion::None
            && disturbances.any(|done| writing.tried.contains(&done.server));
        let lost = replies
            .into_iter()
            .filter(|id| !may_be_removed && !evidence.stored.contains_key(*id));
        breaches.extend(lost.map(|id| Breach::new([id], "a reply was acknowledged, and is not there")));
    }
    let tried = format!("{messages} messages and {deletions} deletions were acknowledged");
    let promise = "an acknowledged message is never lost";
    Finding::of(1, promise, tried, messages + deletions, breaches)
}

fn unlike(evidence: &Evidence, writing: &Writing, id: &str) -> Option<Breach> {
    let stored = evidence.stored.get(id);
    if evidence.notes.gone_since(writing).is_some() {
        return stored.map(|_| Breach::new([id], "its deletion was acknowledged, and it is there"));
    }
    let Some(stored) = stored else {
        return Some(Breach::new([id], "it was acknowledged, and is not there"));
    };
    if stored.is_bot || stored.chat != writing.chat {
        return Some(Breach::new([id], "it has another author, or is in another chat"));
    }
    (stored.text != writing.text).then(|| {
        let difference = difference(&stored.text, &writing.text);
        Breach::new([id], format!("it says something else: {difference}"))
    })
}

/// However often something was sent, it is there once.
pub fn once(evidence: &Evidence) -> Finding {
    let mut breaches = Vec::new();
    let writings = &evidence.notes.writings;
    let again = writings.iter().filter(|writing| writing.sendings > 1);
    let (keys, sendings) = again.fold((0, 0), |(keys, all), writing| (keys + 1, all + writing.sendings));
    for writing in writings {
        let acks: BTreeSet<_> = writing
            .acks
            .iter()
            .map(|ack| (&ack.message, &ack.reply))
            .collect();
        if acks.len() > 1 {
            let ids = acks
                .iter()
                .flat_map(|(message, reply)| [Some(*message), reply.as_ref()]);
            breaches.push(Breach {
                ids: ids.flatten().cloned().collect(),
                what: format!("the key {} was acknowledged with several ids", writing.key),
            });
        }
        let key = &writing.key;
        // In a chat that is being deleted a message may come too late.
        let is_deleted = evidence.notes.deletion_of(&writing.chat) != Deletion::None;
        let refused = writing
            .refusals
            .iter()
            .filter(|how| !(is_deleted && how.starts_with(GONE)));
        breaches
            .extend(refused.map(|how| Breach::new([key.as_str()], format!("a sending was refused: {how}"))));
    }
    let mut under_key: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    let mut replies_to: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let sent: BTreeSet<_> = writings
        .iter()
        .map(|writing| (writing.chat.as_str(), writing.key.as_str()))
        .collect();
    for message in evidence.stored.values() {
        if let Some(asked) = message
            .reply
            .as_ref()
            .and_then(|reply| reply.in_reply_to.as_deref())
        {
            replies_to.entry(asked).or_default().push(message.id.clone());
        }
        if message.is_bot {
            continue;
        }
        let place = (message.chat.as_str(), message.key.as_deref().unwrap_or_default());
        if !sent.contains(&place) {
            breaches.push(Breach::new([&message.id], "it is there, and nobody sent it"));
        }
        under_key.entry(place).or_default().push(message.id.clone());
    }
    let several = |ids: Vec<String>, what: &str| {
        (ids.len() > 1).then(|| Breach {
            ids,
            what: what.to_owned(),
        })
    };
    let messages = under_key.into_values();
    breaches.extend(messages.filter_map(|ids| several(ids, "several messages have one key")));
    let replies = replies_to.into_values();
    breaches.extend(replies.filter_map(|ids| several(ids, "several replies answer one message")));
    let tried = format!("{keys} messages were sent {sendings} times");
    Finding::of(2, "a retry never doubles", tried, keys, breaches)
}

#[cfg(test)]
mod tests {
    use super::super::evidence::samples::{at, stored, trial};
    use super::super::finding::Verdict;
    use super::*;
    use crate::cli::verify::ledger::Ack;

    #[test]
    fn a_trial_in_which_all_went_well_is_held() {
        let evidence = trial();
        assert_eq!(kept(&evidence).verdict, Verdict::Held);
        assert_eq!(
            kept(&evidence).tried,
            "2 messages and 0 deletions were acknowledged"
        );
        assert_eq!(once(&evidence).verdict, Verdict::Held);
        assert_eq!(once(&evidence).tried, "1 messages were sent 2 times");
    }

    #[test]
    fn a_message_that_is_lost_or_another_is_found() {
        let mut evidence = trial();
        evidence.stored.remove("m0");
        evidence.stored.remove("r1");
        evidence.stored.get_mut("m1").unwrap().text.push('!');
        let found = kept(&evidence).breaches;
        let ids: Vec<_> = found.iter().flat_map(|breach| breach.ids.clone()).collect();
        assert_eq!(ids, ["m0", "m1", "r1"], "{found:?}");
    }

    #[test]
    fn a_deletion_that_is_undone_is_found() {
        let mut evidence = trial();
        evidence.notes.writings[0].deletion = Deletion::Asked;
        assert_eq!(kept(&evidence).breaches, []);
        evidence.notes.writings[0].deletion = Deletion::Acknowledged(at(9_000));
        assert_eq!(kept(&evidence).breaches[0].ids, ["m0"]);
        evidence.stored.remove("m0");
        assert_eq!(kept(&evidence).breaches, []);
    }

    #[test]
    fn what_is_left_of_a_deleted_chat_is_found_and_a_late_message_in_it_may_be_refused() {
        let mut evidence = trial();
        let noted = evidence.notes.deletions.entry("c".to_owned()).or_default();
        noted.deletion = Deletion::Acknowledged(at(9_000));
        evidence.notes.writings[0].refusals.push(format!("{GONE}: gone"));
        evidence
            .stored
            .retain(|id, _| ["m0", "r1"].contains(&id.as_str()));
        let found = kept(&evidence).breaches;
        let ids: Vec<_> = found.iter().flat_map(|breach| breach.ids.clone()).collect();
        assert_eq!(ids, ["m0", "r1"], "{found:?}");
        assert_eq!(once(&evidence).breaches, []);
        evidence.notes.deletions.clear();
        assert_eq!(once(&evidence).breaches.len(), 1);
    }

    #[test]
    fn a_reply_to_a_deleted_prompt_is_kept_unless_its_server_died() {
        let mut evidence = trial();
        for n in [0, 1] {
            evidence.notes.writings[n].deletion = Deletion::Acknowledged(at(9_000));
            evidence.stored.remove(&format!("m{n}"));
            evidence.stored.remove(&format!("r{n}"));
        }
        evidence.notes.writings[0].tried = [0].into();
        let found = kept(&evidence).breaches;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].ids, ["r0"]);
    }

    #[test]
    fn a_message_and_a_reply_that_are_there_twice_are_found() {
        let mut evidence = trial();
        let double = stored("m2", "one", Some("k0"), None);
        evidence.stored.insert(double.id.clone(), double);
        let mut double = evidence.stored["r0"].clone();
        double.id = "r2".to_owned();
        evidence.stored.insert(double.id.clone(), double);
        assert_eq!(once(&evidence).breaches.len(), 2);
    }

    #[test]
    fn another_answer_to_a_retry_a_refusal_and_a_message_of_nobody_are_found() {
        let mut evidence = trial();
        evidence.notes.writings[0].acks.push(Ack {
            message: "m9".to_owned(),
            reply: None,
            server: 0,
            at: at(150),
        });
        evidence.notes.writings[1]
            .refusals
            .push("CONFLICT: it is".to_owned());
        let strange = stored("m3", "boo", None, None);
        evidence.stored.insert(strange.id.clone(), strange);
        assert_eq!(once(&evidence).breaches.len(), 3);
    }
}
