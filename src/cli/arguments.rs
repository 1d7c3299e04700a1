//! Flags and environment variables.

use std::net::SocketAddr;

use clap::{Parser, Subcommand, ValueEnum};

use crate::config::{BuiltinBotConfig, Config, ConfigError, EngineConfig, Limits, StoreConfig};

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
    listen: SocketAddr,
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
    /// How many pieces a second the offline bot says; 0 for as fast as it is read.
    #[arg(long, env = "COLLOQUY_BUILTIN_PACE", default_value_t = 20.0, global = true)]
    builtin_pace: f64,
    /// Stretch every answer of the offline bot to at least this many words.
    #[arg(long, env = "COLLOQUY_BUILTIN_WORDS", default_value_t = 0, global = true)]
    builtin_words: usize,
    /// How many tokens of a chat's latest messages a bot is given; the message to answer always goes in.
    #[arg(long, env = "COLLOQUY_HISTORY_TOKENS", default_value_t = EngineConfig::default().history_tokens_max, global = true)]
    history_tokens: i64,
    /// Serve on an address that others can reach although anybody could then read every chat.
    #[arg(long, env = "COLLOQUY_INSECURE_NO_AUTH", global = true)]
    insecure_no_auth: bool,
    /// How log lines look; pretty on a terminal, json elsewhere.
    #[arg(long, env = "COLLOQUY_LOG_FORMAT", value_enum, global = true)]
    pub log_format: Option<LogFormat>,
}

/// What to do.
#[derive(Clone, Copy, Subcommand)]
pub enum Command {
    /// Serve until told to stop.
    Serve,
    /// Print the GraphQL schema.
    Schema,
    /// Create the store's collections and indexes; harmless to repeat.
    Setup,
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
    /// The configuration that the arguments stand for, checked.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let config = Config {
            listen: self.listen,
            store: StoreConfig::parse(&self.store)?,
            builtin_bot: BuiltinBotConfig {
                pieces_per_second: self.builtin_pace,
                words_min: self.builtin_words,
            },
            engine: EngineConfig {
                history_tokens_max: self.history_tokens,
            },
            insecure_no_auth: self.insecure_no_auth,
            limits: Limits::default(),
        };
        config.validate()?;
        Ok(config)
    }
}
