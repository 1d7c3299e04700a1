//! What the server is told at its start: checked once, then passed down.

pub mod auth;
pub mod bot;
pub mod browser;
pub mod counts;
pub mod documents;
pub mod engine;
pub mod faults;
pub mod feed;
pub mod legacy;
pub mod limits;
pub mod telemetry;
pub mod upstream;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use auth::{AuthConfig, JwksUrl, JwtAlgorithm, JwtKey};
pub use bot::{BotConfig, BuiltinBotConfig};
pub use browser::BrowserConfig;
pub use counts::CountsConfig;
pub use documents::{TrustedDocuments, TrustedDocumentsError, sha256};
pub use engine::EngineConfig;
pub use faults::{Fault, FaultScript, FaultScriptError};
pub use feed::{FeedConfig, RedisConfig};
pub use legacy::LegacyConfig;
pub use limits::{LimitError, LimitRow, Limits};
pub use telemetry::OtlpEndpoint;
pub use upstream::{ApiKey, OpenAiConfig, UpstreamTimeouts, UpstreamUrl};

/// Where chats and messages are kept.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreConfig {
    /// A folder of the embedded store.
    Embedded(PathBuf),
    /// A MongoDB connection string, its path naming the database (`colloquy` if it has none). May hold a password.
    Mongo(String),
}

impl StoreConfig {
    /// Reads what `--store` takes: a path, or a `mongodb://` or `mongodb+srv://` connection string.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        if text.starts_with("mongodb://") || text.starts_with("mongodb+srv://") {
            return Ok(Self::Mongo(text.to_owned()));
        }
        match text {
            path if path.is_empty() || is_like_address(path) => Err(ConfigError::Store),
            path => Ok(Self::Embedded(PathBuf::from(path))),
        }
    }
}

/// Whether a text begins as an address does, if with a slash too few.
fn is_like_address(text: &str) -> bool {
    let scheme = text.split_once(":/").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| !scheme.contains('/'))
}

impl std::fmt::Debug for StoreConfig {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Embedded(folder) => out.debug_tuple("Embedded").field(folder).finish(),
            Self::Mongo(_) => out.write_str("Mongo([redacted])"),
        }
    }
}

/// Everything the server is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address that was bound or is to be bound.
    pub listen: SocketAddr,
    /// Where chats and messages are kept.
    pub store: StoreConfig,
    /// How the messages of a chat are counted in a MongoDB; in the embedded store the counts are always right.
    pub counts: CountsConfig,
    /// What carries events between those who follow a chat.
    pub feed: FeedConfig,
    /// What answers.
    pub bot: BotConfig,
    /// How replies are made.
    pub engine: EngineConfig,
    /// Whose tokens are believed; without it nobody is asked for one, which is the documented mode.
    pub auth: Option<AuthConfig>,
    /// Whether that mode is allowed on an address that others can reach.
    pub insecure_no_auth: bool,
    /// Which pages may call, and which proxies are believed.
    pub browsers: BrowserConfig,
    /// How the documented API is served.
    pub legacy: LegacyConfig,
    /// What a caller may ask for.
    pub limits: Limits,
    /// The only documents that run; all, if there are none.
    pub trusted_documents: Option<Arc<TrustedDocuments>>,
    /// How long replies under way may take to end once the server is told to; at most [`Config::DRAIN_MAX`]. Default
    /// [`Config::DRAIN`].
    pub drain: Duration,
}

