//! `colloquy serve`.

use std::error::Error;
use std::io::{IsTerminal, Write};

use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use super::arguments::LogFormat;
use crate::app;
use crate::config::Config;

/// Serves until SIGTERM or Ctrl-C.
pub async fn serve(config: Config, format: Option<LogFormat>) -> Result<(), Box<dyn Error>> {
    start_log(format)?;
    let listener = TcpListener::bind(config.listen).await.map_err(|error| {
        std::io::Error::new(
            error.kind(),
            format!("cannot listen on {}: {error}", config.listen),
        )
    })?;
    let address = listener.local_addr()?;
    tracing::warn!("no authentication is configured: whoever reaches this server may act for any user");
    // Connections that come before the store is open wait in the listener's queue.
    writeln!(
        std::io::stdout(),
        "Colloquy listens on http://{address} — GraphiQL: http://{address}/graphql, REST: http://{address}/docs"
    )?;
    app::run(config, listener, told_to_stop()).await?;
    Ok(())
}

async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        // Without a handler the signal's default ends the process, which is a stop as well.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

fn start_log(format: Option<LogFormat>) -> Result<(), Box<dyn Error>> {
    let is_pretty = match format {
        Some(format) => matches!(format, LogFormat::Pretty),
        None => std::io::stderr().is_terminal(),
    };
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .from_env()?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = if is_pretty {
        log.try_init()
    } else {
        log.json().try_init()
    };
    started.map_err(|error| error.to_string().into())
}
