//! Flags and environment variables.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use super::chat::ChatArguments;
use super::doctor::DoctorArguments;
use super::health::HealthArguments;
use super::recount::RecountArguments;
use super::secrets;
use super::serve::Watched;
use super::verify::VerifyArguments;
use crate::config::{
    ApiKey, AuthConfig, BotConfig, BrowserConfig, BuiltinBotConfig, Config, ConfigError, CountsConfig,
    EngineConfig, FaultScript, FeedConfig, JwksUrl, JwtAlgorithm, JwtKey, LegacyConfig, Limits, OpenAiConfig,
    OtlpEndpoint, StoreConfig, TrustedDocuments, UpstreamTimeouts, UpstreamUrl,
};

/// A GraphQL server for conversations between people and AI bots.
///
/// With no arguments it serves on 127.0.0.1:8000 with its data below ./data and an offline bot.
#[derive(Parser)]
#[command(version)]
pub struct Arguments {
    /// What to do; serve if not given.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The address to serve on; port 0 takes a free one.
    #[arg(
        long,
        env = "COLLOQUY_LISTEN",
        default_value = "127.0.0.1:8000",
        global = true
    )]
    pub listen: SocketAddr,
    // Read by us: the parser's own complaint would repeat it, and with it a password.
    /// Where chats are kept: a folder (embedded store), or mongodb://HOST/DATABASE.
    #[arg(
        long,
        env = "COLLOQUY_STORE",
        default_value = "./data",
        hide_env_values = true,
        global = true
    )]
    store: String,
    /// How a chat's messages are counted in a MongoDB: by counts kept with the chat, or live, each time, for a database
    /// that another program goes on writing to.
    #[arg(
        long,
        env = "COLLOQUY_COUNTS",
        value_enum,
        default_value = "kept",
        global = true
    )]
    counts: CountsKind,
    /// Whether it was said where chats are kept.
    #[arg(skip)]
    is_store_given: bool,
    /// Whether it was said what carries events.
    #[arg(skip)]
    is_feed_given: bool,
    // Read by us, as the store is.
    /// What carries events between servers: local where there is one, else redis://HOST (rediss:// for TLS), the same
    /// for all that share a MongoDB.
    #[arg(
        long,
        env = "COLLOQUY_FEED",
        default_value = "local",
        hide_env_values = true,
        global = true
    )]
    feed: String,
    /// What every key in Redis begins with.
    #[arg(long, env = "COLLOQUY_FEED_PREFIX", default_value = FeedConfig::PREFIX, global = true)]
    feed_prefix: String,
    /// What answers: the offline bot, or an OpenAI-compatible service.
    #[arg(
        long,
        env = "COLLOQUY_BOT",
        value_enum,
        default_value = "builtin",
        global = true
    )]
    bot: BotKind,
    // Read by us, as the store is.
    /// Where the OpenAI-compatible service is; its key is read from OPENAI_API_KEY only.
    #[arg(
        long,
        env = "OPENAI_BASE_URL",
        default_value = OpenAiConfig::BASE_URL,
        hide_env_values = true,
        global = true
    )]
    openai_base_url: String,
    /// The model of the service that answers.
    #[arg(long, env = "OPENAI_MODEL", global = true)]
    openai_model: Option<String>,
    /// The most tokens of an answer of the service; its own bound if not given.
    #[arg(long, env = "COLLOQUY_OPENAI_MAX_TOKENS", global = true)]
    openai_max_tokens: Option<u32>,
    /// What the model is told before each conversation.
    #[arg(
        long,
        env = "COLLOQUY_SYSTEM_PROMPT",
        default_value = OpenAiConfig::SYSTEM_PROMPT,
        hide_env_values = true,
        global = true
    )]
    system_prompt: String,
    /// How long the service may take to be connected to.
    #[arg(
        long,
        env = "COLLOQUY_UPSTREAM_CONNECT_TIMEOUT_MS",
        default_value_t = millis(UpstreamTimeouts::default().connect),
        global = true
    )]
    upstream_connect_timeout_ms: u64,
    /// How long the service may take to begin an answer.
    #[arg(
        long,
        env = "COLLOQUY_UPSTREAM_FIRST_PIECE_TIMEOUT_MS",
        default_value_t = millis(UpstreamTimeouts::default().first_piece),
        global = true
    )]
    upstream_first_piece_timeout_ms: u64,
    /// How long the service may be silent within an answer.
    #[arg(
        long,
        env = "COLLOQUY_UPSTREAM_STALL_TIMEOUT_MS",
        default_value_t = millis(UpstreamTimeouts::default().stall),
        global = true
    )]
    upstream_stall_timeout_ms: u64,
    /// How long an answer of the service may take from its first piece on.
    #[arg(
        long,
        env = "COLLOQUY_UPSTREAM_REPLY_TIMEOUT_MS",
        default_value_t = millis(UpstreamTimeouts::default().reply),
        global = true
    )]
    upstream_reply_timeout_ms: u64,
    /// How many pieces a second the offline bot says; 0 for as fast as it is read.
    #[arg(long, env = "COLLOQUY_BUILTIN_PACE", default_value_t = 20.0, global = true)]
    builtin_pace: f64,
    /// Stretch every answer of the offline bot to at least this many words.
    #[arg(long, env = "COLLOQUY_BUILTIN_WORDS", default_value_t = 0, global = true)]
    builtin_words: usize,
    // Read by us: our own complaint names the part.
    /// What goes wrong in every answer of the offline bot, such as stall@40=2s,cut@57 (docs/faults.md).
    #[arg(long, env = "COLLOQUY_BUILTIN_FAULTS", value_name = "SCRIPT", global = true)]
    builtin_faults: Option<String>,
    /// Let each message say what shall go wrong in its own answer, for clients to be tried against.
    #[arg(long, env = "COLLOQUY_BUILTIN_MESSAGE_FAULTS", global = true)]
    builtin_message_faults: bool,
    /// How many tokens of a chat's latest messages a bot is given; the message to answer always goes in.
    #[arg(long, env = "COLLOQUY_HISTORY_TOKENS", default_value_t = EngineConfig::default().history_tokens_max, global = true)]
    history_tokens: i64,
    /// Where the routes of the documented API are besides /chat; empty for nowhere.
    #[arg(long, env = "COLLOQUY_LEGACY_PREFIX", default_value = LegacyConfig::PREFIX, global = true)]
    legacy_prefix: String,
    /// End the documented API's date-times in Z: without it a browser takes them for its own zone.
    #[arg(long, env = "COLLOQUY_LEGACY_UTC_SUFFIX", global = true)]
    legacy_utc_suffix: bool,
    /// The origins whose pages may call, besides the server's own, separated by commas.
    #[arg(
        long,
        env = "COLLOQUY_CORS_ORIGINS",
        value_name = "ORIGIN",
        value_delimiter = ',',
        default_value = BrowserConfig::DOCUMENTED_ORIGIN,
        global = true
    )]
    cors_origin: Vec<String>,
    /// Set a limit on what callers may ask for, such as page-size=50; may be repeated (docs/config.md).
    #[arg(
        long,
        env = "COLLOQUY_LIMITS",
        value_name = "NAME=NUMBER",
        value_delimiter = ',',
        global = true
    )]
    limit: Vec<String>,
    /// Do not tell clients the schema; GraphiQL then has no help to give.
    #[arg(long, env = "COLLOQUY_NO_INTROSPECTION", global = true)]
    no_introspection: bool,
    /// Do not say what a client with a wrong name may have meant.
    #[arg(long, env = "COLLOQUY_NO_SUGGESTIONS", global = true)]
    no_suggestions: bool,
    /// Run no documents but these: a folder of .graphql files, or a manifest in JSON (docs/documents.md).
    #[arg(long, env = "COLLOQUY_TRUSTED_DOCUMENTS", value_name = "PATH", global = true)]
    trusted_documents: Option<PathBuf>,
    /// Networks of proxies that are believed when they say whom they ask for (X-Forwarded-For), separated by commas.
    #[arg(
        long,
        env = "COLLOQUY_TRUSTED_PROXIES",
        value_name = "NETWORK",
        value_delimiter = ',',
        global = true
    )]
    trusted_proxies: Vec<String>,
    // Read by us, as the store is.
    /// Ask callers for tokens that the keys published here prove; a secret is read from COLLOQUY_JWT_SECRET only.
    #[arg(
        long,
        env = "COLLOQUY_JWKS_URL",
        value_name = "URL",
        hide_env_values = true,
        global = true
    )]
    jwks_url: Option<String>,
    /// Ask callers for tokens that the key in this file proves: a public key in PEM, or a secret for HS256; may be
    /// repeated.
    #[arg(
        long,
        env = "COLLOQUY_JWT_KEY_FILES",
        value_name = "FILE",
        value_delimiter = ',',
        global = true
    )]
    jwt_key_file: Vec<PathBuf>,
    /// Believe no other algorithms than these, separated by commas; else those that the keys are for.
    #[arg(
        long,
        env = "COLLOQUY_JWT_ALGORITHMS",
        value_name = "ALGORITHM",
        value_delimiter = ',',
        global = true
    )]
    jwt_algorithm: Vec<String>,
    /// Who must have issued a token (iss).
    #[arg(long, env = "COLLOQUY_JWT_ISSUER", value_name = "ISSUER", global = true)]
    jwt_issuer: Option<String>,
    /// Whom a token must be meant for (aud), one of these; without any, a token that is meant for somebody is refused.
    #[arg(
        long,
        env = "COLLOQUY_JWT_AUDIENCE",
        value_name = "AUDIENCE",
        value_delimiter = ',',
        global = true
    )]
    jwt_audience: Vec<String>,
    /// The claim that names the user.
    #[arg(long, env = "COLLOQUY_JWT_USER_CLAIM", value_name = "CLAIM", default_value = AuthConfig::USER_CLAIM, global = true)]
    jwt_user_claim: String,
    /// Take a user that is a number in a text for the integer, as documented databases have them.
    #[arg(long, env = "COLLOQUY_JWT_INTEGER_USERS", global = true)]
    jwt_integer_users: bool,
    /// The scope of programs that may act for every user.
    #[arg(long, env = "COLLOQUY_JWT_SERVICE_SCOPE", value_name = "SCOPE", default_value = AuthConfig::SERVICE_SCOPE, global = true)]
    jwt_service_scope: String,
    /// How much the clocks of the issuer and this server may differ.
    #[arg(
        long,
        env = "COLLOQUY_JWT_LEEWAY_SECONDS",
        value_name = "SECONDS",
        default_value_t = AuthConfig::LEEWAY.as_secs(),
        global = true
    )]
    jwt_leeway_seconds: u64,
    /// Serve on an address that others can reach although anybody could then read every chat.
    #[arg(long, env = "COLLOQUY_INSECURE_NO_AUTH", global = true)]
    insecure_no_auth: bool,
    /// How long replies under way may take to end once the server is told to stop.
    #[arg(
        long,
        env = "COLLOQUY_DRAIN_SECONDS",
        value_name = "SECONDS",
        default_value_t = Config::DRAIN.as_secs(),
        global = true
    )]
    drain_seconds: u64,
    /// How log lines look; pretty on a terminal, json elsewhere.
    #[arg(long, env = "COLLOQUY_LOG_FORMAT", value_enum, global = true)]
    log_format: Option<LogFormat>,
    /// Serve /metrics on this address, and no longer to everybody; port 0 takes a free one.
    #[arg(long, env = "COLLOQUY_METRICS_LISTEN", value_name = "ADDRESS", global = true)]
    metrics_listen: Option<SocketAddr>,
    // Read by us, as the store is.
    /// Send traces to the OpenTelemetry collector at this address, by OTLP over HTTP.
    #[arg(
        long,
        env = "COLLOQUY_OTLP_ENDPOINT",
        value_name = "URL",
        hide_env_values = true,
        global = true
    )]
    otlp_endpoint: Option<String>,
    /// The same, as every program that speaks OpenTelemetry knows it.
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        hide = true,
        hide_env_values = true,
        global = true
    )]
    otel_exporter_otlp_endpoint: Option<String>,
}

