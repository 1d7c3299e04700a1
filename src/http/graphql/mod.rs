//! `/graphql`, by GraphQL over HTTP and GraphQL over SSE: queries and mutations by POST, queries by GET, subscriptions
//! as event streams or in parts, the WebSocket upgrade, and GraphiQL for a browser.

mod accept;
mod answer;
mod events;
mod parts;

use std::future::pending;
use std::net::IpAddr;

use async_graphql::parser::types::OperationType;
use axum::body::Bytes;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::{Extensions, HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use serde::Deserialize;
use tracing::Instrument;

use super::{Faces, pages};
use crate::domain::Viewer;
use crate::graphql::ws::Visitor;
use crate::graphql::{GraphqlRequest, Prepared, only, ws};
use crate::peer::{self, Address};
use crate::service::{Session, StreamKind};
use crate::telemetry::faces::Face;
use crate::telemetry::spans::{self, RequestId};

use accept::Answer;
use answer::{answer, going_away, is_shutting_down, no_place, refuse, refused};

/// The query string of a GET, as GraphQL over HTTP names it: maps are JSON within it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    query: Option<String>,
    document_id: Option<String>,
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
}

/// Queries, event streams, the upgrade, or the page: whatever the client asks for.
pub async fn get(State(faces): State<Faces>, request: axum::extract::Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let caller = Caller::of(&parts.extensions, &parts.headers);
    if let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        return self::upgrade(upgrade, faces, caller, parts.extensions.get()).await;
    }
    let Some(kind) = accept::negotiate(&parts.headers) else {
        return not_acceptable();
    };
    let parameters = match Query::<Parameters>::try_from_uri(&parts.uri) {
        Ok(Query(parameters)) => parameters,
        Err(_) => return refuse(StatusCode::BAD_REQUEST, "The query string is malformed."),
    };
    let map = |json: Option<String>| json.as_deref().map_or(Ok(None), serde_json::from_str);
    let (Ok(variables), Ok(extensions)) = (map(parameters.variables), map(parameters.extensions)) else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "The variables and the extensions are JSON objects.",
        );
    };
    let request = GraphqlRequest {
        query: parameters.query,
        document_id: parameters.document_id,
        operation_name: parameters.operation_name,
        variables,
        extensions,
    };
    match request.names_a_document() {
        true => execute(request, faces, caller, Method::Get, kind).await,
        false if kind == Answer::Html => pages::graphiql(&parts.headers),
        false => refuse(StatusCode::BAD_REQUEST, "The query string has no query."),
    }
}

/// Queries, mutations, and event streams.
pub async fn post(
    State(faces): State<Faces>,
    extensions: Extensions,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let caller = Caller::of(&extensions, &headers);
    // A page of another site can send every other content type without asking first.
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let (essence, parameters) = kind.split_once(';').unwrap_or((kind, ""));
    let charset = parameters.trim().to_ascii_lowercase();
    if !essence.trim().eq_ignore_ascii_case("application/json")
        || !["", "charset=utf-8", "charset=\"utf-8\""].contains(&charset.as_str())
    {
        return refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Send application/json in UTF-8.",
        );
    }
    let Some(kind) = accept::negotiate(&headers) else {
        return not_acceptable();
    };
    match serde_json::from_slice::<GraphqlRequest>(&body) {
        Ok(request) => execute(request, faces, caller, Method::Post, kind).await,
        Err(_) => refuse(
            StatusCode::BAD_REQUEST,
            "The body is not a GraphQL request: a JSON object with a query.",
        ),
    }
}

/// Who calls, as far as the request says.
struct Caller {
    token: Option<String>,
    address: Option<IpAddr>,
}

impl Caller {
    fn of(extensions: &Extensions, headers: &HeaderMap) -> Self {
        Self {
            token: peer::token(headers).map(str::to_owned),
            address: extensions.get::<Address>().and_then(|address| address.0),
        }
    }
}

async fn upgrade(
    upgrade: WebSocketUpgrade,
    faces: Faces,
    caller: Caller,
    id: Option<&RequestId>,
) -> Response {
    let bytes_max = faces.service.limits().body_bytes_max;
    let upgrade = upgrade
        .protocols([ws::SUBPROTOCOL])
        .max_message_size(bytes_max)
        .max_frame_size(bytes_max)
        .read_buffer_size(2 * 1024)
        .write_buffer_size(16 * 1024);
    if upgrade.selected_protocol().is_none() {
        return upgrade.on_upgrade(ws::refuse);
    }
    if faces.drain.sends_away() {
        return going_away();
    }
    if let Err(error) = faces.service.count_request(caller.address) {
        return refused(error);
    }
    // Browsers can send no header with a handshake: their token comes with the first message.
    let session = match caller.token.is_none() && faces.service.asks_for_tokens() {
        true => None,
        false => match faces.service.enter(caller.token.as_deref(), caller.address).await {
            Ok(session) => Some(session),
            Err(error) => return refused(error),
        },
    };
    let visitor = Visitor {
        address: caller.address,
        session,
    };
    let nobody = Session::anonymous(caller.address);
    let known = visitor.session.as_ref().unwrap_or(&nobody);
    let Some(place) = faces.service.place_for_stream(StreamKind::WebSocket, known) else {
        return no_place();
    };
    let span = spans::socket(id, Face::Graphql);
    upgrade.on_upgrade(async move |socket| {
        let serving = ws::serve(socket, faces.schema, visitor, faces.drain);
        serving.instrument(span).await;
        drop(place);
    })
}

