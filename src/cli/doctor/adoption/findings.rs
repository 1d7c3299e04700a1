//! What to say about a survey.

use super::{grouped, number_of, zone};
use crate::cli::doctor::finding::Finding;
use crate::cli::doctor::mongo::conflict;
use crate::store::inspection::{CollectionSurvey, Reading, Survey};

/// What to say about a survey. The last of it is that nothing was changed.
pub fn findings(survey: &Survey) -> Vec<Finding> {
    let mut findings = Vec::new();
    for collection in &survey.collections {
        findings.extend(there(collection));
        findings.extend(unreadable(collection));
        findings.extend(clock(collection));
        findings.extend(indexes(collection));
    }
    findings.push(orphans(survey));
    findings.push(Finding::ok(
        "changes",
        "none: this was a look, and nothing was written",
    ));
    findings
}

fn there(survey: &CollectionSurvey) -> Vec<Finding> {
    let subject = survey.collection;
    if !survey.is_there {
        return vec![
            Finding::warning(subject, "not there; a start makes it")
                .advise("see that --store names the database that the documented system wrote in"),
        ];
    }
    let mut findings = vec![Finding::ok(subject, number_of(survey.documents, "document"))];
    for option in &survey.options {
        findings.push(match option.as_str() {
            "view" | "timeseries" => {
                Finding::problem(subject, format!("it is no plain collection but a {option}"))
                    .advise("name the database of the collection itself")
            }
            "capped" => Finding::problem(
                subject,
                "it is capped: documents cannot be deleted, and old ones vanish",
            )
            .advise("copy its documents into a plain collection"),
            "validator" => Finding::warning(
                subject,
                "it has a validator, which may refuse what Colloquy writes",
            )
            .advise("see that it allows the fields listed above, or drop it with collMod"),
            "collation" => Finding::warning(
                subject,
                "it has a collation of its own, by which ids that differ may be one",
            )
            .advise("copy its documents into a collection without one"),
            other => Finding::ok(subject, format!("it was made with the option {other}")),
        });
    }
    findings
}

/// Documents that lists leave out.
fn unreadable(survey: &CollectionSurvey) -> Vec<Finding> {
    let fields = survey.fields.iter().flat_map(|field| {
        let left_out = field.kinds.iter().filter(|kind| kind.reading == Reading::LeftOut);
        left_out.map(move |kind| (field.name, kind))
    });
    let findings = fields.map(|(field, kind)| {
        let detail = format!(
            "{} in no list, whose {field} is {} (such as {})",
            number_of(kind.count, "document"),
            kind.kind,
            kind.sample
        );
        let advice = match (field, kind.kind.as_str()) {
            ("chat_id", "string") => {
                "the documented system does not list them either; to have them listed, store ObjectId(chat_id) in them"
            }
            _ => "mend or delete them where they matter; they harm nothing else",
        };
        Finding::warning(survey.collection, detail).advise(advice)
    });
    findings.collect()
}

fn clock(survey: &CollectionSurvey) -> Option<Finding> {
    let (&most, &count) = survey.offsets.quarters.iter().max_by_key(|(_, count)| **count)?;
    let subject = survey.collection;
    let others: u64 = survey.offsets.quarters.values().sum::<u64>() + survey.offsets.beyond - count;
    let also = match others {
        0 => String::new(),
        others => format!("; {} are not", grouped(others)),
    };
    if most == 0 {
        return Some(Finding::ok(
            subject,
            format!("{} dated in UTC{also}", number_of(count, "document")),
        ));
    }
    let detail = format!(
        "{} dated by a clock that was {} ahead of UTC{also}",
        number_of(count, "document"),
        zone(most)
    );
    Some(Finding::warning(subject, detail).advise(
        "Colloquy reads those dates as UTC and writes UTC, so old and new may change places for as long as that",
    ))
}

fn indexes(survey: &CollectionSurvey) -> Vec<Finding> {
    let subject = survey.collection;
    let review = &survey.indexes;
    let mut findings = Vec::new();
    for found in &review.conflicts {
        findings.push(Finding::problem(subject, conflict(found)).advise(format!(
            "a start fails until {} is dropped; see first who else uses it",
            found.existing.name
        )));
    }
    if survey.is_there && !review.documented_missing.is_empty() {
        let names: Vec<_> = review
            .documented_missing
            .iter()
            .map(|index| index.name.as_str())
            .collect();
        findings.push(
            Finding::warning(
                subject,
                format!("documented indexes are missing: {}", names.join(", ")),
            )
            .advise("a start makes them, and those that Colloquy adds"),
        );
    }
    for index in &review.foreign {
        if let Some(seconds) = index.expires_after_s {
            findings.push(
                Finding::warning(
                    subject,
                    format!(
                        "the index {} deletes documents after {seconds} seconds",
                        index.name
                    ),
                )
                .advise("drop it, unless chats are meant to vanish"),
            );
        }
        if index.is_unique {
            findings.push(
                Finding::warning(
                    subject,
                    format!(
                        "the unique index {} ({}) may refuse what Colloquy writes",
                        index.name, index.keys
                    ),
                )
                .advise("drop it, unless it is right that no two documents have the same"),
            );
        }
    }
    findings
}

fn orphans(survey: &Survey) -> Finding {
    match &survey.orphans.sample {
        None => Finding::ok("orphans", "every message's chat is there"),
        Some((message, chat)) => Finding::warning(
            "orphans",
            format!(
                "{} of chats that are not there (such as {message} of {chat})",
                number_of(survey.orphans.messages, "message")
            ),
        )
        .advise(
            "they are shown to nobody and harm nothing; the documented system leaves them behind at times",
        ),
    }
}