/// What to do.
#[derive(Clone, Subcommand)]
pub enum Command {
    /// Serve until told to stop.
    Serve,
    /// Talk to a server, from the terminal or a script.
    Chat(ChatArguments),
    /// Print the GraphQL schema.
    Schema,
    /// Create the store's collections and indexes; harmless to repeat.
    Setup,
    /// Check the counts that are kept with long chats, and enter into the ledger of usage what replies used before there
    /// was one.
    ///
    /// Harmless to repeat. On a MongoDB servers may run meanwhile, but none of version 0.1.0. The server of a folder
    /// must be stopped. Ends with 0 when it is done.
    Recount(RecountArguments),
    /// Look at configuration, keys of tokens, store, feed and bot, change nothing, and say what to mend.
    ///
    /// Ends with 0 if nothing is a problem, else with 1.
    Doctor(DoctorArguments),
    /// Ask a server how it is.
    ///
    /// Ends with 0 if it is well, with 1 if it is not or does not answer within 5 seconds. Never goes through a proxy.
    Health(HealthArguments),
    /// Kill, freeze and cut off servers on a scratch database, and see what is kept of every promise.
    ///
    /// With no arguments it tries one server on a temporary folder, not on ./data, for half a minute. With --store it
    /// makes a database or folder beside the one that is named, which it never opens, and removes it at the end. Ends
    /// with 0 if everything that was tried was held, with 1 if something was not, and with 2 if there is no verdict.
    Verify(VerifyArguments),
}

