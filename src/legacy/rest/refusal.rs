//! Why a request is refused, as the documented status and body.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::fault::{Complaint, Fault, Part};
use crate::service::{Error, Subject};
use crate::telemetry::causes::causes;
use crate::telemetry::faces::{self, Face};

/// How long a client is asked to wait while the store is away, in seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("2");

/// Why a request is refused.
#[derive(Debug)]
pub enum Refusal {
    /// It is invalid.
    Invalid(Vec<Fault>),
    /// Its body is too large.
    TooLarge,
    /// The use case refused it.
    Service(Error),
}

/// The body of a refusal.
#[derive(Serialize, ToSchema)]
pub struct Detail {
    /// What is the matter.
    detail: String,
}

/// The body of a refusal of what is invalid.
#[derive(Serialize, ToSchema)]
pub struct Faults {
    /// What is the matter, one entry for each fault.
    detail: Vec<Fault>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::by_service(error, Part::Body)
    }
}

impl Refusal {
    /// A refusal by a use case whose labels came in `part`.
    pub fn by_service(error: Error, part: Part) -> Self {
        // What is too long is not sent back.
        let too_long = |part, field, max, unit| {
            let fault = Fault::of_field(part, field, &Complaint::StringTooLong { max, unit }, Value::Null);
            Self::Invalid(vec![fault])
        };
        match error {
            Error::InvalidTitle { max } => too_long(Part::Body, "title", max, "characters"),
            Error::InvalidText { max } => too_long(Part::Body, "message", max, "bytes"),
            Error::InvalidLabel { label, max } => too_long(part, label, max, "characters"),
            error => Self::Service(error),
        }
    }

    /// What the figures call it: the code that the GraphQL face has for the same.
    fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "BAD_USER_INPUT",
            Self::TooLarge => "BODY_TOO_LARGE",
            Self::Service(error) => error.code(),
        }
    }

    /// There is no such chat or message.
    pub fn not_found(subject: Subject) -> Self {
        Self::Service(Error::NotFound(subject))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        faces::error(Face::Rest, self.code());
        match self {
            Self::Invalid(detail) => {
                (StatusCode::UNPROCESSABLE_ENTITY, Json(Faults { detail })).into_response()
            }
            Self::TooLarge => detail(StatusCode::PAYLOAD_TOO_LARGE, "Request body too large"),
            Self::Service(error) => refused(&error),
        }
    }
}

/// A refusal in one sentence.
pub fn detail(status: StatusCode, text: &str) -> Response {
    let detail = text.to_owned();
    (status, Json(Detail { detail })).into_response()
}

/// A refusal by a use case.
pub fn refused(error: &Error) -> Response {
    let status = match error {
        Error::Unauthenticated => StatusCode::UNAUTHORIZED,
        Error::Forbidden | Error::OtherUser => StatusCode::FORBIDDEN,
        Error::RateLimited { .. } | Error::QuotaExceeded { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::Conflict | Error::ReplyGrows => StatusCode::CONFLICT,
        Error::Unavailable(_) | Error::NoKeys | Error::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal(_) | Error::Panicked(_) => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    if status.is_server_error() {
        tracing::error!(error = %causes(error), "a request of the REST API failed");
    }
    let text = match error {
        // The documented sentence, not the one for people who edit by GraphQL.
        Error::Conflict | Error::ReplyGrows => "Message is still being written".to_owned(),
        Error::Unauthenticated => "Not authenticated".to_owned(),
        Error::OtherUser => "Access denied: You can only access your own chats".to_owned(),
        error => error.to_string(),
    };
    let mut response = detail(status, &text);
    let is_away = status == StatusCode::SERVICE_UNAVAILABLE;
    let retry_after = error.retry_after_seconds().map(HeaderValue::from);
    let retry_after = retry_after.or_else(|| is_away.then_some(RETRY_AFTER_SECONDS));
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    if status == StatusCode::UNAUTHORIZED {
        let how = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, how);
    }
    response
}
