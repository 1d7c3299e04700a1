//! Which media type an answer has, as the client's `Accept` header and GraphQL over HTTP say.

use axum::http::{HeaderMap, header};
use headers_accept::Accept;
use mediatype::{MediaType, Name, names};

/// The media types of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// `application/json`: errors of the request have status 200, as old clients expect.
    Json,
    /// `application/graphql-response+json`: errors of the request have a status of their own.
    GraphqlJson,
    /// `text/event-stream`: GraphQL over SSE, in distinct connections mode.
    EventStream,
    /// `multipart/mixed;subscriptionSpec=1.0`: subscriptions over multipart HTTP; anything else as `application/json`.
    Parts,
    /// `text/html`: the page for people.
    Html,
}

const GRAPHQL_RESPONSE: Name<'static> = Name::new_unchecked("graphql-response");
const MIXED: Name<'static> = Name::new_unchecked("mixed");
const EVENT_STREAM: Name<'static> = Name::new_unchecked("event-stream");

/// What is offered, the likeliest first: a client that takes anything gets `application/json`.
static OFFERED: [(MediaType<'static>, Answer); 5] = [
    (MediaType::new(names::APPLICATION, names::JSON), Answer::Json),
    (
        MediaType::from_parts(names::APPLICATION, GRAPHQL_RESPONSE, Some(names::JSON), &[]),
        Answer::GraphqlJson,
    ),
    (MediaType::new(names::TEXT, EVENT_STREAM), Answer::EventStream),
    (MediaType::new(names::MULTIPART, MIXED), Answer::Parts),
    (MediaType::new(names::TEXT, names::HTML), Answer::Html),
];

/// What the client likes best of what is offered; `None` if it takes none of it.
pub(super) fn negotiate(headers: &HeaderMap) -> Option<Answer> {
    if !headers.contains_key(header::ACCEPT) {
        return Some(Answer::Json);
    }
    let values = headers.get_all(header::ACCEPT).iter();
    let ranges: Vec<_> = values.filter_map(|value| value.to_str().ok()).collect();
    let accept: Accept = plain(&ranges.join(",")).parse().ok()?;
    let best = accept.negotiate(OFFERED.iter().map(|(kind, _)| kind))?;
    let offered = OFFERED.iter().find(|(kind, _)| kind == best);
    offered.map(|(_, answer)| *answer)
}

/// The ranges without the parameters that are ours to know: a range with another one would fit nothing. Some clients
/// name a charset beside JSON, which has one; `multipart/mixed` means subscriptions only where it says so.
fn plain(ranges: &str) -> String {
    let ranges = ranges.split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let essence = parts.next()?.to_ascii_lowercase();
        let is_multipart = essence == "multipart/mixed";
        let parameters: Vec<_> = parts
            .map(|part| part.replace('"', "").to_ascii_lowercase())
            .collect();
        let is_spoken = !is_multipart || parameters.iter().any(|it| it == "subscriptionspec=1.0");
        let is_kept = |parameter: &&String| {
            let name = parameter.split('=').next().unwrap_or_default();
            name != "charset" && !(is_multipart && ["boundary", "subscriptionspec"].contains(&name))
        };
        let kept = parameters.iter().filter(is_kept).map(String::as_str);
        is_spoken.then(|| {
            std::iter::once(essence.as_str())
                .chain(kept)
                .collect::<Vec<_>>()
                .join(";")
        })
    });
    ranges.collect::<Vec<_>>().join(",")
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
                "multipart/mixed;boundary=\"graphql\";subscriptionSpec=\"1.0\", application/json",
                Some(Answer::Parts),
            ),
            (
                "multipart/mixed;subscriptionSpec=1.0,application/json",
                Some(Answer::Parts),
            ),
            ("multipart/mixed, application/json", Some(Answer::Json)),
            ("multipart/mixed;deferSpec=20220824", None),
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
