//! Nothing that lets anybody in is ever written anywhere, however much is to be logged.

use std::fs;

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::support::collector::{Collector, Span};
use crate::support::issuer::{Issuer, Keys, Publishes};
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
/// What stands in a token in place of claims and signature.
const WRONG: &str = "kirschkernkissen";

/// How a wrong token is refused: by status, and by close code.
type Refusal = (StatusCode, u16);

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_token_is_in_a_log_for_programs() {
    let issuer = Issuer::start(Publishes::Keys(vec![Keys::es256().published("one")])).await;
    let jwks = issuer
        .url
        .replacen("http://", &format!("http://keeper:{PASSWORD}@"), 1);
    let log = nothing_is_written("json", &jwks, (StatusCode::UNAUTHORIZED, 4403)).await;
    assert!(!log.contains("could not be asked for"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_token_is_in_a_log_for_people_who_look_for_keys_that_are_away() {
    let jwks = format!("http://keeper:{PASSWORD}@127.0.0.1:1/keys");
    let log = nothing_is_written("pretty", &jwks, (StatusCode::SERVICE_UNAVAILABLE, 1013)).await;
    assert!(log.contains("could not be asked for"), "{log}");
}

async fn nothing_is_written(format: &str, jwks: &str, refusal: Refusal) -> String {
    let scratch = Scratch::embedded().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    fs::write(&file, format!("{SECRET_IN_FILE}\n")).unwrap();
    let collector = Collector::start().await;
    let server = Server::start_in(
        &scratch,
        &["--builtin-pace", "0", "--otlp-endpoint", &collector.endpoint()],
        &[
            ("COLLOQUY_JWT_SECRET", SECRET),
            ("COLLOQUY_JWT_KEY_FILES", file.to_str().unwrap()),
            ("COLLOQUY_JWKS_URL", jwks),
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
    let header = token.split('.').next().unwrap();
    let nonsense = format!("{header}.{WRONG}.{WRONG}");
    let wrong = [forged.as_str(), &nonsense];

    let chat = in_headers(&server, &token, &wrong, refusal).await;
    in_the_old_socket(&server, &chat, &token, &wrong, refusal).await;
    in_the_socket(&server, &chat, [&token, &fresh], &wrong, refusal).await;

    let is_replied = |spans: &[Span]| spans.iter().any(|span| span.name == "reply");
    let spans = collector.until(is_replied).await;
    let (status, log) = server.stop();
    assert!(status.success(), "{log}");
    // What is looked for would be there.
    assert!(log.contains("hyper"), "{log}");
    let written = format!("{log}{spans:?}");
    let parts = [&token, &fresh, &forged]
        .into_iter()
        .flat_map(|token| token.split('.').skip(1));
    for secret in [SECRET, SECRET_IN_FILE, PASSWORD, API_KEY, WRONG]
        .into_iter()
        .chain(parts)
    {
        let bytes = format!("{:?}", secret.as_bytes());
        for shape in [secret, &hex::encode(secret), bytes.trim_matches(['[', ']'])] {
            if let Some(place) = written.find(shape) {
                let from = written.floor_char_boundary(place.saturating_sub(300));
                panic!("{secret}: {}", &written[from..place + shape.len()]);
            }
        }
    }
    log
}

/// Over HTTP, where a query string is looked into by nobody: the id of a chat with a message.
async fn in_headers(server: &Server, token: &str, wrong: &[&str], (refused, _): Refusal) -> String {
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
        status_of(ask(wrong, create, json!({})), refused).await;
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

async fn in_the_old_socket(server: &Server, chat: &str, token: &str, wrong: &[&str], (refused, _): Refusal) {
    let path = |token: &str| format!("/chat/ws/{chat}?token={token}");
    drop(Mt::open_at(server, &path(token)).await);
    for wrong in wrong {
        let request = Client::new()
            .get(server.at(&path(wrong)))
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==");
        status_of(request, refused).await;
    }
}

async fn in_the_socket(
    server: &Server,
    chat: &str,
    [token, fresh]: [&str; 2],
    wrong: &[&str],
    (_, closed): Refusal,
) {
    let bearer = |token: &str| json!({ "authorization": format!("Bearer {token}") });
    let init = |token: &str| json!({ "type": "connection_init", "payload": bearer(token) });
    for wrong in wrong {
        let mut socket = Socket::open(server).await;
        socket.send(init(wrong)).await;
        assert!(matches!(socket.receive().await, Received::Closed(code, _) if code == closed));
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