/// How a report looks.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// How messages are counted.
#[derive(Clone, Copy, ValueEnum)]
enum CountsKind {
    /// By counts kept with the chat.
    Kept,
    /// Each time.
    Live,
}

/// What answers.
#[derive(Clone, Copy, ValueEnum)]
enum BotKind {
    /// The offline bot.
    Builtin,
    /// An OpenAI-compatible service.
    Openai,
}

/// How log lines look.
#[derive(Clone, Copy, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

impl Arguments {
    /// What the program was called with; ends it, with help or a complaint, if that is nothing.
    pub fn read() -> Self {
        let command = Self::command();
        let mut globals: Vec<_> = command.get_arguments().cloned().collect();
        globals.retain(clap::Arg::is_global_set);
        // A client has no use for the flags of a server, which are taken everywhere, so they do not clutter its help.
        let hidden = |kept: &[&str]| {
            let hidden = globals
                .iter()
                .filter(|flag| !kept.contains(&flag.get_id().as_str()));
            hidden.map(|flag| flag.clone().hide(true)).collect::<Vec<_>>()
        };
        let command = command
            .mut_subcommand("chat", |chat| chat.args(hidden(&[])))
            .mut_subcommand("health", |health| health.args(hidden(&["listen"])))
            .mut_subcommand("recount", |recount| recount.args(hidden(&["store"])))
            .mut_subcommand("verify", |verify| {
                let store = globals.iter().filter(|flag| flag.get_id().as_str() == "store");
                // Without `--store` it uses a temporary folder, and not the default.
                let store = store.map(|flag| flag.clone().hide_default_value(true));
                verify
                    .args(hidden(&["store", "feed", "feed_prefix"]))
                    .args(store.collect::<Vec<_>>())
            });
        let matches = command.get_matches();
        let mut arguments = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        let is_given = |name| matches.value_source(name) != Some(ValueSource::DefaultValue);
        (arguments.is_store_given, arguments.is_feed_given) = (is_given("store"), is_given("feed"));
        arguments
    }

