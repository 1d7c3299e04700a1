//! The documented REST API and socket: where they are, and how they look.

use super::ConfigError;

/// How the documented API is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyConfig {
    /// The path that its routes are below besides `/chat` alone; empty for none.
    pub prefix: String,
    /// Whether its date-times end in `Z`.
    pub has_utc_suffix: bool,
}

impl LegacyConfig {
    /// The prefix that documented clients call.
    pub const PREFIX: &'static str = "/api/v1";

    /// Checks what was given.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let is_segment = |segment: &str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            !segment.is_empty() && ![".", ".."].contains(&segment) && segment.bytes().all(is_plain)
        };
        let segments = self.prefix.strip_prefix('/').map(|path| path.split('/'));
        let is_path = segments.is_some_and(|mut segments| segments.all(is_segment));
        if !self.prefix.is_empty() && !is_path {
            return Err(ConfigError::LegacyPrefix);
        }
        Ok(())
    }
}

impl Default for LegacyConfig {
    fn default() -> Self {
        Self {
            prefix: Self::PREFIX.to_owned(),
            has_utc_suffix: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_plain_path() {
        let with = |prefix: &str| {
            let config = LegacyConfig {
                prefix: prefix.to_owned(),
                ..LegacyConfig::default()
            };
            config.validate()
        };
        for prefix in ["", "/api/v1", "/chat", "/graphql"] {
            assert_eq!(with(prefix), Ok(()), "{prefix}");
        }
        for prefix in ["api", "/", "/api/", "/a//b", "/{id}", "/*", "/..", "/a b"] {
            assert_eq!(with(prefix), Err(ConfigError::LegacyPrefix), "{prefix}");
        }
    }
}
