//! Where a log line comes from: the spans that lie around it, each named here.
//!
//! A request holds an operation, that a reply, that what is asked of the bot. A socket is no part of the request that
//! opened it, which it outlives by hours, but carries its id. No span holds what somebody wrote.

use std::sync::Arc;

use futures_util::stream::{self, Stream, StreamExt};
use tracing::Span;

use super::faces::Face;
use super::traces;
use crate::domain::{ChatId, MessageId};

/// The name of the span of a socket: it is part of no trace, or that would grow for as long as the socket is open.
pub(super) const SOCKET: &str = "socket";

/// The most characters of a request id that comes from outside.
pub const REQUEST_ID_CHARS_MAX: usize = 128;

/// What a request is called in the log and in its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The id that a caller chose: 1 to [`REQUEST_ID_CHARS_MAX`] of `A-Z a-z 0-9 _ . : -`, so that it is one word in
    /// every log.
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
        let is_sane = (1..=REQUEST_ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_plain);
        is_sane.then(|| Self(text.into()))
    }

    /// The id of a request that got none.
    pub fn none() -> Self {
        Self("none".into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The span of a request, by the route that matched. Its trace goes on with the one that `header` tells of.
pub fn request<'a>(
    id: &RequestId,
    route: &str,
    method: &'static str,
    header: impl Fn(&str) -> Option<&'a str>,
) -> Span {
    let span = tracing::info_span!(
        "request",
        request.id = id.as_str(),
        http.method = method,
        http.route = route,
        trace.id = tracing::field::Empty,
        otel.name = tracing::field::Empty,
        otel.kind = tracing::field::Empty,
    );
    if traces::is_on() {
        span.record("otel.name", format!("{method} {route}").as_str());
        span.record("otel.kind", "server");
        traces::continue_from(&span, header);
        if let Some(id) = traces::id_of(&span) {
            span.record("trace.id", id.as_str());
        }
    }
    span
}

/// The span of a socket that `request` opened.
pub fn socket(request: Option<&RequestId>, face: Face) -> Span {
    let id = request.map(RequestId::as_str);
    tracing::info_span!(parent: None, "socket", request.id = id, face = face.name())
}

/// The span of a GraphQL operation: `query`, `mutation` or `subscription`, and the first field of its root as the schema
/// calls it.
pub fn operation(kind: &'static str, field: Option<&str>) -> Span {
    let span = tracing::info_span!(
        "operation",
        operation.kind = kind,
        operation.field = field,
        otel.name = tracing::field::Empty
    );
    if let Some(field) = field.filter(|_| traces::is_on()) {
        span.record("otel.name", format!("{kind} {field}").as_str());
    }
    span
}

/// The span of what one frame of the documented socket asks for.
pub fn frame(kind: &'static str) -> Span {
    tracing::info_span!("frame", frame.kind = kind)
}

/// The span of a reply's generation, from its registration to its stored end.
pub fn reply(message: MessageId, chat: ChatId) -> Span {
    tracing::info_span!("reply", message.id = %message, chat.id = %chat)
}

/// The span of what is asked of a bot.
pub fn upstream(model: &str) -> Span {
    let span = tracing::info_span!("upstream", model, otel.kind = tracing::field::Empty);
    if traces::is_on() {
        span.record("otel.kind", "client");
    }
    span
}

/// The span of an operation of the store, where somebody asks for it: what the server does by itself is no trace.
pub(super) fn store(operation: &'static str) -> Span {
    match Span::current().is_none() {
        true => Span::none(),
        false => tracing::debug_span!("store", store.operation = operation),
    }
}

/// A stream whose every step is within a span.
pub fn within<S: Stream + Unpin>(span: Span, mut steps: S) -> impl Stream<Item = S::Item> {
    stream::poll_fn(move |context| {
        let _within = span.enter();
        steps.poll_next_unpin(context)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_one_plain_word() {
        for good in [
            "a",
            "0af7651916cd43dd8448eb211c80319c",
            "A-b_c.d:e",
            &"x".repeat(128),
        ] {
            assert_eq!(RequestId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a\"b", "ä", "a/b", "a\n", &"x".repeat(129)] {
            assert_eq!(RequestId::parse(bad), None, "{bad}");
        }
    }
}
