//! Whether the process lives, and whether it can serve.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Faces;

/// The process answers; a restart would help nothing.
pub async fn live() -> Response {
    Json(json!({ "status": "healthy" })).into_response()
}

/// The store can be read and written, and the server is not on its way down.
pub async fn ready(State(faces): State<Faces>) -> Response {
    if faces.drain.has_begun() {
        let body = Json(json!({ "status": "shutting down" }));
        return (StatusCode::SERVICE_UNAVAILABLE, body).into_response();
    }
    match faces.service.ping().await {
        Ok(()) => Json(json!({ "status": "healthy", "store": "healthy" })).into_response(),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the store is not available"
            );
            let body = Json(json!({ "status": "unhealthy", "store": "unavailable" }));
            (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
    }
}
