//! Which media type an answer has, as the client's `Accept` header and GraphQL over HTTP say.

use axum::http::{HeaderMap, header};
use headers_accept::Accept;
use headers_core::Header;
use mediatype::{MediaType, Name};

/// The media types of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// `application/json`: errors of the request have status 200, as old clients expect.
    Json,
    /// `application/graphql-response+json`: errors of the request have a status of their own.
    GraphqlJson,
    /// `text/event-stream`: GraphQL over SSE, in distinct connections mode.
    EventStream,
    /// `text/html`: the page for people.
    Html,
}

const JSON: MediaType<'static> =
    MediaType::new(Name::new_unchecked("application"), Name::new_unchecked("json"));
const GRAPHQL_JSON: MediaType<'static> = MediaType::from_parts(
    Name::new_unchecked("application"),
    Name::new_unchecked("graphql-response"),
    Some(Name::new_unchecked("json")),
    &[],
);
const EVENT_STREAM: MediaType<'static> =
    MediaType::new(Name::new_unchecked("text"), Name::new_unchecked("event-stream"));
const HTML: MediaType<'static> = MediaType::new(Name::new_unchecked("text"), Name::new_unchecked("html"));

/// What is offered, the likeliest first: a client that takes anything gets `application/json`.
static OFFERED: [(MediaType<'static>, Answer); 4] = [
    (JSON, Answer::Json),
    (GRAPHQL_JSON, Answer::GraphqlJson),
    (EVENT_STREAM, Answer::EventStream),
    (HTML, Answer::Html),
];

/// What the client likes best of what is offered; `None` if it takes none of it.
pub(super) fn negotiate(headers: &HeaderMap) -> Option<Answer> {
    if !headers.contains_key(header::ACCEPT) {
        return Some(Answer::Json);
    }
    let accept = Accept::decode(&mut headers.get_all(header::ACCEPT).iter()).ok()?;
    let best = accept.negotiate(OFFERED.iter().map(|(kind, _)| kind))?;
    let offered = OFFERED.iter().find(|(kind, _)| kind == best);
    offered.map(|(_, answer)| *answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_best_that_both_know_is_taken() {
        for (accept, expected) in [
            ("*/*", Some(Answer::Json)),
            ("application/*", Some(Answer::Json)),
            (
                "application/graphql-response+json, application/json",
                Some(Answer::GraphqlJson),
            ),
            (
                "application/json, application/graphql-response+json",
                Some(Answer::Json),
            ),
            (
                "application/json;q=0.5, application/graphql-response+json;q=0.6",
                Some(Answer::GraphqlJson),
            ),
            (
                "application/graphql-response+json;charset=utf-8, application/json;charset=utf-8",
                Some(Answer::GraphqlJson),
            ),
            ("text/event-stream", Some(Answer::EventStream)),
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                Some(Answer::Html),
            ),
            ("application/json;q=0, image/png", None),
            ("image/png", None),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(negotiate(&headers), expected, "{accept}");
        }
        assert_eq!(negotiate(&HeaderMap::new()), Some(Answer::Json));
    }
}
