//! What a judge looks at.

use std::collections::{BTreeSet, HashMap};

use crate::cli::client::ReplyState;
use crate::cli::verify::ledger::{Disturbance, Notes, Trouble, Writing};
use crate::cli::verify::reading::{Stored, StoredMessage, StoredReply};
use crate::domain::Timestamp;

/// What a server that died may keep a reply from ending, in milliseconds.
pub const DEAD_FOR_MS_MAX: i64 = 15_000;
/// How long after a deletion was acknowledged something of it may still be on its way, in milliseconds: a call to the
/// bot that is tried again, and what a server that takes no part in the deletion sends until it has looked at the
/// store.
pub const ON_ITS_WAY_MS: i64 = 5_000;

/// What a judge looks at.
pub struct Evidence {
    /// What clients did and saw.
    pub notes: Notes,
    /// How many servers there were.
    pub servers: usize,
    /// What was stored while the servers of the trial still ran, when everything should have come to rest.
    pub at_rest: Stored,
    /// What is stored, as a server tells that was started after all others had ended.
    pub stored: Stored,
    /// What is left in the store of what was deleted.
    pub left: Vec<String>,
}

/// A reply that was acknowledged, with all there is about it.
pub struct Replied<'a> {
    /// Its id.
    pub id: &'a str,
    /// The number of what asked for it.
    pub number: usize,
    /// What asked for it.
    pub writing: &'a Writing,
    /// It as it is stored, if it is.
    pub message: &'a StoredMessage,
    /// How it came about.
    pub reply: &'a StoredReply,
}

impl Evidence {
    /// The replies that were acknowledged and are stored.
    pub fn replies(&self) -> Vec<Replied<'_>> {
        let mut seen = BTreeSet::new();
        let writings = self.notes.writings.iter().enumerate();
        let acknowledged = writings.flat_map(|(number, writing)| {
            let replies = writing.acks.iter().filter_map(|ack| ack.reply.as_deref());
            replies.map(move |id| (id, number, writing))
        });
        let replied = acknowledged.filter_map(|(id, number, writing)| {
            let message = self.stored.get(id)?;
            let reply = message.reply.as_ref()?;
            Some(Replied {
                id,
                number,
                writing,
                message,
                reply,
            })
        });
        replied.filter(|replied| seen.insert(replied.id)).collect()
    }

    /// What may have ended a reply that some servers generated, early enough before that: the earliest first.
    pub fn deaths(&self, tried: &BTreeSet<usize>, ended_at: Timestamp) -> Vec<&Disturbance> {
        let may_be = |done: &&Disturbance| {
            let until = self.due(done).map(|due| due.plus_millis(self.notes.slack_ms));
            tried.contains(&done.server)
                && done.from <= ended_at.plus_millis(self.notes.slack_ms)
                && until.is_none_or(|until| ended_at <= until)
        };
        let mut deaths: Vec<_> = self.notes.disturbances.iter().filter(may_be).collect();
        deaths.sort_by_key(|done| done.from);
        deaths
    }

    /// When the replies of a server that died should have ended: a bound after its death; or, where no other server
    /// could find out, after its return. `None` if it never came back.
    fn due(&self, done: &Disturbance) -> Option<Timestamp> {
        let from = match self.servers {
            1 => done.back_at?,
            _ => done.died_at,
        };
        Some(from.plus_millis(DEAD_FOR_MS_MAX))
    }

    /// Whether what a server did at a moment came too late after a deletion. A server that stood still meanwhile goes
    /// on where it was.
    pub fn is_late(&self, server: usize, deleted_at: Timestamp, at: Timestamp) -> bool {
        let stood_still = self.notes.disturbances.iter().any(|done| {
            let is_over = done.back_at.is_some_and(|back_at| back_at < deleted_at);
            done.server == server && done.trouble == Trouble::Freeze && done.from <= at && !is_over
        });
        at > deleted_at.plus_millis(ON_ITS_WAY_MS + self.notes.slack_ms) && !stood_still
    }

    /// How many replies ended in each state.
    pub fn states(&self) -> Vec<(ReplyState, usize)> {
        let mut states: HashMap<String, (ReplyState, usize)> = HashMap::new();
        for replied in self.replies() {
            let state = replied.reply.state;
            states.entry(name(state)).or_insert((state, 0)).1 += 1;
        }
        let mut states: Vec<_> = states.into_iter().collect();
        states.sort_by(|a, b| a.0.cmp(&b.0));
        states.into_iter().map(|(_, counted)| counted).collect()
    }
}

