//! Errors as clients see them: a sentence and a stable code, never the internals.

use async_graphql::{ErrorExtensionValues, Response, ServerError, Value};

use crate::domain::MalformedId;
use crate::service;
use crate::telemetry::causes::causes;
use crate::telemetry::faces::{self, Face};

/// A resolver's error. It has no `Display`, so that the framework's blanket conversion cannot claim it.
#[derive(Clone, Debug)]
pub struct Error {
    code: &'static str,
    message: String,
    retry_after_seconds: Option<u64>,
}

impl From<service::Error> for Error {
    fn from(error: service::Error) -> Self {
        match &error {
            service::Error::Internal(source) => {
                tracing::error!(error = %causes(source), "a use case failed");
            }
            service::Error::Panicked(source) => {
                tracing::error!(error = %causes(source), "a use case broke down");
            }
            service::Error::Unavailable(source) => {
                tracing::warn!(
                    error = %causes(source),
                    "the store is not available"
                );
            }
            _ => {}
        }
        Self {
            code: error.code(),
            message: error.to_string(),
            retry_after_seconds: error.retry_after_seconds(),
        }
    }
}

impl From<MalformedId> for Error {
    fn from(_: MalformedId) -> Self {
        service::Error::InvalidId.into()
    }
}

impl From<Error> for async_graphql::Error {
    fn from(error: Error) -> Self {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", error.code);
        if let Some(seconds) = error.retry_after_seconds {
            extensions.set("retryAfterSeconds", seconds);
        }
        Self {
            message: error.message,
            source: None,
            extensions: Some(extensions),
        }
    }
}

/// A refusal of a whole request.
pub fn refusal(error: service::Error) -> ServerError {
    let error = async_graphql::Error::from(Error::from(error));
    ServerError {
        extensions: error.extensions,
        ..ServerError::new(error.message, None)
    }
}

/// An error of the request, with its code.
pub fn with_code(mut error: ServerError, code: &'static str) -> ServerError {
    let extensions = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
    extensions.set("code", code);
    error
}

/// Counts errors that a caller is told, by their codes.
pub fn count(errors: &[ServerError]) {
    for error in errors {
        let extensions = error.extensions.as_ref();
        if let Some(Value::String(code)) = extensions.and_then(|extensions| extensions.get("code")) {
            faces::error(Face::Graphql, code.clone());
        }
    }
}

/// The most errors of one response.
const ERRORS_MAX: usize = 20;

/// What the executor says of a document that is larger than its limits allow; it sets no code of its own.
const TOO_COMPLEX: [&str; 2] = ["Query is too complex.", "Query is nested too deep."];

/// Gives a code to each error that the executor itself raised: about the document where it has no path, about an
/// argument's value where it has one.
///
/// A document can be wrong in as many places as it has fields; the first few say enough.
pub fn with_codes(mut response: Response) -> Response {
    response.errors.truncate(ERRORS_MAX);
    for error in &mut response.errors {
        let extensions = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
        if extensions.get("code").is_none() {
            let code = match error.path.is_empty() {
                true if TOO_COMPLEX.contains(&error.message.as_str()) => "QUERY_TOO_COMPLEX",
                true => "GRAPHQL_VALIDATION_FAILED",
                false => "BAD_USER_INPUT",
            };
            extensions.set("code", code);
        }
    }
    count(&response.errors);
    response
}
