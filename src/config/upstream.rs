//! The service that an OpenAI-compatible bot calls: where it is, who we are there, how long we wait.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use secrecy::SecretString;
use url::{Host, Url};

use super::ConfigError;

/// Names under which clouds serve the credentials of a machine to whatever runs on it.
const METADATA_HOSTS: [&str; 2] = ["metadata.google.internal", "metadata.goog"];
/// Where one cloud serves them outside the link-local range.
const METADATA_ADDRESS: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254);

/// An OpenAI-compatible service, and what it is asked.
#[derive(Clone, Debug)]
pub struct OpenAiConfig {
    /// Where its API begins.
    pub base_url: UpstreamUrl,
    /// The model that answers.
    pub model: String,
    /// The key to it; local servers need none.
    pub api_key: Option<ApiKey>,
    /// What the model is told before each conversation; may be empty.
    pub system_prompt: String,
    /// The most tokens of an answer; the service's own bound if `None`.
    pub max_tokens: Option<u32>,
    /// How long it may take.
    pub timeouts: UpstreamTimeouts,
}

impl OpenAiConfig {
    /// Where the protocol comes from.
    pub const BASE_URL: &'static str = "https://api.openai.com/v1";
    /// What a model is told if nothing else is configured.
    pub const SYSTEM_PROMPT: &'static str = "You are a helpful assistant in a chat. Be brief and accurate, and say \
                                             so when you do not know.";
    /// The most characters of a model's name: longer than any.
    pub const MODEL_CHARS_MAX: usize = 256;
    /// The most bytes of a system prompt: as many as a message may have.
    pub const SYSTEM_PROMPT_BYTES_MAX: usize = 32 * 1024;

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let length = self.model.chars().count();
        let is_name = !self.model.trim().is_empty() && !self.model.contains(char::is_control);
        if !is_name || length > Self::MODEL_CHARS_MAX {
            return Err(ConfigError::Model);
        }
        if self.system_prompt.len() > Self::SYSTEM_PROMPT_BYTES_MAX {
            return Err(ConfigError::SystemPrompt);
        }
        if self.max_tokens == Some(0) {
            return Err(ConfigError::MaxTokens);
        }
        self.timeouts.validate()
    }
}

/// The address below which an OpenAI-compatible API is served, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamUrl(Url);

impl UpstreamUrl {
    /// Reads what `--openai-base-url` takes.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let url = Url::parse(text.trim()).map_err(|_| ConfigError::BaseUrl)?;
        let is_plain = matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        let host = url.host().filter(|_| is_plain).ok_or(ConfigError::BaseUrl)?;
        let is_refused = match host {
            Host::Domain(name) => METADATA_HOSTS.contains(&name.trim_end_matches('.')),
            Host::Ipv4(address) => Self::refuses(address.into()),
            Host::Ipv6(address) => Self::refuses(address.into()),
        };
        if is_refused {
            return Err(ConfigError::MetadataAddress);
        }
        Ok(Self(url))
    }

    /// Whether an address is one that no upstream may have: link-local ones, where clouds hand out credentials.
    pub fn refuses(address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local() || address == METADATA_ADDRESS,
        }
    }

    /// The address of a path below this one.
    pub fn join(&self, path: &str) -> String {
        format!("{}/{path}", self.0.as_str().trim_end_matches('/'))
    }
}

/// The key to a service. Printed as nothing but the word that it is secret.
#[derive(Clone, Debug)]
pub struct ApiKey(SecretString);

impl ApiKey {
    /// The most bytes of a key: those that exist have a few hundred at most.
    pub const BYTES_MAX: usize = 8 * 1024;

    /// Reads what `OPENAI_API_KEY` holds; the blanks around it are nobody's intention.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let key = text.trim();
        let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_key || key.len() > Self::BYTES_MAX {
            return Err(ConfigError::ApiKey);
        }
        Ok(Self(key.into()))
    }

    /// The key, for whoever has to show it to the service.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }
}

/// How long one try at an answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamTimeouts {
    /// To connect. Default 5 s: longer than any handshake across the world that is worth waiting for.
    pub connect: Duration,
    /// From the call to the first piece of the answer. Default 60 s: models think, and long prompts take a while.
    pub first_piece: Duration,
    /// From one piece to the next. Default 30 s: a stream that is silent for so long has died.
    pub stall: Duration,
    /// From the first piece to the end. Default 10 min: whoever still sends then does not know when to stop.
    pub reply: Duration,
}

impl UpstreamTimeouts {
    /// The longest that any of them can be set to: an hour.
    pub const MILLIS_MAX: u64 = 3_600_000;

    fn validate(&self) -> Result<(), ConfigError> {
        let longest = Duration::from_millis(Self::MILLIS_MAX);
        let waits = [
            ("--upstream-connect-timeout-ms", self.connect),
            ("--upstream-first-piece-timeout-ms", self.first_piece),
            ("--upstream-stall-timeout-ms", self.stall),
            ("--upstream-reply-timeout-ms", self.reply),
        ];
        match waits.iter().find(|(_, wait)| wait.is_zero() || *wait > longest) {
            Some((flag, _)) => Err(ConfigError::Timeout(flag)),
            None => Ok(()),
        }
    }
}

impl Default for UpstreamTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_piece: Duration::from_secs(60),
            stall: Duration::from_secs(30),
            reply: Duration::from_secs(600),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_a_service_and_nothing_else() {
        for (base, endpoint) in [
            (
                "https://api.openai.com/v1",
                "https://api.openai.com/v1/chat/completions",
            ),
            (
                "http://127.0.0.1:8080/v1/",
                "http://127.0.0.1:8080/v1/chat/completions",
            ),
            ("http://[::1]:8080", "http://[::1]:8080/chat/completions"),
        ] {
            assert_eq!(
                UpstreamUrl::parse(base).unwrap().join("chat/completions"),
                endpoint
            );
        }
        for bad in [
            "",
            "api.openai.com",
            "ftp://host/v1",
            "file:///etc/passwd",
            "http://",
            "https://user:secret@host/v1",
            "https://user@host/v1",
            "https://host/v1?key=secret",
            "https://host/v1#x",
        ] {
            assert_eq!(UpstreamUrl::parse(bad), Err(ConfigError::BaseUrl), "{bad}");
        }
    }

    #[test]
    fn the_addresses_where_clouds_keep_credentials_are_refused_however_they_are_written() {
        for bad in [
            "http://169.254.169.254/latest",
            "http://0xa9fea9fe/",
            "http://2852039166/",
            "http://[fe80::1]/",
            "http://[::ffff:169.254.1.1]/",
            "http://[fd00:ec2::254]/",
            "http://metadata.google.internal/",
            "http://METADATA.google.internal./",
        ] {
            assert_eq!(
                UpstreamUrl::parse(bad),
                Err(ConfigError::MetadataAddress),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_key_is_never_printed_and_fits_into_a_header() {
        let key = ApiKey::parse(" sk-secret\n").unwrap();
        assert!(!format!("{key:?}").contains("secret"), "{key:?}");
        for bad in ["", " ", "two words", "चाबी", "a\u{7}b"] {
            assert!(ApiKey::parse(bad).is_err(), "{bad}");
        }
    }
}
