//! Inspecting a Redis without changing it.

use std::time::Duration;

use redis::{AsyncConnectionConfig, RedisResult};

use super::link::describe;
use super::{RedisFeed, RedisFeedError, open_client};

/// How long connecting may take, and each answer: short, because an operator is waiting at the screen.
const PROBE_WAIT_MAX: Duration = Duration::from_secs(3);

/// The result of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisProbed {
    /// Redis accepts this user and does what the feed needs.
    Answered {
        /// Its version, if it reports one.
        version: Option<String>,
        /// Its `maxmemory-policy`, if it reports one: with `noeviction` a full Redis refuses writes, else it evicts.
        memory_policy: Option<String>,
    },
    /// Redis could not be used, for this reason.
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
            // This user may not be permitted to ask.
            let info: RedisResult<String> = redis::cmd("INFO").query_async(&mut connection).await;
            Ok::<_, redis::RedisError>(info.unwrap_or_default())
        };
        Ok(match asked.await {
            Ok(info) => RedisProbed::Answered {
                version: field(&info, "redis_version:"),
                memory_policy: field(&info, "maxmemory_policy:"),
            },
            Err(error) => RedisProbed::Failed(describe(&error)),
        })
    }
}

/// A field of the answer to `INFO`.
pub(super) fn field(info: &str, name: &str) -> Option<String> {
    let line = info.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().to_owned())
}
