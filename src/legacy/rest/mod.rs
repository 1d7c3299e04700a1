//! The documented REST API: its routes, its bodies and its errors, over the use cases that every face has.
//!
//! What a route takes is in `request.rs` and can be asked for without a server by `reading.rs`, what it answers in `wire.rs`, what it refuses in `fault.rs` and
//! `refusal.rs`. `docs/legacy-quirks.md` lists what is odd about it and why.

mod caller;
mod chats;
mod coerce;
mod fault;
mod input;
mod messages;
pub mod reading;
pub(super) mod refusal;
mod request;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::extract::{OriginalUri, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use tracing::Instrument;
use utoipa::OpenApi;
use utoipa::openapi::{self, Server};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use refusal::detail;

use super::dates::DateFormat;
use super::socket;
use crate::service::Service;
use crate::telemetry::causes::causes;
use crate::telemetry::faces::{self, Face};

/// What the routes share.
#[derive(Clone)]
pub struct Rest {
    service: Arc<Service>,
    dates: DateFormat,
}

/// The beginning of the API's description; the routes complete it.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Colloquy: the documented REST API",
        description = "Chats, messages and reactions, as the documented chat system had them. Every route is \
            served below each of the servers' prefixes, and answers 503 with `retry-after` while the store is \
            away.\n\nThe bot is asked over the WebSocket `/chat/ws/{chat_id}`, below the same prefixes: each text \
            frame is a JSON object whose `mt` says what it is, such as `message_upload`, `stop` or \
            `chat_message_bot_partial`. OpenAPI has no words for that. Replies stream over GraphQL at `/graphql` \
            as well."
    ),
    paths(socket::status)
)]
struct Description;

impl Rest {
    /// The routes over a service, whose bounds should be those of the documented API.
    pub fn new(service: Arc<Service>, dates: DateFormat) -> Self {
        Self { service, dates }
    }

    /// The routes below `/chat`, and below `prefix` once more unless it is empty, with the description of them all.
    pub fn routes(self, prefix: &str) -> (Router, openapi::OpenApi) {
        let (documented, mut description) = OpenApiRouter::with_openapi(Description::openapi())
            .routes(routes!(chats::create))
            .routes(routes!(chats::of_user))
            .routes(routes!(chats::show, chats::update, chats::delete))
            .routes(routes!(chats::full))
            .routes(routes!(messages::of_chat, messages::create))
            .routes(routes!(messages::show, messages::update, messages::delete))
            .routes(routes!(messages::add_reaction, messages::remove_reaction))
            .split_for_parts();
        // An address without anything in it is the one where the description is.
        let mut servers = vec!["", prefix];
        servers.dedup();
        description.servers = Some(servers.into_iter().map(Server::new).collect());
        let routes = OTHER_FORMS
            .into_iter()
            .fold(documented, |routes, path| routes.route(path, any(other_form)))
            .method_not_allowed_fallback(wrong_method)
            .layer(middleware::from_fn_with_state(self.clone(), enter))
            .with_state(self);
        (super::below(prefix, routes), description)
    }
}

/// The documented paths with the slash that they should not have, or without the one they should.
const OTHER_FORMS: [&str; 7] = [
    "/chat",
    "/chat/user/{user_id}/",
    "/chat/{chat_id}/",
    "/chat/{chat_id}/full/",
    "/chat/{chat_id}/messages/",
    "/chat/{chat_id}/messages/{message_id}/",
    "/chat/{chat_id}/messages/{message_id}/reaction/",
];

/// Leads to the same path with the slash, or without it. The method and the body are sent again.
async fn other_form(OriginalUri(uri): OriginalUri) -> Response {
    let path = uri.path();
    let path = match path.strip_suffix('/') {
        Some(path) => path.to_owned(),
        None => format!("{path}/"),
    };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    match HeaderValue::from_str(&format!("{path}{query}")) {
        Ok(location) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response(),
        Err(_) => not_found().await,
    }
}

/// What lies around every route.
async fn enter(
    State(rest): State<Rest>,
    OriginalUri(uri): OriginalUri,
    mut request: Request,
    next: Next,
) -> Response {
    // The router takes nothing for an id; here, as documented, a path with nothing between two slashes is none.
    if uri.path().contains("//") {
        return not_found().await;
    }
    match caller::admit(&rest, &mut request).await {
        Ok(()) => on_a_task_of_its_own(request, next).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// There is no such path.
pub async fn not_found() -> Response {
    refusal::detail(StatusCode::NOT_FOUND, "Not Found")
}

async fn wrong_method() -> Response {
    refusal::detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
}

/// Answers on a task of its own, so that a client that leaves does not cut a use case in half.
async fn on_a_task_of_its_own(request: Request, next: Next) -> Response {
    match tokio::spawn(next.run(request).in_current_span()).await {
        Ok(response) => response,
        Err(panic) => {
            tracing::error!(error = %causes(&panic), "a request of the REST API broke down");
            faces::error(Face::Rest, "INTERNAL");
            refusal::detail(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong.")
        }
    }
}