/// Why a configuration is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No such store. What was given is not repeated: it may hold a password.
    #[error("the store is a folder, or a connection string that begins with mongodb:// or mongodb+srv://")]
    Store,
    /// No such feed. What was given is not repeated: it may hold a password.
    #[error("the feed is `local`, or the address of a Redis that begins with redis:// or rediss://")]
    Feed,
    /// No such prefix.
    #[error(
        "the feed's prefix (--feed-prefix) is at most {} bytes",
        FeedConfig::PREFIX_BYTES_MAX
    )]
    FeedPrefix,
    /// Every server would have chats of its own.
    #[error(
        "--feed redis:// is for servers that share a MongoDB (--store mongodb://…); the embedded store is for one \
         server, whose feed is local"
    )]
    FeedWithoutSharedStore,
    /// Anybody who reaches the address could read everything.
    #[error(
        "refusing to listen on {0}: without authentication anybody who reaches it can read every chat; \
         say whose tokens are believed (--jwks-url, --jwt-key-file or COLLOQUY_JWT_SECRET), listen on a loopback \
         address, or say --insecure-no-auth"
    )]
    PublicWithoutAuth(SocketAddr),
    /// No such pace.
    #[error("the built-in bot's pace is a number of pieces a second between 0 and 1000000")]
    Pace,
    /// No such length.
    #[error(
        "the built-in bot's answers can be stretched to at most {} words",
        BuiltinBotConfig::WORDS_MAX
    )]
    Words,
    /// No such budget.
    #[error("a bot's history has 1 to {} tokens", EngineConfig::HISTORY_TOKENS_MAX)]
    HistoryTokens,
    /// No such faults.
    #[error("the built-in bot's fault script (--builtin-faults) cannot be read")]
    Faults(#[from] FaultScriptError),
    /// No model is named, or one that cannot be.
    #[error(
        "--bot openai needs --openai-model: the name of a model, 1 to {} characters",
        OpenAiConfig::MODEL_CHARS_MAX
    )]
    Model,
    /// No such upstream. What was given is not repeated: it may hold a password.
    #[error(
        "the base URL of the OpenAI-compatible service (--openai-base-url) is http:// or https:// and a host, \
         with no user, password, query or fragment"
    )]
    BaseUrl,
    /// An address that belongs to this machine's own cloud, not to a service.
    #[error(
        "the base URL of the OpenAI-compatible service (--openai-base-url) is a link-local or metadata address"
    )]
    MetadataAddress,
    /// No header can carry the key, which is not repeated.
    #[error(
        "OPENAI_API_KEY has a character that is not visible ASCII, or more than {} of them",
        ApiKey::BYTES_MAX
    )]
    ApiKey,
    /// No such system prompt.
    #[error(
        "the system prompt (--system-prompt) is at most {} bytes of UTF-8",
        OpenAiConfig::SYSTEM_PROMPT_BYTES_MAX
    )]
    SystemPrompt,
    /// No such bound.
    #[error("--openai-max-tokens is at least 1")]
    MaxTokens,
    /// No such prefix.
    #[error("--legacy-prefix is empty or a path such as {}", LegacyConfig::PREFIX)]
    LegacyPrefix,
    /// No such origin.
    #[error(
        "--cors-origin is an origin such as {}, without a path",
        BrowserConfig::DOCUMENTED_ORIGIN
    )]
    CorsOrigin,
    /// No such documents.
    #[error("the trusted documents (--trusted-documents) cannot be used")]
    TrustedDocuments(#[from] TrustedDocumentsError),
    /// No such limit.
    #[error("--limit cannot be read")]
    Limit(#[from] LimitError),
    /// Tokens are asked for and not asked for.
    #[error("--insecure-no-auth contradicts the keys of tokens that are given; leave out one of them")]
    AuthAndNone,
    /// No such algorithm.
    #[error("--jwt-algorithm is one of HS256, RS256, ES256 and EdDSA")]
    JwtAlgorithm,
    /// No secret that resists. It is not repeated.
    #[error(
        "a secret of tokens has at least {} bytes: as many as its hash",
        JwtKey::SECRET_BYTES_MIN
    )]
    JwtSecret,
    /// A key that nobody but the issuer should have.
    #[error("a key of tokens (--jwt-key-file) is a public one; this is the issuer's private key")]
    JwtPrivateKey,
    /// A file that is not there, or is not text, or too large.
    #[error("{what} cannot be read: {reason}")]
    SecretFile {
        /// Which flag or variable names it.
        what: String,
        /// What is the matter, without the path.
        reason: String,
    },
    /// No such place of keys. What was given is not repeated: it may hold a password.
    #[error(
        "the address of the keys of tokens (--jwks-url) begins with https://; http:// is for this machine alone"
    )]
    JwksUrl,
    /// No such difference.
    #[error("--jwt-leeway-seconds is at most {}", AuthConfig::LEEWAY_MAX.as_secs())]
    JwtLeeway,
    /// No such claim.
    #[error("--jwt-user-claim and --jwt-service-scope are not empty")]
    JwtClaim,
    /// A setting of tokens without a key to prove them by.
    #[error(
        "--jwt-… says how tokens are read, but no key proves them: give --jwks-url, --jwt-key-file or COLLOQUY_JWT_SECRET"
    )]
    JwtWithoutKeys,
    /// No such network.
    #[error("--trusted-proxies are networks such as 10.0.0.0/8, or addresses, separated by commas")]
    TrustedProxies,
    /// No such grace.
    #[error("--drain-seconds is at most {}", Config::DRAIN_MAX.as_secs())]
    Drain,
    /// No such collector. What was given is not repeated: it may hold a password.
    #[error(
        "the address of the collector (--otlp-endpoint) is http:// or https:// and a host, with no fragment"
    )]
    OtlpEndpoint,
    /// No such wait.
    #[error("{0} is from 1 to {max} milliseconds", max = UpstreamTimeouts::MILLIS_MAX)]
    Timeout(&'static str),
}

