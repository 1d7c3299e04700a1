//! Nothing that lets anybody in is ever written anywhere, however much is to be logged.

use std::fs;
use std::net::TcpListener;

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::support::collector::Collector;
use crate::support::mt::Mt;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::socket::{Received, Socket};
use crate::support::tokens::{Signer, Token};

/// A secret for HS256 from the environment.
const SECRET: &str = "zwiebelkuchen-und-federweisser-im-herbst";
/// Another, from a file.
const SECRET_IN_FILE: &str = "quittengelee-und-hagebuttentee-im-winter";
/// The password in the address of published keys.
const PASSWORD: &str = "pflaumenmus";
/// The key of a bot's service.
const API_KEY: &str = "holunderbluetensirup";
/// Whose tokens are shown.
const USER: i64 = 7;
/// What is no token, of the characters of one.
const WRONG: &str = "kirschkernkissen.und.apfelstrudel";

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_token_is_in_a_log_for_programs() {
    nothing_is_written("json").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_token_is_in_a_log_for_people() {
    nothing_is_written("pretty").await;
}

async fn nothing_is_written(format: &str) {
    let scratch = Scratch::embedded().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    fs::write(&file, format!("{SECRET_IN_FILE}\n")).unwrap();
    let jwks = format!("http://keeper:{PASSWORD}@{}/keys", nobody());
    let collector = Collector::start().await;
    let server = Server::start_in(
        &scratch,
        &["--builtin-pace", "0", "--otlp-endpoint", &collector.endpoint()],
        &[
            ("COLLOQUY_JWT_SECRET", SECRET),
            ("COLLOQUY_JWT_KEY_FILES", file.to_str().unwrap()),
            ("COLLOQUY_JWKS_URL", &jwks),
            ("OPENAI_API_KEY", API_KEY),
            ("COLLOQUY_LOG_FORMAT", format),
            ("RUST_LOG", "trace"),
        ],
    );
    let token = Token::of(USER).sign(&Signer::hs256(SECRET.as_bytes()));
    let fresh = Token::of(USER)
        .expires_in(700)
        .sign(&Signer::hs256(SECRET_IN_FILE.as_bytes()));
    let forged = Token::of(USER).sign(&Signer::hs256(&[b'x'; 32]));
    let wrong = [forged.as_str(), WRONG];

    let chat = in_headers(&server, &token, &wrong).await;
    in_the_old_socket(&server, &chat, &token, &wrong).await;
    in_the_socket(&server, &chat, [&token, &fresh], &wrong).await;

    let spans = collector
        .until(|spans| spans.iter().any(|span| span.name == "reply"))
        .await;
    let (status, log) = server.stop();
    assert!(status.success(), "{log}");
    // What is looked for would be there.
    assert!(
        log.contains("hyper") && log.contains("could not be asked for"),
        "{log}"
    );
    let written = format!("{log}{spans:?}");
    let parts = [&token, &fresh, &forged]
        .into_iter()
        .flat_map(|token| token.split('.').skip(1));
    for secret in [SECRET, SECRET_IN_FILE, PASSWORD, API_KEY, WRONG]
        .into_iter()
        .chain(parts)
    {
        for shape in [
            secret.to_owned(),
            hex::encode(secret),
            format!("{:?}", secret.as_bytes()),
        ] {
            let shape = shape.trim_matches(['[', ']']);
            let place = written
                .find(shape)
                .map(|place| written.floor_char_boundary(place.saturating_sub(300)));
            assert_eq!(
                place.map(|place| written[place..].lines().take(3).collect::<Vec<_>>()),
                None,
                "{secret}"
            );
        }
    }
}

/// An address of this machine where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// Over HTTP, where a query string is looked into by nobody: the id of a chat with a message.
async fn in_headers(server: &Server, token: &str, wrong: &[&str]) -> String {
    let client = Client::new();
    let ask = |token: &str, query: &str, variables: Value| {
        let body = json!({ "query": query, "variables": variables });
        client.post(server.at("/graphql")).bearer_auth(token).json(&body)
    };
    let create = r#"mutation { createChat(input: { title: "A chat" }) { chat { id } } }"#;
    let created: Value = status_of(ask(token, create, json!({})), StatusCode::OK)
        .await
        .json()
        .await
        .unwrap();
    let chat = created["data"]["createChat"]["chat"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let send = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { reply { id } } }";
    let input = json!({ "input": { "chatId": chat, "text": "Hello" } });
    status_of(ask(token, send, input), StatusCode::OK).await;
    for wrong in wrong {
        status_of(ask(wrong, create, json!({})), StatusCode::UNAUTHORIZED).await;
    }
    for path in [
        "/graphql?query=%7Bviewer%7BuserId%7D%7D&token=",
        "/chat/user/7?token=",
    ] {
        let get = || client.get(server.at(&format!("{path}{token}")));
        status_of(get(), StatusCode::UNAUTHORIZED).await;
        status_of(get().bearer_auth(token), StatusCode::OK).await;
    }
    let nowhere = client.get(server.at(&format!("/nowhere/{token}?token={token}")));
    status_of(nowhere, StatusCode::NOT_FOUND).await;
    chat
}

async fn status_of(request: RequestBuilder, status: StatusCode) -> reqwest::Response {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), status, "{}", answer.url().path());
    answer
}

async fn in_the_old_socket(server: &Server, chat: &str, token: &str, wrong: &[&str]) {
    let path = |token: &str| format!("/chat/ws/{chat}?token={token}");
    drop(Mt::open_at(server, &path(token)).await);
    for wrong in wrong {
        let refused = Client::new()
            .get(server.at(&path(wrong)))
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==");
        status_of(refused, StatusCode::UNAUTHORIZED).await;
    }
}

async fn in_the_socket(server: &Server, chat: &str, [token, fresh]: [&str; 2], wrong: &[&str]) {
    let bearer = |token: &str| json!({ "authorization": format!("Bearer {token}") });
    let init = |token: &str| json!({ "type": "connection_init", "payload": bearer(token) });
    for wrong in wrong {
        let mut socket = Socket::open(server).await;
        socket.send(init(wrong)).await;
        assert!(matches!(socket.receive().await, Received::Closed(4403, _)));
    }
    let mut socket = Socket::open(server).await;
    socket.send(init(token)).await;
    socket.expect(json!({ "type": "connection_ack" })).await;
    socket
        .send(json!({ "type": "ping", "payload": bearer(fresh) }))
        .await;
    socket.expect(json!({ "type": "pong" })).await;
    let query = "query ($id: ID!) { chat(id: $id) { title } }";
    socket.subscribe("1", query, json!({ "id": chat })).await;
    let answer = json!({ "data": { "chat": { "title": "A chat" } } });
    socket
        .expect(json!({ "type": "next", "id": "1", "payload": answer }))
        .await;
}
