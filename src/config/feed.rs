//! What carries events between those who follow a chat.

use super::ConfigError;

/// What carries events.
#[derive(Clone, PartialEq, Eq)]
pub enum FeedConfig {
    /// This process: all who follow a chat are connected to it.
    Local,
    /// A Redis that all servers of the installation share.
    Redis(RedisConfig),
}

/// A Redis, and where in it.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisConfig {
    /// `redis://` or, over TLS, `rediss://`. May hold a password.
    pub url: String,
    /// What every key begins with: servers of one prefix are one installation.
    pub prefix: String,
}

impl FeedConfig {
    /// The prefix where none is said.
    pub const PREFIX: &'static str = "colloquy:";
    /// The longest prefix, in bytes.
    pub const PREFIX_BYTES_MAX: usize = 64;

    /// Fails if it is one of several servers, which must share a store, and they do not.
    pub fn validate(&self, is_store_shared: bool) -> Result<(), ConfigError> {
        match self {
            Self::Redis(_) if !is_store_shared => Err(ConfigError::FeedWithoutSharedStore),
            Self::Redis(_) | Self::Local => Ok(()),
        }
    }

    /// Reads what `--feed` takes, `local` or a `redis://` or `rediss://` address, and `--feed-prefix`.
    pub fn parse(feed: &str, prefix: &str) -> Result<Self, ConfigError> {
        if prefix.len() > Self::PREFIX_BYTES_MAX {
            return Err(ConfigError::FeedPrefix);
        }
        if feed == "local" {
            return Ok(Self::Local);
        }
        let url = url::Url::parse(feed).map_err(|_| ConfigError::Feed)?;
        let is_redis = matches!(url.scheme(), "redis" | "rediss") && url.has_host();
        if !is_redis {
            return Err(ConfigError::Feed);
        }
        Ok(Self::Redis(RedisConfig {
            url: feed.to_owned(),
            prefix: prefix.to_owned(),
        }))
    }
}

impl std::fmt::Debug for FeedConfig {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local => out.write_str("Local"),
            Self::Redis(_) => out.write_str("Redis([redacted])"),
        }
    }
}

impl std::fmt::Debug for RedisConfig {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_is_local_or_a_redis_whose_password_is_never_printed() {
        assert_eq!(FeedConfig::parse("local", "a"), Ok(FeedConfig::Local));
        for url in ["redis://:secret@host:1/0", "rediss://host"] {
            let feed = FeedConfig::parse(url, "a").unwrap();
            assert_eq!(format!("{feed:?}"), "Redis([redacted])");
        }
        for wrong in ["", "redis", "redis:", "http://host", "mongodb://secret@host"] {
            assert_eq!(FeedConfig::parse(wrong, "a"), Err(ConfigError::Feed), "{wrong}");
        }
        let long = "a".repeat(FeedConfig::PREFIX_BYTES_MAX + 1);
        assert_eq!(FeedConfig::parse("local", &long), Err(ConfigError::FeedPrefix));
    }
}
