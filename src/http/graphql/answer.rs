//! Responses as GraphQL over HTTP writes them.

use async_graphql::{Response, ServerError, Value};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;

use super::accept::Answer;
use crate::drain;
use crate::graphql::{count, is_request_error, refusal, with_code};
use crate::service::{Error, RETRY_AFTER_SECONDS};

/// A response body: a request that was not executed has no `data` at all.
#[derive(Serialize)]
pub(super) struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
}

impl<'a> Body<'a> {
    pub(super) fn of(response: &'a Response) -> Self {
        Self {
            data: (!is_request_error(response)).then_some(&response.data),
            errors: &response.errors,
        }
    }
}

/// A response in the media type that was agreed on.
pub(super) fn answer(response: &Response, kind: Answer) -> axum::response::Response {
    let (status, kind) = match kind {
        Answer::GraphqlJson if is_request_error(response) => {
            (StatusCode::BAD_REQUEST, "application/graphql-response+json")
        }
        Answer::GraphqlJson => (StatusCode::OK, "application/graphql-response+json"),
        _ => (StatusCode::OK, "application/json"),
    };
    match serde_json::to_vec(&Body::of(response)) {
        Ok(body) => (status, [(header::CONTENT_TYPE, kind)], body).into_response(),
        Err(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong."),
    }
}

/// A refusal by a use case, before anything was executed.
pub(super) fn refused(error: Error) -> axum::response::Response {
    let status = match error {
        Error::Unauthenticated => StatusCode::UNAUTHORIZED,
        Error::RateLimited { .. } | Error::QuotaExceeded { .. } => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let is_away = status == StatusCode::SERVICE_UNAVAILABLE;
    let retry_after = error
        .retry_after_seconds()
        .or_else(|| is_away.then_some(RETRY_AFTER_SECONDS));
    let response = Response::from_errors(vec![refusal(error)]);
    count(&response.errors);
    let mut answer = (status, axum::Json(Body::of(&response))).into_response();
    let headers = answer.headers_mut();
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}

/// There is no place for one more stream.
pub(super) fn no_place() -> axum::response::Response {
    let refusal = refuse_as(
        StatusCode::SERVICE_UNAVAILABLE,
        "As many streams are open as this server allows.",
        "TOO_MANY_STREAMS",
    );
    ([(header::RETRY_AFTER, RETRY_AFTER_SECONDS)], refusal).into_response()
}

/// Whether all that came of it is that the server is on its way down.
pub(super) fn is_shutting_down(response: &Response) -> bool {
    let code = Value::from(Error::ShuttingDown.code());
    let says_so = |error: &ServerError| {
        let extensions = error.extensions.as_ref();
        extensions.and_then(|extensions| extensions.get("code")) == Some(&code)
    };
    response.data == Value::Null && !response.errors.is_empty() && response.errors.iter().all(says_so)
}

/// The server is on its way down, and another one can do this.
pub(super) fn going_away() -> axum::response::Response {
    let refusal = refuse_as(
        StatusCode::SERVICE_UNAVAILABLE,
        "The server is shutting down.",
        Error::ShuttingDown.code(),
    );
    ([(header::RETRY_AFTER, drain::RETRY_AFTER_SECONDS)], refusal).into_response()
}

/// The body was over the bound.
pub(super) fn too_large() -> axum::response::Response {
    refuse_as(
        StatusCode::PAYLOAD_TOO_LARGE,
        "The body has more bytes than this server takes.",
        "BODY_TOO_LARGE",
    )
}

/// A request that is none of GraphQL.
pub(super) fn refuse(status: StatusCode, message: &str) -> axum::response::Response {
    match status.is_server_error() {
        true => refuse_as(status, message, "INTERNAL"),
        false => refuse_as(status, message, "BAD_REQUEST"),
    }
}

fn refuse_as(status: StatusCode, message: &str, code: &'static str) -> axum::response::Response {
    let response = Response::from_errors(vec![with_code(ServerError::new(message, None), code)]);
    count(&response.errors);
    (status, axum::Json(Body::of(&response))).into_response()
}
