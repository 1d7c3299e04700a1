//! `colloquy serve`.

use std::error::Error;
use std::io::{IsTerminal, Write};

use futures_util::stream::{self, Stream, StreamExt};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_stream::wrappers::SignalStream;
use tracing_subscriber::EnvFilter;

use super::arguments::LogFormat;
use crate::app;
use crate::config::Config;

/// Serves until SIGTERM or Ctrl-C, and drains then; a second one ends it at once.
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

/// An item for each SIGTERM and each Ctrl-C.
fn told_to_stop() -> impl Stream<Item = ()> {
    // Not before somebody listens: until the store is open, the default of a signal ends the process.
    stream::once(async {
        let kinds = [SignalKind::terminate(), SignalKind::interrupt()].into_iter();
        // Without a handler that default stays, which is a stop as well.
        stream::select_all(kinds.filter_map(|kind| signal(kind).ok().map(SignalStream::new)))
    })
    .flatten()
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
