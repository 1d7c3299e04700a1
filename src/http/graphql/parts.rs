//! Subscriptions over multipart HTTP, as Apollo's clients and routers speak it: one operation for each request, its
//! results as parts.

use std::convert::Infallible;
use std::time::Duration;

use async_graphql::{Response, ServerError};
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::IntoResponse;
use futures_util::stream::{self, BoxStream, StreamExt};
use serde::Serialize;
use tokio::time::MissedTickBehavior;

use super::events::UNBUFFERED;
use super::{End, answer};
use crate::graphql::with_code;

/// The content type of the whole.
const CONTENT_TYPE: &str = "multipart/mixed;boundary=\"graphql\";subscriptionSpec=\"1.0\"";
/// How often an empty part tells proxies and clients that the line is alive. Apollo's router does so every 5 seconds.
const BEAT_EVERY: Duration = Duration::from_secs(5);

/// What makes the last boundary the end.
const END: &str = "--\r\n";

/// A part: a result, or the end of the transport with the reason.
#[derive(Serialize)]
struct Part<'a> {
    payload: Option<answer::Body<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
}

/// The results of an operation as parts. The next result is asked for when the last one was taken, so a slow client gets
/// merged pieces and costs nobody anything.
pub(super) fn stream(
    responses: BoxStream<'static, Response>,
    end: impl Future<Output = End> + Send + 'static,
) -> axum::response::Response {
    let mut beats = tokio::time::interval(BEAT_EVERY);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let end = Box::pin(end);
    let steps = stream::unfold(Some((responses, beats, end)), |state| async move {
        let (mut responses, mut beats, mut end) = state?;
        let (bytes, is_last) = tokio::select! {
            biased;
            reason = &mut end => (Bytes::from(part(&ended(&reason)) + END), true),
            response = responses.next() => match response {
                Some(response) => (Bytes::from(part(&result(&response))), false),
                None => (Bytes::from_static(END.as_bytes()), true),
            },
            _ = beats.tick() => (Bytes::from(part("{}")), false),
        };
        Some((bytes, (!is_last).then_some((responses, beats, end))))
    });
    // The boundary ends each part rather than begins it: a client knows no other end.
    let opening = stream::iter([Bytes::from_static(b"\r\n--graphql")]);
    let body = Body::from_stream(opening.chain(steps).map(Ok::<_, Infallible>));
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], UNBUFFERED, body).into_response()
}

/// A part with the boundary behind it.
fn part(json: &str) -> String {
    format!("\r\ncontent-type: application/json\r\n\r\n{json}\r\n--graphql")
}

fn result(response: &Response) -> String {
    json(&Part {
        payload: Some(answer::Body::of(response)),
        errors: &[],
    })
}

/// The end of the transport, not of the operation: clients connect again.
fn ended(reason: &End) -> String {
    let (message, code) = match reason {
        End::GoingAway => ("The server is on its way down.", "SHUTTING_DOWN"),
        End::SessionOver => ("A valid token is required.", "UNAUTHENTICATED"),
    };
    json(&Part {
        payload: None,
        errors: &[with_code(ServerError::new(message, None), code)],
    })
}

fn json(part: &Part<'_>) -> String {
    // Maps with string keys and finite numbers only: there is nothing that JSON cannot hold.
    serde_json::to_string(part).unwrap_or_default()
}
