//! What was used.

use super::{Error, Service};
use crate::domain::{Timestamp, TokenCount, UsageRow, UserId, Viewer};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// The days that a report covers if not told.
const DAYS_DEFAULT: i64 = 30;
/// The most days that one report covers.
const DAYS_MAX: i64 = 366;

/// The time that a report covers: from its first moment until before the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsagePeriod {
    /// Thirty days before the end if not given.
    pub from: Option<Timestamp>,
    /// Now if not given.
    pub to: Option<Timestamp>,
}

/// Tokens by day, author and model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageReport {
    /// From when.
    pub from: Timestamp,
    /// Until before when.
    pub to: Timestamp,
    /// Days ascending.
    pub rows: Vec<UsageRow>,
}

impl UsageReport {
    /// What bots were given, all together.
    pub fn prompt_tokens(&self) -> i64 {
        self.rows
            .iter()
            .fold(0, |sum, row| sum.saturating_add(row.prompt_tokens))
    }

    /// What the messages themselves have, all together; an estimate if any part is one.
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
    /// What a user's chats used, stopped and failed replies included; the viewer's own if no user is given.
    pub async fn usage(
        &self,
        viewer: &Viewer,
        user: Option<UserId>,
        period: UsagePeriod,
    ) -> Result<UsageReport, Error> {
        let user = self.acting_for(viewer, user)?;
        // The present moment is part of it: what was written just now counts.
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
