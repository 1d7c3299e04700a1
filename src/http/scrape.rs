//! The figures for Prometheus.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::health;
use crate::drain::Drain;
use crate::service::Service;
use crate::telemetry::recorder;

/// Where they are.
pub const PATH: &str = "/metrics";

/// The content type of Prometheus's text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whose figures are asked for.
#[derive(Clone)]
pub struct Scraped {
    /// The server's use cases.
    pub service: Arc<Service>,
    /// Whether it is on its way down.
    pub drain: Drain,
}

/// The route of the figures.
pub fn routes(scraped: Scraped) -> Router {
    Router::new().route(PATH, get(figures)).with_state(scraped)
}

/// Serves the figures on a listener of their own, and nothing else, until it is dropped.
pub async fn serve(listener: TcpListener, scraped: Scraped) {
    // It ends with an error never, and without one only when it is told to.
    let _ = axum::serve(listener, routes(scraped)).await;
}

async fn figures(State(scraped): State<Scraped>) -> Response {
    // Several servers of one process share their figures; whether one is ready is told as of the one that is asked.
    health::look(&scraped.service, &scraped.drain).await;
    match recorder::rendered() {
        Some(figures) => ([(header::CONTENT_TYPE, TEXT_FORMAT)], figures).into_response(),
        None => {
            let sentence = "This process keeps its figures elsewhere.\n";
            (StatusCode::NOT_FOUND, sentence).into_response()
        }
    }
}
