//! The feed.

use super::finding::Finding;
use crate::app;
use crate::config::FeedConfig;
use crate::feed::RedisProbed;
use crate::telemetry::causes::causes;

/// What to say about the feed. Its address may hold a password, and is not told.
pub async fn finding(feed: &FeedConfig) -> Finding {
    match feed {
        FeedConfig::Local => Finding::ok(
            "feed",
            "within the server: what happens in a chat is told to the clients of the server it happens on",
        ),
        FeedConfig::Redis(shared) => match app::probe_feed(shared).await {
            Ok(probed) => judge(&probed),
            Err(error) => Finding::problem("feed", causes(&error).to_string()),
        },
    }
}

fn judge(probed: &RedisProbed) -> Finding {
    match probed {
        RedisProbed::Failed(why) => Finding::problem("feed", format!("Redis cannot be used: {why}")).advise(
            "see that Redis 6 or later runs there, that this machine may reach it, and that the user may run scripts \
             and use channels; without it servers go on, but tell each other nothing",
        ),
        RedisProbed::Answered {
            version,
            memory_policy,
        } => {
            let version = version.as_deref().unwrap_or("of an unknown version");
            match memory_policy.as_deref() {
                Some(policy) if policy.starts_with("allkeys") => Finding::warning(
                    "feed",
                    format!("Redis {version} answers, and forgets any key when its memory is full ({policy})"),
                )
                .advise("give Colloquy a Redis of its own, or set maxmemory-policy to volatile-lru"),
                _ => Finding::ok("feed", format!("Redis {version} answers")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Verdict;

    #[test]
    fn a_redis_that_forgets_at_will_is_a_warning_and_one_that_does_not_answer_a_problem() {
        let answered = |policy: &str| RedisProbed::Answered {
            version: Some("7.0.15".to_owned()),
            memory_policy: Some(policy.to_owned()),
        };
        for (probed, verdict) in [
            (answered("noeviction"), Verdict::Ok),
            (answered("volatile-ttl"), Verdict::Ok),
            (answered("allkeys-lru"), Verdict::Warning),
            (RedisProbed::Failed("why".to_owned()), Verdict::Problem),
        ] {
            assert_eq!(judge(&probed).verdict, verdict, "{probed:?}");
        }
    }
}
