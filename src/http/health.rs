//! Whether the process lives, and whether it can serve.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use super::Faces;
use crate::drain::Drain;
use crate::service::{BotHealth, Health, Service};
use crate::telemetry;

/// Where the questions are asked.
pub const PATHS: [&str; 3] = ["/health", "/health/live", "/health/ready"];

/// How the server does, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// All parts do their work.
    Healthy,
    /// What is broken can be done without.
    Degraded,
    /// The store is away.
    Unhealthy,
    /// The server is on its way down.
    #[serde(rename = "shutting down")]
    ShuttingDown,
}

/// The process answers; a restart would help nothing.
pub async fn live() -> Response {
    Json(json!({ "status": "healthy" })).into_response()
}

/// The store can be read and written, and the server is not on its way down.
pub async fn ready(State(faces): State<Faces>) -> Response {
    let (health, status) = look(&faces.service, &faces.drain).await;
    let store = match health.is_store_up {
        true => "healthy",
        false => "unavailable",
    };
    let feed = match health.is_feed_up {
        true => "healthy",
        false => "unavailable",
    };
    let bot = match health.bot {
        BotHealth::Healthy => "healthy",
        BotHealth::Failing => "failing",
    };
    let body = json!({
        "status": status,
        // As it was before there were more parts.
        "store": store,
        "parts": { "store": { "status": store }, "feed": { "status": feed }, "bot": { "status": bot } },
    });
    match is_ready(status) {
        true => Json(body).into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response(),
    }
}

/// How the server does, which is noted in the figures as well.
pub(super) async fn look(service: &Service, drain: &Drain) -> (Health, Status) {
    let health = service.health().await;
    let status = match drain.has_begun() {
        true => Status::ShuttingDown,
        false if !health.is_store_up => Status::Unhealthy,
        false if !health.is_feed_up || health.bot == BotHealth::Failing => Status::Degraded,
        false => Status::Healthy,
    };
    telemetry::health::ready(is_ready(status));
    (health, status)
}

fn is_ready(status: Status) -> bool {
    matches!(status, Status::Healthy | Status::Degraded)
}