impl Config {
    /// The grace of a drain where nothing else is said: most replies are shorter, and with what follows it there is room
    /// in the 30 seconds that orchestrators give.
    pub const DRAIN: Duration = Duration::from_secs(20);
    /// The longest grace that can be set.
    pub const DRAIN_MAX: Duration = Duration::from_secs(3600);

    /// Checks what no single value can tell.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if let Some(auth) = &self.auth {
            if self.insecure_no_auth {
                return Err(ConfigError::AuthAndNone);
            }
            auth.validate()?;
        } else if !self.listen.ip().is_loopback() && !self.insecure_no_auth {
            return Err(ConfigError::PublicWithoutAuth(self.listen));
        }
        if !(1..=EngineConfig::HISTORY_TOKENS_MAX).contains(&self.engine.history_tokens_max) {
            return Err(ConfigError::HistoryTokens);
        }
        if self.drain > Self::DRAIN_MAX {
            return Err(ConfigError::Drain);
        }
        self.feed.validate(matches!(self.store, StoreConfig::Mongo(_)))?;
        self.browsers.validate()?;
        self.legacy.validate()?;
        match &self.bot {
            BotConfig::Builtin(bot) => bot.validate(),
            BotConfig::OpenAi(bot) => bot.validate(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_is_never_printed() {
        let store = StoreConfig::parse("mongodb://user:secret@host/db").unwrap();
        assert_eq!(format!("{store:?}"), "Mongo([redacted])");
        for other in ["postgres://user:secret@host", "mongodb:/user:secret@host/db", ""] {
            assert_eq!(StoreConfig::parse(other), Err(ConfigError::Store));
        }
        assert!(StoreConfig::parse("/data/of:/colloquy").is_ok());
    }

    #[test]
    fn a_public_address_without_auth_is_refused_unless_told_so() {
        let mut config = Config {
            listen: "0.0.0.0:8000".parse().unwrap(),
            store: StoreConfig::parse("./data").unwrap(),
            counts: CountsConfig::default(),
            feed: FeedConfig::Local,
            bot: BotConfig::Builtin(BuiltinBotConfig::default()),
            engine: EngineConfig::default(),
            auth: None,
            insecure_no_auth: false,
            browsers: BrowserConfig::default(),
            legacy: LegacyConfig::default(),
            limits: Limits::default(),
            trusted_documents: None,
            drain: Config::DRAIN,
        };
        assert!(matches!(
            config.validate(),
            Err(ConfigError::PublicWithoutAuth(_))
        ));
        config.insecure_no_auth = true;
        assert_eq!(config.validate(), Ok(()));
        config.bot = BotConfig::Builtin(BuiltinBotConfig {
            pieces_per_second: f64::NAN,
            ..BuiltinBotConfig::default()
        });
        assert_eq!(config.validate(), Err(ConfigError::Pace));
        config.drain = Config::DRAIN_MAX + Duration::from_secs(1);
        assert_eq!(config.validate(), Err(ConfigError::Drain));
        config.drain = Config::DRAIN;
        config.feed = FeedConfig::parse("redis://host", "").unwrap();
        assert_eq!(config.validate(), Err(ConfigError::FeedWithoutSharedStore));
    }
}
