//! The documented REST API and socket: where they are, what describes them, and which pages may call them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use utoipa::openapi::OpenApi;

use super::pages;
use crate::config::LegacyConfig;
use crate::drain::Drain;
use crate::legacy::dates::DateFormat;
use crate::legacy::rest::Rest;
use crate::legacy::socket;
use crate::service::Service;

/// How long a browser may remember that it was let in.
const PREFLIGHT_AGE_MAX: Duration = Duration::from_secs(600);

/// The routes, over a service with the documented bounds.
pub fn router(service: &Service, config: &LegacyConfig, drain: Drain) -> Router {
    let documented = Arc::new(service.with_limits(service.limits().documented()));
    let dates = DateFormat {
        has_utc_suffix: config.has_utc_suffix,
    };
    let socket = socket::routes(documented.clone(), dates, &config.prefix, drain);
    let (routes, description) = Rest::new(documented, dates).routes(&config.prefix);
    let descriptions = Router::new()
        .route("/openapi.json", get(describe))
        .route("/docs", get(pages::docs))
        .route("/redoc", get(pages::redoc))
        .with_state(Arc::new(description));
    routes.merge(socket).merge(descriptions)
}

/// Which pages may read what they are answered.
pub fn cors(origins: &[HeaderValue]) -> CorsLayer {
    let methods = [
        Method::DELETE,
        Method::GET,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
        Method::POST,
        Method::PUT,
    ];
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.iter().cloned()))
        .allow_credentials(true)
        .allow_methods(methods)
        .allow_headers(AllowHeaders::mirror_request())
        .max_age(PREFLIGHT_AGE_MAX)
}

/// The description of the API, for programs.
async fn describe(State(description): State<Arc<OpenApi>>) -> Response {
    Json(&*description).into_response()
}
