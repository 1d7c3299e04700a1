//! GraphQL over SSE, in distinct connections mode: one operation for each request, its results as events.

use std::convert::Infallible;
use std::time::Duration;

use async_graphql::Response;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, BoxStream, StreamExt};

use super::End;
use super::answer::Body;

/// How often a comment tells proxies and clients that the line is alive while there is nothing to say.
const BEAT_EVERY: Duration = Duration::from_secs(12);

/// Tells caches and proxies to hand each piece on at once.
pub(super) const UNBUFFERED: [(HeaderName, HeaderValue); 2] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    // What nginx asks for; others have learnt it from there.
    (
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    ),
];

/// The results of an operation as a stream of events. The next result is asked for when the last one was taken, so a
/// slow client gets merged pieces and costs nobody anything. At its end it breaks off without `complete`,
/// so that the client connects again.
pub(super) fn stream(
    responses: BoxStream<'static, Response>,
    end: impl Future<Output = End> + Send + 'static,
) -> axum::response::Response {
    let next = |response: Response| {
        // Maps with string keys and finite numbers only: there is nothing that JSON cannot hold.
        let data = serde_json::to_string(&Body::of(&response)).unwrap_or_default();
        Event::default().event("next").data(data)
    };
    let complete = stream::iter([Event::default().event("complete").data("")]);
    let events = responses
        .map(next)
        .chain(complete)
        .take_until(end)
        .map(Ok::<_, Infallible>);
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(BEAT_EVERY));
    (UNBUFFERED, events).into_response()
}
