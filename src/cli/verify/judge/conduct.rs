//! Promises 7 to 10, and servers that ended by themselves.

use std::collections::BTreeSet;

use super::evidence::Evidence;
use super::finding::{Breach, Finding, Verdict};
use super::texts::seconds;

/// How long the first words of a reply may take beside a stalled reader, in milliseconds: the time in which the bot
/// says them, and some seconds, which are fewer than a server waits for a reader that reads nothing.
const FIRST_WORDS_MS_MAX: i64 = 6_000;

/// Nobody waited for a reader that stalled.
pub fn slow_readers(evidence: &Evidence) -> Finding {
    let stalls = &evidence.notes.stalls;
    let late = stalls.iter().filter_map(|stall| {
        let most = FIRST_WORDS_MS_MAX + 2 * evidence.notes.slack_ms;
        let writing = evidence.notes.writings.get(stall.number);
        let reply = writing.and_then(|writing| writing.acks.first()?.reply.as_deref());
        let what = match stall.took_ms {
            Some(took_ms) if took_ms <= most => return None,
            Some(took_ms) => format!(
                "beside a stalled reader its first words took {:.1} s",
                seconds(took_ms)
            ),
            None => "beside a stalled reader its first words did not come".to_owned(),
        };
        Some(Breach::new([reply.unwrap_or_default()], what))
    });
    let tried = format!("{} replies beside a reader that read nothing", stalls.len());
    Finding::of(
        7,
        "slow readers cost nobody anything",
        tried,
        stalls.len(),
        late.collect(),
    )
}

/// What cannot be seen from outside.
pub fn cost() -> Finding {
    let why = "what a token costs is measured by `make bench`";
    Finding::not_tried(8, "cost per token is constant", why)
}

/// What there is no way to break yet.
pub fn others_chats() -> Finding {
    let why = "no authentication is configured";
    Finding::not_tried(9, "nobody sees another's chat", why)
}

/// Whatever was sent was answered.
pub fn bad_input(evidence: &Evidence) -> Finding {
    let abuses = &evidence.notes.abuses;
    let kinds: BTreeSet<_> = abuses.iter().map(|abuse| abuse.name).collect();
    let faults = abuses.iter().filter_map(|abuse| {
        let fault = abuse.fault.as_ref()?;
        Some(Breach::new([abuse.name], fault.as_str()))
    });
    let tried = format!("{} bad requests of {} kinds", abuses.len(), kinds.len());
    let promise = "bad input gets a clear error with a stable code";
    Finding::of(10, promise, tried, abuses.len(), faults.collect())
}

/// No server ended otherwise than it was told.
pub fn exits(evidence: &Evidence) -> Finding {
    let exits = evidence.notes.exits.iter();
    let breaches: Vec<_> = exits
        .map(|exit| {
            let what = format!(
                "{}; the last words of its log:\n{}",
                exit.how,
                exit.last_words.trim_end()
            );
            Breach::new([&format!("server {}", exit.server)], what)
        })
        .collect();
    Finding {
        number: None,
        promise: "no server ends by itself",
        tried: format!(
            "{} servers, hurt {} times",
            evidence.servers,
            evidence.notes.disturbances.len()
        ),
        verdict: if breaches.is_empty() {
            Verdict::Held
        } else {
            Verdict::Broken
        },
        breaches,
    }
}

#[cfg(test)]
mod tests {
    use super::super::evidence::samples::trial;
    use super::*;
    use crate::cli::verify::ledger::{Abuse, Exit, Stall};

    #[test]
    fn a_reply_that_waits_for_a_stalled_reader_is_found() {
        let mut evidence = trial();
        assert!(matches!(slow_readers(&evidence).verdict, Verdict::NotTried(_)));
        let stall = |took_ms| Stall { number: 0, took_ms };
        evidence.notes.stalls = vec![stall(Some(6_000))];
        assert_eq!(slow_readers(&evidence).verdict, Verdict::Held);
        evidence.notes.stalls = vec![stall(Some(6_001)), stall(None)];
        let found = slow_readers(&evidence).breaches;
        assert!(
            found.len() == 2 && found.iter().all(|breach| breach.ids == ["r0"]),
            "{found:?}"
        );
    }

    #[test]
    fn bad_input_that_is_taken_and_a_server_that_ends_by_itself_are_found() {
        let mut evidence = trial();
        let abuse = |fault: Option<&str>| Abuse {
            name: "nothing",
            fault: fault.map(str::to_owned),
        };
        evidence.notes.abuses = vec![abuse(None)];
        assert_eq!(bad_input(&evidence).verdict, Verdict::Held);
        assert_eq!(exits(&evidence).verdict, Verdict::Held);
        evidence.notes.abuses.push(abuse(Some("answered 500")));
        evidence.notes.exits.push(Exit {
            server: 1,
            how: "exit status: 101, by itself".to_owned(),
            last_words: "panicked\n".to_owned(),
        });
        assert_eq!(bad_input(&evidence).breaches.len(), 1);
        assert!(exits(&evidence).breaches[0].what.ends_with("panicked"));
    }
}
