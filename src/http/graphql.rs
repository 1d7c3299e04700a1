//! `/graphql`: queries and mutations by POST, queries by GET, the WebSocket upgrade, and GraphiQL for a browser.

use async_graphql::parser::types::OperationType;
use async_graphql::{Request, ServerError};
use axum::body::Bytes;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{Faces, graphiql};
use crate::domain::Viewer;
use crate::graphql::{deserialize_request, guard, with_codes, ws};

/// The query string of a GET, as GraphQL over HTTP names it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<String>,
}

/// Queries, the upgrade, or the page: whatever the client asks for.
pub async fn get(State(faces): State<Faces>, request: axum::extract::Request) -> Response {
    let (mut parts, _) = request.into_parts();
    if let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        return self::upgrade(upgrade, faces);
    }
    let parameters = match Query::<Parameters>::try_from_uri(&parts.uri) {
        Ok(Query(parameters)) => parameters,
        Err(_) => return refuse(StatusCode::BAD_REQUEST, "The query string is malformed."),
    };
    let Some(query) = parameters.query else {
        return match accepts(&parts.headers, "text/html") {
            true => graphiql::page(),
            false => refuse(StatusCode::BAD_REQUEST, "The query string has no query."),
        };
    };
    let variables = match parameters
        .variables
        .as_deref()
        .map(serde_json::from_str)
        .transpose()
    {
        Ok(variables) => variables.unwrap_or_default(),
        Err(_) => return refuse(StatusCode::BAD_REQUEST, "The variables are not a JSON object."),
    };
    let mut request = Request::new(query).variables(variables);
    request.operation_name = parameters.operation_name;
    if !only_reads(&request, &faces) {
        let refusal = refuse(StatusCode::METHOD_NOT_ALLOWED, "Only queries can be sent by GET.");
        return ([(header::ALLOW, "POST")], refusal).into_response();
    }
    execute(request, faces, &parts.headers).await
}

/// Queries and mutations.
pub async fn post(State(faces): State<Faces>, headers: HeaderMap, body: Bytes) -> Response {
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
    let mut body = serde_json::Deserializer::from_slice(&body);
    let request = deserialize_request(&mut body).and_then(|request| body.end().map(|()| request));
    match request {
        Ok(request) => execute(*request, faces, &headers).await,
        Err(_) => refuse(StatusCode::BAD_REQUEST, "The body is not a GraphQL request."),
    }
}

fn upgrade(upgrade: WebSocketUpgrade, faces: Faces) -> Response {
    let bytes_max = faces.service.limits().body_bytes_max;
    let upgrade = upgrade
        .protocols([ws::SUBPROTOCOL])
        .max_message_size(bytes_max)
        .max_frame_size(bytes_max)
        .read_buffer_size(8 * 1024)
        .write_buffer_size(16 * 1024);
    if upgrade.selected_protocol().is_none() {
        return refuse(
            StatusCode::BAD_REQUEST,
            "The subprotocol is graphql-transport-ws.",
        );
    }
    upgrade.on_upgrade(move |socket| ws::serve(socket, faces.schema, Viewer::Anonymous, faces.shutdown))
}

async fn execute(request: Request, faces: Faces, headers: &HeaderMap) -> Response {
    // On a task of its own, so that a client that leaves does not cut a mutation in half.
    let executed = tokio::spawn(async move { faces.schema.execute(request, Viewer::Anonymous).await }).await;
    match executed {
        Ok(response) => answer(&response, headers),
        Err(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong."),
    }
}

/// The response as GraphQL over HTTP says: with the newer media type, a request error is a 400.
fn answer(response: &async_graphql::Response, headers: &HeaderMap) -> Response {
    const GRAPHQL_JSON: &str = "application/graphql-response+json";
    let is_new = accepts(headers, GRAPHQL_JSON);
    let is_request_error = !response.errors.is_empty()
        && response.data == async_graphql::Value::Null
        && response.errors.iter().all(|error| error.path.is_empty());
    let status = if is_new && is_request_error {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    let kind = if is_new { GRAPHQL_JSON } else { "application/json" };
    match serde_json::to_vec(response) {
        Ok(body) => (status, [(header::CONTENT_TYPE, kind)], body).into_response(),
        Err(_) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong."),
    }
}

fn refuse(status: StatusCode, message: &str) -> Response {
    let response = async_graphql::Response::from_errors(vec![ServerError::new(message, None)]);
    let mut response = with_codes(response);
    let code = if status.is_server_error() {
        "INTERNAL"
    } else {
        "BAD_REQUEST"
    };
    for error in &mut response.errors {
        error.extensions.get_or_insert_default().set("code", code);
    }
    let errors = serde_json::json!({ "errors": response.errors });
    (status, axum::Json(errors)).into_response()
}

/// Whether the client names this media type. Weights are left to clients that care to leave a type out.
fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    let accepted = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|range| {
        range
            .split(';')
            .next()
            .is_some_and(|range| range.trim().eq_ignore_ascii_case(kind))
    })
}

/// Whether the operation that the request names is a query. What is malformed or unknown is left to the executor.
fn only_reads(request: &Request, faces: &Faces) -> bool {
    let Ok(document) = guard::parse(&request.query, faces.service.limits()) else {
        return true;
    };
    document.operations.iter().all(|(name, operation)| {
        let is_meant = request.operation_name.is_none()
            || name.map(|name| name.as_str()) == request.operation_name.as_deref();
        !is_meant || operation.node.ty == OperationType::Query
    })
}
