//! What was deleted is gone at once, everywhere, and nothing of it is left.

use std::collections::HashMap;

use super::evidence::{Evidence, ON_ITS_WAY_MS};
use super::finding::{Breach, Finding};
use super::texts::seconds;
use crate::cli::verify::ledger::Told;
use crate::domain::Timestamp;

/// What was deleted is gone.
pub fn gone(evidence: &Evidence) -> Finding {
    let notes = &evidence.notes;
    let mut breaches = Vec::new();
    for look in notes.looks.iter().filter(|look| !look.found.is_empty()) {
        let what = format!(
            "server {} still had of it: {}",
            look.server,
            look.found.join(", ")
        );
        breaches.push(Breach::new([&look.id], what));
    }
    for (chat, noted) in &notes.deletions {
        let told = noted.told.iter();
        let late = told.filter_map(|told| late(evidence, noted.deletion.acknowledged_at()?, *told));
        breaches.extend(late.map(|what| Breach::new([chat], format!("a subscriber of the chat {what}"))));
    }
    let chats = chats_of_replies(evidence);
    for view in &notes.views {
        let chat = chats.get(view.reply.as_str());
        let since = chat.and_then(|chat| notes.deletion_of(chat).acknowledged_at());
        let what = since
            .zip(view.last)
            .and_then(|(since, told)| late(evidence, since, told));
        let who = view.face.name();
        breaches.extend(what.map(|what| Breach::new([&view.reply], format!("{who} {what}"))));
    }
    let left = evidence.left.iter();
    breaches.extend(left.map(|id| Breach::new([id], "it was deleted, and is still stored")));

    let chats = notes.chats_deleted();
    let tried = format!(
        "{chats} chats were deleted while replies ran or waited, and {} messages; {} looks for them",
        notes.messages_deleted(),
        notes.looks.len()
    );
    let promise = "what is deleted is gone for everybody";
    Finding::of(12, promise, tried, chats, breaches)
}

/// How late after its deletion something of a chat came, if that was too late.
fn late(evidence: &Evidence, since: Timestamp, told: Told) -> Option<String> {
    evidence.is_late(told.server, since, told.at).then(|| {
        let late = seconds(told.at.millis() - since.millis());
        format!(
            "was sent something by server {} {late:.1} s after the deletion of the chat; {} s are allowed",
            told.server,
            ON_ITS_WAY_MS / 1_000,
        )
    })
}

/// The chat of each reply that was acknowledged.
fn chats_of_replies(evidence: &Evidence) -> HashMap<&str, &str> {
    let writings = evidence.notes.writings.iter();
    let replies = writings.flat_map(|writing| {
        let replies = writing.acks.iter().filter_map(|ack| ack.reply.as_deref());
        replies.map(move |reply| (reply, writing.chat.as_str()))
    });
    replies.collect()
}

#[cfg(test)]
mod tests {
    use super::super::evidence::samples::{at, trial};
    use super::super::finding::Verdict;
    use super::*;
    use crate::cli::verify::ledger::{Deletion, Look, Trouble};

    /// A trial whose chat was deleted at a moment.
    fn with_deletion(ms: i64) -> Evidence {
        let mut evidence = trial();
        let noted = evidence.notes.deletions.entry("c".to_owned()).or_default();
        noted.deletion = Deletion::Acknowledged(at(ms));
        noted.told = vec![Told {
            server: 0,
            at: at(3_000),
        }];
        evidence
    }

    #[test]
    fn a_trial_in_which_all_went_well_is_held_and_one_without_deletions_is_not_tried() {
        let finding = gone(&with_deletion(2_000));
        assert_eq!(finding.verdict, Verdict::Held, "{finding:?}");
        assert!(matches!(gone(&trial()).verdict, Verdict::NotTried(_)));
    }

    #[test]
    fn what_a_server_still_has_and_what_is_still_stored_is_found() {
        let mut evidence = with_deletion(2_000);
        let look = |found: &[&str]| Look {
            id: "c".to_owned(),
            server: 1,
            found: found.iter().map(|what| (*what).to_owned()).collect(),
        };
        evidence.notes.looks = vec![look(&[]), look(&["a message, by its words"])];
        evidence.left = vec!["m1".to_owned()];
        let found = gone(&evidence).breaches;
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0]
                .what
                .contains("server 1 still had of it: a message, by its words")
        );
        assert_eq!(found[1].ids, ["m1"]);
    }

    #[test]
    fn what_is_sent_long_after_the_deletion_is_found_unless_its_server_stood_still() {
        // The reader of each reply was sent its last words at 2,900 ms, and the subscriber of the chat something at
        // 3,000.
        assert_eq!(gone(&with_deletion(-2_000)).breaches, []);
        let mut evidence = with_deletion(-2_001);
        let found = gone(&evidence).breaches;
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0]
                .what
                .contains("a subscriber of the chat was sent something by server 0 5.0 s after")
        );
        assert_eq!(gone(&with_deletion(-3_000)).breaches.len(), 3);
        let done = &mut evidence.notes.disturbances[0];
        (done.server, done.trouble) = (0, Trouble::Freeze);
        assert_eq!(gone(&evidence).breaches, []);
    }
}