    /// The variables of the environment that are read.
    pub fn variables() -> Vec<String> {
        let command = Self::command();
        let flags = command.get_arguments().filter_map(clap::Arg::get_env);
        let mut variables: Vec<_> = flags.map(|name| name.to_string_lossy().into_owned()).collect();
        variables.extend(secrets::VARIABLES.map(str::to_owned));
        let files = secrets::VARIABLES.into_iter().chain(secrets::ADDRESSES);
        variables.extend(files.map(|name| format!("{name}{}", secrets::FILE)));
        variables
    }

    /// The configuration that the arguments stand for, checked.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let config = Config {
            listen: self.listen,
            store: self.store()?,
            counts: match self.counts {
                CountsKind::Kept => CountsConfig::Kept,
                CountsKind::Live => CountsConfig::Live,
            },
            feed: self.feed()?,
            bot: self.bot()?,
            engine: EngineConfig {
                history_tokens_max: self.history_tokens,
            },
            auth: self.auth()?,
            insecure_no_auth: self.insecure_no_auth,
            browsers: BrowserConfig {
                origins: self.cors_origin.clone(),
                trusted_proxies: self
                    .trusted_proxies
                    .iter()
                    .map(|network| BrowserConfig::network(network))
                    .collect::<Result<_, _>>()?,
            },
            legacy: LegacyConfig {
                prefix: self.legacy_prefix.clone(),
                has_utc_suffix: self.legacy_utc_suffix,
            },
            limits: self.limits()?,
            trusted_documents: self
                .trusted_documents
                .as_deref()
                .map(|path| TrustedDocuments::load(path).map(Arc::new))
                .transpose()?,
            drain: Duration::from_secs(self.drain_seconds),
        };
        config.validate()?;
        Ok(config)
    }

    /// What is seen of the server from outside.
    pub fn watched(&self) -> Result<Watched, ConfigError> {
        let standard = self.otel_exporter_otlp_endpoint.as_ref();
        // A variable that is set to nothing is not set.
        let endpoint = self
            .otlp_endpoint
            .as_ref()
            .or(standard)
            .filter(|address| !address.is_empty());
        Ok(Watched {
            log_format: self.log_format,
            metrics_listen: self.metrics_listen,
            otlp_endpoint: endpoint.map(|address| OtlpEndpoint::parse(address)).transpose()?,
        })
    }

    fn limits(&self) -> Result<Limits, ConfigError> {
        let mut limits = Limits {
            has_introspection: !self.no_introspection,
            has_suggestions: !self.no_suggestions,
            ..Limits::default()
        };
        for setting in &self.limit {
            limits.set(setting)?;
        }
        Ok(limits)
    }

    /// The configured store, else the default; also if other settings are wrong.
    pub fn store(&self) -> Result<StoreConfig, ConfigError> {
        self.given_store()
            .unwrap_or_else(|| StoreConfig::parse(&self.store))
    }

    /// The store of the flag, the variable or its file; `None` if none is set.
    pub fn given_store(&self) -> Option<Result<StoreConfig, ConfigError>> {
        if self.is_store_given {
            return Some(StoreConfig::parse(&self.store));
        }
        let read = secrets::file_of("COLLOQUY_STORE")?;
        Some(read.and_then(|read| StoreConfig::parse(read.trim())))
    }

    /// The feed alone.
    pub fn feed(&self) -> Result<FeedConfig, ConfigError> {
        match secrets::file_of("COLLOQUY_FEED").filter(|_| !self.is_feed_given) {
            Some(read) => FeedConfig::parse(read?.trim(), &self.feed_prefix),
            None => FeedConfig::parse(&self.feed, &self.feed_prefix),
        }
    }

    /// The bot alone.
    pub fn bot(&self) -> Result<BotConfig, ConfigError> {
        Ok(match self.bot {
            BotKind::Builtin => BotConfig::Builtin(self.builtin()?),
            BotKind::Openai => BotConfig::OpenAi(self.openai()?),
        })
    }

    /// Whose tokens are believed; `None` if there is no key to prove any by.
    pub fn auth(&self) -> Result<Option<AuthConfig>, ConfigError> {
        let secret = secrets::variable("COLLOQUY_JWT_SECRET")?;
        let files = self
            .jwt_key_file
            .iter()
            .map(|path| secrets::file("--jwt-key-file", path));
        let texts = secret.into_iter().map(Ok).chain(files);
        let keys = texts
            .map(|text| JwtKey::parse(&text?))
            .collect::<Result<Vec<_>, _>>()?;
        // A variable that is set to nothing is not set.
        let jwks_url = self
            .jwks_url
            .as_deref()
            .filter(|address| !address.trim().is_empty());
        let auth = AuthConfig {
            jwks_url: jwks_url.map(JwksUrl::parse).transpose()?,
            algorithms: self
                .jwt_algorithm
                .iter()
                .map(|name| JwtAlgorithm::parse(name))
                .collect::<Result<_, _>>()?,
            issuer: self.jwt_issuer.clone(),
            audiences: self.jwt_audience.clone(),
            user_claim: self.jwt_user_claim.clone(),
            has_integer_users: self.jwt_integer_users,
            service_scope: self.jwt_service_scope.clone(),
            leeway: Duration::from_secs(self.jwt_leeway_seconds),
            ..AuthConfig::of_keys(keys)
        };
        if !auth.keys.is_empty() || auth.jwks_url.is_some() {
            return Ok(Some(auth));
        }
        // Whoever says how tokens are read means them to be asked for.
        let is_meant = auth.issuer.is_some() || !auth.audiences.is_empty() || !auth.algorithms.is_empty();
        match is_meant {
            true => Err(ConfigError::JwtWithoutKeys),
            false => Ok(None),
        }
    }

    fn builtin(&self) -> Result<BuiltinBotConfig, ConfigError> {
        let faults = self.builtin_faults.as_deref().map(FaultScript::parse);
        Ok(BuiltinBotConfig {
            pieces_per_second: self.builtin_pace,
            words_min: self.builtin_words,
            faults: faults.transpose()?,
            takes_message_faults: self.builtin_message_faults,
        })
    }

    fn openai(&self) -> Result<OpenAiConfig, ConfigError> {
        Ok(OpenAiConfig {
            base_url: UpstreamUrl::parse(&self.openai_base_url)?,
            model: self.openai_model.clone().unwrap_or_default(),
            api_key: api_key()?,
            system_prompt: self.system_prompt.clone(),
            max_tokens: self.openai_max_tokens,
            timeouts: UpstreamTimeouts {
                connect: Duration::from_millis(self.upstream_connect_timeout_ms),
                first_piece: Duration::from_millis(self.upstream_first_piece_timeout_ms),
                stall: Duration::from_millis(self.upstream_stall_timeout_ms),
                reply: Duration::from_millis(self.upstream_reply_timeout_ms),
            },
        })
    }
}

/// The key of the service.
fn api_key() -> Result<Option<ApiKey>, ConfigError> {
    let key = secrets::variable("OPENAI_API_KEY")?;
    key.map(|key| ApiKey::parse(&key)).transpose()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
