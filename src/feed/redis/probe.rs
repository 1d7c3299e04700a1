//! A look at a Redis, which changes nothing in it.

use std::time::Duration;

use redis::{AsyncConnectionConfig, RedisResult};

use super::link::describe;
use super::{RedisFeed, RedisFeedError, open_client};

/// How long Redis may take to be connected to, and to answer each question: whoever asks is looking at the screen.
const PROBE_WAIT_MAX: Duration = Duration::from_secs(3);

/// What a Redis said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisProbed {
    /// It is there, knows us, and does what the feed needs.
    Answered {
        /// Its version, if it tells.
        version: Option<String>,
        /// What it does when its memory is full, if it tells: `noeviction` refuses, all else forgets.
        memory_policy: Option<String>,
    },
    /// It could not be used; why.
    Failed(String),
}

impl RedisFeed {
    /// Looks at the Redis at `address`.
    pub async fn probe(address: &str) -> Result<RedisProbed, RedisFeedError> {
        let client = open_client(address)?;
        let asked = async {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(PROBE_WAIT_MAX))
                .set_response_timeout(Some(PROBE_WAIT_MAX));
            let mut connection = client
                .get_multiplexed_async_connection_with_config(&config)
                .await?;
            let mut script = redis::cmd("EVAL");
            script.arg("return redis.call('TIME')[1]").arg(0);
            script.query_async::<()>(&mut connection).await?;
            // Not everybody may ask.
            let told: RedisResult<String> = redis::cmd("INFO").query_async(&mut connection).await;
            Ok::<_, redis::RedisError>(told.unwrap_or_default())
        };
        Ok(match asked.await {
            Ok(told) => RedisProbed::Answered {
                version: field(&told, "redis_version:"),
                memory_policy: field(&told, "maxmemory_policy:"),
            },
            Err(error) => RedisProbed::Failed(describe(&error)),
        })
    }
}

/// A field of what `INFO` tells.
pub(super) fn field(told: &str, name: &str) -> Option<String> {
    let line = told.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().to_owned())
}
