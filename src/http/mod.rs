//! The HTTP face: which path is answered by whom, and what lies around them all.

mod caller;
mod doors;
mod graphql;
mod health;
mod legacy;
mod lines;
mod observe;
mod pages;
mod scrape;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::get;
use axum::serve::Listener;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::limit::RequestBodyLimitLayer;

use crate::config::{BrowserConfig, LegacyConfig, TrustedDocuments, TrustedDocumentsError};
use crate::drain::Drain;
use crate::graphql::Schema;
use crate::legacy::rest;
use crate::service::Service;

use caller::Doorkeeper;
use doors::{Doors, Peer};
use scrape::Scraped;

/// How long the last connections may take to bring a request. The HTTP library ends one at once that has brought none yet,
/// and whoever sent it could not tell that from one that broke off behind it.
const LAST_REQUEST_WAIT: Duration = Duration::from_millis(500);

/// What the handlers share.
#[derive(Clone)]
struct Faces {
    schema: Schema,
    service: Arc<Service>,
    drain: Drain,
}

/// Where a server listens.
pub struct Listeners {
    /// For everybody.
    pub faces: TcpListener,
    /// For Prometheus alone; without one `/metrics` is served to everybody.
    pub metrics: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    fn from(faces: TcpListener) -> Self {
        Self { faces, metrics: None }
    }
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener failed.
    #[error("the listener failed")]
    Listener(#[from] std::io::Error),
    /// The trusted documents cannot be used.
    #[error("the trusted documents cannot be used")]
    TrustedDocuments(#[from] TrustedDocumentsError),
}

/// Serves on `listeners` until `drain` has ended and the connections have too; streams are told to go when it
/// says so. A socket may outlive this: [`Service::streams_closed`] waits for it.
pub async fn serve(
    listeners: Listeners,
    service: Arc<Service>,
    legacy: LegacyConfig,
    browsers: BrowserConfig,
    trusted_documents: Option<Arc<TrustedDocuments>>,
    drain: Drain,
) -> Result<(), ServeError> {
    let schema = Schema::new(service.clone(), trusted_documents)?;
    let scraped = Scraped {
        service: service.clone(),
        drain: drain.clone(),
    };
    let (figures, scraped_apart) = match listeners.metrics {
        Some(listener) => (None, Some(tokio::spawn(scrape::serve(listener, scraped)))),
        None => (Some(scrape::routes(scraped)), None),
    };
    // To the end: that the server goes down can be seen there.
    let _scraped_apart = scraped_apart.map(AbortOnDropHandle::new);
    let closed = CancellationToken::new();
    let doors = Doors::new(listeners.faces, drain.closes_doors(), closed.clone());
    // Where others can reach it, and nobody is asked for a token, that was said in as many words.
    let is_here = doors.local_addr().is_ok_and(|address| address.ip().is_loopback());
    let doorkeeper = Doorkeeper::new(browsers, is_here && !service.asks_for_tokens());
    let router = router(schema, service, &legacy, figures, drain.clone(), doorkeeper);
    axum::serve(doors, router.into_make_service_with_connect_info::<Peer>())
        .with_graceful_shutdown(async move {
            closed.cancelled_owned().await;
            tokio::time::sleep(LAST_REQUEST_WAIT).await;
        })
        .await?;
    // Where others serve, connections end before replies do.
    drain.ended().await;
    Ok(())
}

fn router(
    schema: Schema,
    service: Arc<Service>,
    legacy: &LegacyConfig,
    figures: Option<Router>,
    drain: Drain,
    doorkeeper: Arc<Doorkeeper>,
) -> Router {
    let cors = legacy::cors(&doorkeeper.origins());
    let documented = legacy::router(&service, legacy, drain.clone());
    let body_bytes_max = service.limits().body_bytes_max;
    let faces = Faces {
        schema,
        service,
        drain: drain.clone(),
    };
    // Compression would hold a stream's events back.
    let compressed = SizeAbove::new(1024)
        .and(NotForContentType::const_new("text/event-stream"))
        .and(NotForContentType::const_new("multipart/mixed"));
    Router::new()
        .route("/", get(pages::console))
        .route("/graphql", get(graphql::get).post(graphql::post))
        .route("/assets/{*path}", get(pages::asset))
        .route("/health", get(health::ready))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .with_state(faces)
        // A body too large is refused before it is read whole. The documented API has a bound of its own.
        .layer(RequestBodyLimitLayer::new(body_bytes_max))
        .layer(map_response(graphql::too_large))
        .merge(documented)
        .layer(cors)
        .layer(from_fn_with_state(doorkeeper, caller::judge))
        .merge(figures.unwrap_or_default())
        .fallback(rest::not_found)
        // From the inside out: answers are compressed, a panicking handler answers 500 instead of cutting the
        // connection, and all that is noted. Each layer is copied for each request: there are as few as can be.
        .layer(CompressionLayer::new().compress_when(compressed))
        .layer(CatchPanicLayer::new())
        .layer(from_fn_with_state(drain, observe::observe))
}
