//! The bot's recent health, learnt from the replies themselves: no probe is sent, so it costs nothing.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::bot::BotError;
use crate::domain::{EndState, ReplyOutcome};

/// This many failed replies in a row are more than bad luck.
const FAILURES_MIN: u32 = 3;

/// Failures of the upstream, not of one prompt.
const OF_THE_UPSTREAM: [BotError; 6] = [
    BotError::UNAUTHORIZED,
    BotError::RATE_LIMITED,
    BotError::UNAVAILABLE,
    BotError::TIMEOUT,
    BotError::FAILED,
    BotError::PROTOCOL,
];

/// The bot's recent health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BotHealth {
    /// Fewer than three replies failed because of the upstream since the last complete one.
    Healthy,
    /// At least three replies failed because of the upstream since the last complete one.
    Failing,
}

/// Counts failures in a row.
#[derive(Default)]
pub(super) struct BotRecord(AtomicU32);

impl BotRecord {
    /// Notes how a reply ended. Ends that say nothing about the upstream are ignored.
    pub(super) fn note(&self, outcome: &ReplyOutcome) {
        let code = outcome.error.as_ref().map(|error| error.code.as_str());
        match outcome.state {
            EndState::Complete | EndState::Length => self.0.store(0, Ordering::Relaxed),
            EndState::Failed if OF_THE_UPSTREAM.iter().any(|error| Some(error.code) == code) => {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
            EndState::Truncated => {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
            EndState::Failed | EndState::Stopped | EndState::Interrupted => {}
        }
    }

    pub(super) fn health(&self) -> BotHealth {
        match self.0.load(Ordering::Relaxed) >= FAILURES_MIN {
            true => BotHealth::Failing,
            false => BotHealth::Healthy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ReplyError, Timestamp};

    #[test]
    fn only_failures_of_the_service_in_a_row_make_a_bot_fail() {
        let record = BotRecord::default();
        let note = |state, code: Option<BotError>| {
            let mut outcome = ReplyOutcome::bare(state, Timestamp::from_millis(0));
            outcome.error = code.map(|error| ReplyError {
                code: error.code.to_owned(),
                message: String::new(),
            });
            record.note(&outcome);
            record.health()
        };
        for _ in 0..2 {
            assert_eq!(
                note(EndState::Failed, Some(BotError::TIMEOUT)),
                BotHealth::Healthy
            );
        }
        for _ in 0..5 {
            assert_eq!(
                note(EndState::Failed, Some(BotError::FILTERED)),
                BotHealth::Healthy
            );
            assert_eq!(note(EndState::Stopped, None), BotHealth::Healthy);
        }
        assert_eq!(note(EndState::Truncated, None), BotHealth::Failing);
        assert_eq!(note(EndState::Complete, None), BotHealth::Healthy);
    }
}
