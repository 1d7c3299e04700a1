//! When a prompt is sent again: only as long as nothing of an answer has come, and not often.

use std::time::{Duration, UNIX_EPOCH};

use backon::{ExponentialBuilder, Retryable};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use tokio::time::Instant;

use super::answer::Answer;
use super::attempt::Upstream;
use crate::bot::{BotError, Prompt, RETRY_AFTER_MAX};
use crate::domain::Timestamp;

/// How often a prompt is sent again.
const RETRIES_MAX: usize = 2;
/// The wait before the first of these, doubled for the second, and at most doubled by chance.
const BACKOFF: Duration = Duration::from_millis(500);

/// Why a try brought no answer.
#[derive(Debug)]
pub struct Failure {
    /// What the reply fails with, if there is no other try.
    pub error: BotError,
    /// Whether and when another try may do better.
    pub retry: Retry,
}

/// Whether and when another try may do better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It would end the same way, or too late.
    Never,
    /// After a while.
    Soon,
    /// After the time that the upstream asked for.
    After(Duration),
}

impl Failure {
    /// A failure that another try would not mend.
    pub fn for_good(error: BotError) -> Self {
        let retry = Retry::Never;
        Self { error, retry }
    }

    /// A failure that may pass.
    pub fn for_now(error: BotError) -> Self {
        let retry = Retry::Soon;
        Self { error, retry }
    }

    /// What a refusal means, at the moment `now`.
    pub fn of_status(status: u16, headers: &HeaderMap, now: Timestamp) -> Self {
        let error = BotError::of_status(status);
        let retry = match (status, asked_wait(headers, now)) {
            (429 | 500 | 502 | 503 | 504, None) => Retry::Soon,
            (429 | 500 | 502 | 503 | 504, Some(wait)) if wait <= RETRY_AFTER_MAX => Retry::After(wait),
            _ => Retry::Never,
        };
        Self { error, retry }
    }
}

/// Sends the prompt until an answer begins, or there is no hope for one.
pub async fn open(upstream: &Upstream, prompt: &Prompt) -> Result<Answer, BotError> {
    let body = upstream.request(prompt)?;
    let started = Instant::now();
    let attempt = || async {
        let waited = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
        upstream.attempt(&body, prompt.now.plus_millis(waited)).await
    };
    let backoff = ExponentialBuilder::default()
        .with_min_delay(BACKOFF)
        .with_factor(2.0)
        .with_max_times(RETRIES_MAX)
        .with_jitter();
    attempt
        .retry(backoff)
        .when(|failure: &Failure| failure.retry != Retry::Never)
        .adjust(|failure, backoff| match failure.retry {
            Retry::After(wait) => backoff.map(|_| wait),
            Retry::Soon | Retry::Never => backoff,
        })
        .notify(|failure, wait| {
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(
                code = failure.error.code,
                wait_ms,
                "the bot's service is asked again"
            );
        })
        .await
        .map_err(|failure| failure.error)
}

/// What `Retry-After` says: seconds, or a date.
fn asked_wait(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let until_ms = until.duration_since(UNIX_EPOCH).ok()?.as_millis();
    let now_ms = u128::try_from(now.millis()).ok()?;
    let wait_ms = u64::try_from(until_ms.saturating_sub(now_ms)).ok()?;
    Some(Duration::from_millis(wait_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn retry(status: u16, retry_after: Option<&str>) -> Retry {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from_str(value).unwrap());
        }
        let now = Timestamp::parse_rfc3339("2026-01-31T08:45:51Z").unwrap();
        Failure::of_status(status, &headers, now).retry
    }

    #[test]
    fn only_what_may_pass_soon_is_tried_again() {
        for status in [429, 500, 502, 503, 504] {
            assert_eq!(retry(status, None), Retry::Soon, "{status}");
        }
        for status in [301, 400, 401, 403, 404, 501] {
            assert_eq!(retry(status, Some("1")), Retry::Never, "{status}");
        }
    }

    #[test]
    fn a_wait_is_seconds_or_a_date_and_a_long_one_is_too_long() {
        let seconds = |wait| Retry::After(Duration::from_secs(wait));
        assert_eq!(retry(429, Some("3")), seconds(3));
        assert_eq!(retry(503, Some(" 20 ")), seconds(20));
        assert_eq!(retry(429, Some("21")), Retry::Never);
        assert_eq!(retry(429, Some("Sat, 31 Jan 2026 08:45:58 GMT")), seconds(7));
        assert_eq!(retry(429, Some("Sat, 31 Jan 2026 08:45:00 GMT")), seconds(0));
        assert_eq!(retry(429, Some("Sat, 31 Jan 2026 09:45:00 GMT")), Retry::Never);
        assert_eq!(retry(429, Some("whenever")), Retry::Soon);
    }
}
