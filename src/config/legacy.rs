//! The documented REST API and socket: where they are, and who may call them from a page.

use super::ConfigError;

/// How the documented API is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyConfig {
    /// The path that its routes are below besides `/chat` alone; empty for none.
    pub prefix: String,
    /// Whether its date-times end in `Z`.
    pub has_utc_suffix: bool,
    /// The origins whose pages may call it.
    pub cors_origins: Vec<String>,
}

impl LegacyConfig {
    /// The prefix that documented clients call.
    pub const PREFIX: &'static str = "/api/v1";
    /// The origin of the documented browser client.
    pub const CORS_ORIGIN: &'static str = "http://localhost:3000";

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
        let is_origin = |origin: &String| {
            let host = origin
                .strip_prefix("http://")
                .or_else(|| origin.strip_prefix("https://"));
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte);
            host.is_some_and(|host| !host.is_empty() && host.bytes().all(is_plain))
        };
        match self.cors_origins.iter().all(is_origin) {
            true => Ok(()),
            false => Err(ConfigError::CorsOrigin),
        }
    }
}

impl Default for LegacyConfig {
    fn default() -> Self {
        Self {
            prefix: Self::PREFIX.to_owned(),
            has_utc_suffix: false,
            cors_origins: vec![Self::CORS_ORIGIN.to_owned()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_plain_path_and_an_origin_has_no_path() {
        let with = |prefix: &str, origin: &str| {
            let config = LegacyConfig {
                prefix: prefix.to_owned(),
                cors_origins: vec![origin.to_owned()],
                ..LegacyConfig::default()
            };
            config.validate()
        };
        for prefix in ["", "/api/v1", "/chat", "/graphql"] {
            assert_eq!(with(prefix, "https://example.org"), Ok(()), "{prefix}");
        }
        for prefix in ["api", "/", "/api/", "/a//b", "/{id}", "/*", "/..", "/a b"] {
            assert_eq!(
                with(prefix, "http://[::1]:3000"),
                Err(ConfigError::LegacyPrefix),
                "{prefix}"
            );
        }
        for origin in [
            "*",
            "",
            "null",
            "example.org",
            "http://",
            "http://example.org/",
            "http://a\nb",
        ] {
            assert_eq!(with("", origin), Err(ConfigError::CorsOrigin), "{origin}");
        }
    }
}
