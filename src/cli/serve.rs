//! `colloquy serve`.

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;

use futures_util::stream::{self, Stream, StreamExt};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_stream::wrappers::SignalStream;

use super::arguments::LogFormat;
use crate::app::{self, Listeners};
use crate::config::{Config, OtlpEndpoint};
use crate::telemetry::log;
use crate::telemetry::recorder;
use crate::telemetry::traces::Traces;

/// What is seen of the server from outside.
pub struct Watched {
    /// How log lines look; as the terminal likes it if not given.
    pub log_format: Option<LogFormat>,
    /// Where `/metrics` has a listener of its own.
    pub metrics_listen: Option<SocketAddr>,
    /// Where traces go.
    pub otlp_endpoint: Option<OtlpEndpoint>,
}

/// Serves until SIGTERM or Ctrl-C, and drains then; a second one ends it at once.
pub async fn serve(config: Config, watched: Watched) -> Result<(), Box<dyn Error>> {
    let traces = watched.otlp_endpoint.as_ref().map(Traces::to).transpose()?;
    let _log = log::start(look(watched.log_format), traces.as_ref())?;
    recorder::install()?;
    let faces = listen(config.listen).await?;
    let address = faces.local_addr()?;
    let (figures, scraped) = match watched.metrics_listen {
        Some(address) => {
            let listener = listen(address).await?;
            let address = listener.local_addr()?;
            (Some(listener), address)
        }
        None => (None, address),
    };
    match &config.auth {
        Some(auth) => tracing::info!(
            keys = auth.keys.len(),
            jwks = auth.jwks_url.is_some(),
            "tokens are asked for"
        ),
        None => tracing::warn!(
            "no authentication is configured: whoever reaches this server may act for any user"
        ),
    }
    let welcome = format!(
        "Colloquy listens on http://{address} — GraphiQL: http://{address}/graphql, REST: http://{address}/docs, \
         metrics: http://{scraped}/metrics"
    );
    let served = app::run(
        config,
        Listeners {
            faces,
            metrics: figures,
        },
        told_to_stop(welcome),
    )
    .await;
    if let Some(traces) = traces {
        traces.end().await;
    }
    Ok(served?)
}

/// An item for each SIGTERM and each Ctrl-C. When it is first asked for, the store is open and requests are answered:
/// it prints `welcome` then.
fn told_to_stop(welcome: String) -> impl Stream<Item = ()> {
    // Not before that: until the store is open, the default of a signal ends the process.
    stream::once(async move {
        if let Err(error) = writeln!(std::io::stdout(), "{welcome}") {
            tracing::warn!(%error, "standard output cannot be written to");
        }
        let kinds = [SignalKind::terminate(), SignalKind::interrupt()].into_iter();
        // Without a handler that default stays, which is a stop as well.
        stream::select_all(kinds.filter_map(|kind| signal(kind).ok().map(SignalStream::new)))
    })
    .flatten()
}

async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| std::io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}

fn look(format: Option<LogFormat>) -> log::LogFormat {
    match format {
        Some(LogFormat::Pretty) => log::LogFormat::Pretty,
        Some(LogFormat::Json) => log::LogFormat::Json,
        None if std::io::stderr().is_terminal() => log::LogFormat::Pretty,
        None => log::LogFormat::Json,
    }
}
