//! Usage reports.

use super::{Error, Service};
use crate::domain::{Timestamp, TokenCount, UsageRow, UserId, Viewer};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// The days that a report covers by default.
const DAYS_DEFAULT: i64 = 30;
/// The most days that one report covers.
const DAYS_MAX: i64 = 366;

/// The period of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsagePeriod {
    /// The beginning (inclusive); thirty days before the end if not given.
    pub from: Option<Timestamp>,
    /// The end (exclusive); now if not given.
    pub to: Option<Timestamp>,
}

/// Tokens by day, author and model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageReport {
    /// The beginning of the period (inclusive).
    pub from: Timestamp,
    /// The end of the period (exclusive).
    pub to: Timestamp,
    /// The rows, by ascending day.
    pub rows: Vec<UsageRow>,
}

impl UsageReport {
    /// The sum of the tokens that bots received.
    pub fn prompt_tokens(&self) -> i64 {
        self.rows
            .iter()
            .fold(0, |sum, row| sum.saturating_add(row.prompt_tokens))
    }

    /// The sum of the tokens of the messages; an estimate if any part is one.
    pub fn tokens(&self) -> TokenCount {
        TokenCount {
            tokens: self
                .rows
                .iter()
                .fold(0, |sum, row| sum.saturating_add(row.tokens.tokens)),
            is_estimated: self.rows.iter().any(|row| row.tokens.is_estimated),
        }
    }
}

impl Service {
    /// The usage of a user's chats, or of the viewer's if no user is given; includes stopped and failed replies.
    pub async fn usage(
        &self,
        viewer: &Viewer,
        user: Option<UserId>,
        period: UsagePeriod,
    ) -> Result<UsageReport, Error> {
        let user = self.acting_for(viewer, user)?;
        // Includes the present millisecond, so that a message written just now counts.
        let to = period.to.unwrap_or_else(|| self.clock.now().plus_millis(1));
        let from = period
            .from
            .unwrap_or_else(|| to.plus_millis(-DAYS_DEFAULT * DAY_MS));
        let days = DAYS_MAX;
        if from >= to || from.plus_millis(days * DAY_MS) < to {
            return Err(Error::InvalidPeriod { days });
        }
        let rows = self.store.usage(&user, from, to).await?;
        Ok(UsageReport { from, to, rows })
    }
}
