//! What is noted of every request: its id, a span around it, one line in the log, and how long it took; and what its
//! answer says of the connection.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use tower_http::request_id::{MakeRequestId, MakeRequestUuid};
use tracing::{Instrument, Span};

use super::{health, scrape};
use crate::drain::Drain;
use crate::telemetry::faces;
use crate::telemetry::spans::{self, RequestId};

/// Where the id of a request comes in and goes out.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The route of whatever no route matches.
const UNMATCHED: &str = "unmatched";

/// Notes a request. Its path is not: anything can stand there.
pub async fn observe(State(drain): State<Drain>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or(UNMATCHED, MatchedPath::as_str).to_owned();
    let method = faces::method(request.method().as_str());
    let id = id_of(&request);
    // Machines ask for these every few seconds.
    let is_probe = health::PATHS.contains(&route.as_str()) || route == scrape::PATH;
    let span = match is_probe {
        true => Span::none(),
        false => spans::request(&id, &route, method, |name| {
            request.headers().get(name)?.to_str().ok()
        }),
    };
    let version = request.version();
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    span.in_scope(|| match is_probe {
        true => tracing::debug!(http.route = route, http.status = status, took_us, "answered"),
        false => tracing::info!(http.status = status, took_us, "answered"),
    });
    faces::request(route, method, status, took);
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    if drain.has_begun() {
        part(version, &mut response);
    }
    response
}

/// While the server drains, each answer is the last of its connection: the client makes the next one to a server that
/// stays. Version 2 of the protocol has no header for it, but says so when the doors close.
fn part(version: Version, response: &mut Response) {
    // A connection that becomes a socket says that instead.
    if version <= Version::HTTP_11 && !response.headers().contains_key(header::CONNECTION) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
}

/// The id that the caller chose, or one of ours.
fn id_of(request: &Request) -> RequestId {
    let chosen = request.headers().get(REQUEST_ID);
    let chosen = chosen.and_then(|id| RequestId::parse(id.to_str().ok()?));
    chosen.unwrap_or_else(|| {
        let made = MakeRequestUuid.make_request_id(request);
        let made = made.as_ref().and_then(|id| id.header_value().to_str().ok());
        RequestId::parse(made.unwrap_or_default()).unwrap_or_else(RequestId::none)
    })
}