/// Says in GraphQL's words that a body was too large to be read.
pub async fn too_large(response: Response) -> Response {
    match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => answer::too_large(),
        _ => response,
    }
}

/// How a request came.
#[derive(PartialEq, Eq)]
enum Method {
    Get,
    Post,
}

async fn execute(
    request: GraphqlRequest,
    faces: Faces,
    caller: Caller,
    method: Method,
    kind: Answer,
) -> Response {
    let session = match faces.service.admit(caller.token.as_deref(), caller.address).await {
        Ok(session) => session,
        Err(error) => return refused(error),
    };
    let prepared = match faces.schema.prepare(request) {
        Ok(prepared) => prepared,
        Err(refused) => {
            return match kind {
                Answer::EventStream | Answer::Parts => {
                    stream(|_| only(*refused), Results::One, &faces, session, kind)
                }
                kind => answer(&refused, kind),
            };
        }
    };
    if method == Method::Get && prepared.can_be(OperationType::Mutation) {
        let refusal = refuse(StatusCode::METHOD_NOT_ALLOWED, "Mutations are sent by POST only.");
        return ([(header::ALLOW, "POST")], refusal).into_response();
    }
    // Before anything of it is executed, so that whoever sends it to another server does nothing twice.
    if faces.drain.sends_away() && prepared.can_ask_the_bot() {
        return going_away();
    }
    let is_subscription = prepared.can_be(OperationType::Subscription);
    match kind {
        Answer::EventStream => {}
        Answer::Parts if is_subscription => {}
        _ if is_subscription => {
            return refuse(
                StatusCode::BAD_REQUEST,
                "A subscription needs Accept: text/event-stream or multipart/mixed;subscriptionSpec=1.0, or a WebSocket.",
            );
        }
        _ => return once(prepared, faces, session, kind).await,
    }
    let results = match is_subscription {
        true => Results::Many,
        false => Results::One,
    };
    let execute = |viewer| faces.schema.execute_stream(prepared, viewer);
    stream(execute, results, &faces, session, kind)
}

/// How many results an operation has.
#[derive(PartialEq, Eq)]
enum Results {
    /// A query or mutation: its stream is not broken off before its result, because a client that gets none sends a
    /// mutation again.
    One,
    /// A subscription.
    Many,
}

/// Why a stream of results is broken off.
enum End {
    /// The caller's token is good no longer.
    SessionOver,
    /// The server goes down.
    GoingAway,
}

/// Answers with results as they come. Executes nothing unless there is a place for the stream: proxies send what was
/// refused to another server.
fn stream(
    execute: impl FnOnce(Viewer) -> BoxStream<'static, async_graphql::Response>,
    results: Results,
    faces: &Faces,
    session: Session,
    kind: Answer,
) -> Response {
    if faces.drain.sends_away() {
        return going_away();
    }
    let stream = match kind {
        Answer::Parts => StreamKind::Multipart,
        _ => StreamKind::Sse,
    };
    let Some(place) = faces.service.place_for_stream(stream, &session) else {
        return no_place();
    };
    // The place is held as long as the stream is.
    let responses = execute(session.viewer.clone());
    let responses = responses.inspect(move |_| _ = &place).boxed();
    let departure = faces.drain.departure();
    // Without a word that it is complete, so that the client comes again, and then needs a token that is valid.
    let end = async move {
        if results == Results::One {
            return pending().await;
        }
        tokio::select! {
            biased;
            () = session.over() => End::SessionOver,
            () = departure => End::GoingAway,
        }
    };
    match kind {
        Answer::Parts => parts::stream(responses, end),
        _ => events::stream(responses, end),
    }
}

/// Answers with the one result there is.
async fn once(prepared: Prepared, faces: Faces, session: Session, kind: Answer) -> Response {
    let (is_one_field, drain) = (prepared.is_one_field(), faces.drain.clone());
    // On a task of its own, so that every root field of a mutation runs, also if the client leaves.
    let execution = async move { faces.schema.execute(prepared, session.viewer).await };
    let executed = tokio::spawn(execution.in_current_span()).await;
    match executed {
        // The drain began meanwhile, and nothing was done.
        Ok(response) if is_one_field && drain.sends_away() && is_shutting_down(&response) => going_away(),
        Ok(response) => answer(&response, kind),
        Err(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong."),
    }
}

fn not_acceptable() -> Response {
    refuse(
        StatusCode::NOT_ACCEPTABLE,
        "Answers are application/json, application/graphql-response+json, text/event-stream, or for subscriptions \
         multipart/mixed;subscriptionSpec=1.0.",
    )
}
