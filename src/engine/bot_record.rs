//! How the bot has done lately, learnt from the replies themselves: nobody is asked for it, and nothing is paid.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::bot::BotError;
use crate::domain::{EndState, ReplyOutcome};

/// So many replies in a row that fail are more than bad luck.
const FAILURES_MIN: u32 = 3;

/// Failures that say something of the service rather than of one prompt.
const OF_THE_SERVICE: [BotError; 6] = [
    BotError::UNAUTHORIZED,
    BotError::RATE_LIMITED,
    BotError::UNAVAILABLE,
    BotError::TIMEOUT,
    BotError::FAILED,
    BotError::PROTOCOL,
];

/// How the bot has done lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BotHealth {
    /// Not every one of the latest replies failed, or none was asked for.
    Healthy,
    /// The last three replies and more failed because of the bot's service.
    Failing,
}

/// Counts failures in a row.
#[derive(Default)]
pub(super) struct BotRecord(AtomicU32);

impl BotRecord {
    /// Notes how a reply ended. What says nothing of the bot changes nothing.
    pub(super) fn note(&self, outcome: &ReplyOutcome) {
        let code = outcome.error.as_ref().map(|error| error.code.as_str());
        match outcome.state {
            EndState::Complete | EndState::Length => self.0.store(0, Ordering::Relaxed),
            EndState::Failed if OF_THE_SERVICE.iter().any(|error| Some(error.code) == code) => {
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