/// A state as the schema writes it.
pub fn name(state: ReplyState) -> String {
    format!("{state:?}").to_uppercase()
}

#[cfg(test)]
pub mod samples {
    //! A trial in which nothing went wrong, to be spoilt.

    use super::*;
    use crate::cli::verify::bot::{Call, CallEnd, Speech, Turn, answers};
    use crate::cli::verify::ledger::Ack;
    use crate::cli::verify::view::{Face, View};

    /// A moment of the trial.
    pub fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + ms)
    }

    /// A prompt `m0` by way of two servers with the reply `r0`, which is complete and was read by one; and a prompt
    /// `m1` with the reply `r1`, whose server 1 was killed two seconds after the reader had been shown 12 bytes of it.
    pub fn trial() -> Evidence {
        let mut evidence = Evidence {
            notes: Notes::default(),
            servers: 2,
            at_rest: Stored::new(),
            stored: Stored::new(),
            left: Vec::new(),
        };
        let texts = ["one", "two three"];
        let told = [0, 1].map(|call| answers::text(call, Speech::Wide));
        let told = [told[0].clone(), told[1][..14].to_owned()];
        let ends = [CallEnd::Whole, CallEnd::Left];
        let states = [ReplyState::Complete, ReplyState::Interrupted];
        for n in 0..2 {
            let (message, reply) = (format!("m{n}"), format!("r{n}"));
            let ack = Ack {
                message: message.clone(),
                reply: Some(reply.clone()),
                server: n,
                at: at(150),
            };
            evidence.notes.writings.push(Writing {
                chat: "c".to_owned(),
                key: format!("k{n}"),
                text: texts[n].to_owned(),
                speech: Speech::Wide,
                calls: vec![n],
                sent_at: Some(at(100)),
                sendings: 2 - n,
                tried: (n..2).collect(),
                acks: vec![ack; 2 - n],
                ..Writing::default()
            });
            evidence.notes.calls.push(Call {
                server: n,
                start: n,
                at: at(500),
                prompt: Turn::Writing(n),
                history: Vec::new(),
                begun_at: Some(at(900)),
                end: ends[n],
            });
            let mut view = View::new(reply.clone(), Face::Reply);
            view.server = n;
            view.snapshot(at(1_000), &told[n][..12]);
            view.partial(at(2_900), &told[n][12..]);
            view.end(states[n], Some(&told[n]));
            evidence.notes.views.push(view);
            let messages = [
                stored(&message, texts[n], Some(&format!("k{n}")), None),
                stored(
                    &reply,
                    &told[n],
                    None,
                    Some(StoredReply {
                        state: states[n],
                        in_reply_to: Some(message.clone()),
                        code: None,
                        finished_at: Some(at(9_000)),
                    }),
                ),
            ];
            for (place, mut message) in messages.into_iter().enumerate() {
                message.place = 2 * n + place;
                evidence.at_rest.insert(message.id.clone(), message.clone());
                evidence.stored.insert(message.id.clone(), message);
            }
        }
        evidence.notes.disturbances.push(Disturbance {
            server: 1,
            trouble: Trouble::Kill,
            from: at(3_000),
            died_at: at(3_000),
            back_at: Some(at(4_000)),
        });
        evidence
    }

    /// A stored message.
    pub fn stored(id: &str, text: &str, key: Option<&str>, reply: Option<StoredReply>) -> StoredMessage {
        StoredMessage {
            chat: "c".to_owned(),
            place: 0,
            id: id.to_owned(),
            is_bot: reply.is_some(),
            text: text.to_owned(),
            key: key.map(str::to_owned),
            reply,
        }
    }
}
