//! What needs no look at anything outside: the configuration, the address, the bot that is built in.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::finding::Finding;
use crate::config::{BuiltinBotConfig, Config, ConfigError};
use crate::telemetry::causes::causes;

/// The configuration as a whole.
pub fn whole(config: Result<Config, ConfigError>) -> Finding {
    match config {
        Ok(config) if config.auth.is_none() && !config.listen.ip().is_loopback() => Finding::warning(
            "configuration",
            format!(
                "valid, but anybody who reaches {} can read every chat",
                config.listen
            ),
        )
        .advise("listen on a loopback address, behind a proxy that knows its users"),
        Ok(_) => Finding::ok("configuration", "valid"),
        Err(error) => Finding::problem("configuration", causes(&error).to_string())
            .advise("`colloquy --help` describes every flag and variable"),
    }
}

/// The address to listen on, taken for a moment.
pub async fn address(listen: SocketAddr) -> Finding {
    match TcpListener::bind(listen).await {
        Ok(_) => Finding::ok("address", format!("{listen} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Finding::warning("address", format!("another process listens on {listen}"))
                .advise("nothing to mend if that is Colloquy; else choose another address with --listen")
        }
        Err(error) => Finding::problem("address", format!("cannot listen on {listen}: {error}"))
            .advise("choose an address of this machine, and a port that you may use, with --listen"),
    }
}

/// The bot that is built in.
pub fn builtin(bot: &BuiltinBotConfig) -> Finding {
    if bot.takes_message_faults {
        Finding::warning("bot", "built in, and any message can make its own answer fail")
            .advise("leave out --builtin-message-faults where people talk to it")
    } else if bot.faults.is_some() {
        Finding::warning(
            "bot",
            "built in, and fails in every answer, as --builtin-faults says",
        )
        .advise("leave out --builtin-faults where people talk to it")
    } else {
        Finding::ok("bot", "built in; needs no network")
    }
}
