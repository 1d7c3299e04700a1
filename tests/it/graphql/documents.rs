//! Documents that are named rather than sent.

use std::fs;

use colloquy::config::sha256;
use reqwest::Client;
use reqwest::header::ACCEPT;
use serde_json::{Value, json};

use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::socket::Socket;

const QUERY: &str = "query Viewer { viewer { isAnonymous } }";
const OTHER: &str = "{ __schema { queryType { name } } }";

fn by_hash(hash: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } })
}

async fn post(server: &Server, body: &Value) -> Value {
    let request = Client::new().post(server.at("/graphql")).json(body);
    request.send().await.unwrap().json().await.unwrap()
}

fn code(response: &Value) -> &str {
    response["errors"][0]["extensions"]["code"]
        .as_str()
        .unwrap_or_default()
}

#[tokio::test]
async fn a_document_is_sent_once_and_then_named_by_its_hash_over_every_transport() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    let extensions = by_hash(&sha256(QUERY));
    let named = json!({ "extensions": extensions });
    let unknown = post(&server, &named).await;
    assert_eq!(code(&unknown), "PERSISTED_QUERY_NOT_FOUND");
    // The words that clients of automatic persisted queries look for.
    assert_eq!(unknown["errors"][0]["message"], "PersistedQueryNotFound");
    let registered = post(&server, &json!({ "query": QUERY, "extensions": extensions })).await;
    let expected = json!({ "data": { "viewer": { "isAnonymous": true } } });
    assert_eq!(registered, expected);

    assert_eq!(post(&server, &named).await, expected);
    let id = json!({ "documentId": format!("sha256:{}", sha256(QUERY)) });
    assert_eq!(post(&server, &id).await, expected);
    let get = Client::new()
        .get(server.at("/graphql"))
        .query(&[("extensions", extensions.to_string())])
        .header(ACCEPT, "application/graphql-response+json");
    assert_eq!(get.send().await.unwrap().json::<Value>().await.unwrap(), expected);
    let mut socket = Socket::acknowledged(&server).await;
    socket
        .send(json!({ "type": "subscribe", "id": "1", "payload": named }))
        .await;
    socket
        .expect(json!({ "type": "next", "id": "1", "payload": expected }))
        .await;
}

#[tokio::test]
async fn a_hash_of_another_document_or_of_another_kind_is_refused() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    for (body, expected) in [
        (
            json!({ "query": OTHER, "extensions": by_hash(&sha256(QUERY)) }),
            "PERSISTED_QUERY_HASH_MISMATCH",
        ),
        (
            json!({ "extensions": by_hash("abc") }),
            "PERSISTED_QUERY_NOT_SUPPORTED",
        ),
        (json!({ "documentId": "Viewer" }), "PERSISTED_QUERY_NOT_SUPPORTED"),
        (json!({ "extensions": {} }), "BAD_REQUEST"),
    ] {
        assert_eq!(code(&post(&server, &body).await), expected, "{body}");
    }
}

#[tokio::test]
async fn with_trusted_documents_nothing_else_runs() {
    let scratch = Scratch::embedded().await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Viewer.graphql"), QUERY).unwrap();
    let path = folder.path().to_str().unwrap();
    let server = Server::start_with(&scratch, &["--trusted-documents", path]);
    let expected = json!({ "data": { "viewer": { "isAnonymous": true } } });
    let hash = sha256(QUERY);
    for trusted in [
        json!({ "documentId": "Viewer" }),
        json!({ "documentId": format!("sha256:{hash}") }),
        json!({ "extensions": by_hash(&hash) }),
        json!({ "query": QUERY }),
    ] {
        assert_eq!(post(&server, &trusted).await, expected, "{trusted}");
    }
    for other in [
        json!({ "query": OTHER }),
        json!({ "query": OTHER, "documentId": "Viewer" }),
        json!({ "query": OTHER, "extensions": by_hash(&sha256(OTHER)) }),
        json!({ "query": format!("{QUERY} ") }),
        json!({ "documentId": "Other" }),
        json!({ "extensions": by_hash(&sha256(OTHER)) }),
    ] {
        assert_eq!(
            code(&post(&server, &other).await),
            "PERSISTED_QUERY_NOT_IN_LIST",
            "{other}"
        );
    }
    let mut socket = Socket::acknowledged(&server).await;
    let payload = json!({ "query": OTHER });
    socket
        .send(json!({ "type": "subscribe", "id": "1", "payload": payload }))
        .await;
    let message = socket.message().await;
    assert_eq!(message["type"], "error");
    assert_eq!(
        message["payload"][0]["extensions"]["code"],
        "PERSISTED_QUERY_NOT_IN_LIST"
    );
}
