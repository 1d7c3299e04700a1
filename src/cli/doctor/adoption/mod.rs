//! `colloquy doctor --adopt`: a look at every document of a database that the documented system wrote.

mod findings;
mod json;
mod tables;

use indicatif::ProgressBar;

use super::finding::Finding;
use super::mongo::unreachable;
use crate::app;
use crate::store::inspection::{Survey, SurveyProgress};

pub use json::to_json;
pub use tables::tables;

/// Looks at a database, and tells on a terminal's standard error how far it is.
pub async fn look(uri: &str) -> (Vec<Finding>, Option<Survey>) {
    // Draws nothing where there is no terminal.
    let bar = ProgressBar::new_spinner();
    bar.set_message("looking at the database");
    bar.tick();
    let progress = |at: SurveyProgress| {
        bar.set_message(format!(
            "{}: {} of about {}",
            at.collection, at.looked_at, at.expected
        ));
        bar.tick();
    };
    let surveyed = app::survey_database(uri, &progress).await;
    bar.finish_and_clear();
    match surveyed.survey {
        Ok(survey) => (findings::findings(&survey), Some(survey)),
        Err(error) => (vec![unreachable(surveyed.place.as_ref(), &error)], None),
    }
}

/// A number of things, for one word.
fn number_of(count: u64, word: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {word}{plural}", grouped(count))
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Quarters of an hour as the offset of a time zone.
fn zone(quarters: i32) -> String {
    let sign = if quarters < 0 { '-' } else { '+' };
    let minutes = quarters.unsigned_abs() * 15;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_zones_are_written_as_people_write_them() {
        let numbers = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [1, 1_000].map(|count| number_of(count, "message")),
            ["1 message", "1,000 messages"]
        );
        assert_eq!(
            [-1, 0, 22, -38].map(zone),
            ["-00:15", "+00:00", "+05:30", "-09:30"]
        );
    }
}
