//! Which pages may call.

use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::support::pages::Pages;
use crate::support::program::{browser, run};
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::socket::Socket;

const FOREIGN: &str = "https://evil.example";
const ALLOWED: &str = "https://chat.example";

#[tokio::test]
async fn a_page_of_a_foreign_origin_opens_no_socket_and_changes_nothing() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(&scratch, &["--cors-origin", ALLOWED]);
    let chat = server.create_chat("A chat").await;
    let own = server.url.clone();
    for (origin, is_let_in) in [
        (FOREIGN, false),
        ("null", false),
        ("http://localhost:3000", false),
        (ALLOWED, true),
        (own.as_str(), true),
    ] {
        let refused = (!is_let_in).then_some(403);
        assert_eq!(
            Socket::with_header(&server, "Origin", origin).await.err(),
            refused,
            "{origin}"
        );
        let path = format!("/chat/ws/{chat}");
        let documented = Socket::handshake(&server, &path, "Origin", origin).await;
        assert_eq!(documented, if is_let_in { 101 } else { 403 }, "{origin}");
        for (method, path, body) in [
            (
                Method::POST,
                "/graphql",
                json!({ "query": "{ viewer { userId } }" }),
            ),
            (
                Method::POST,
                "/chat/",
                json!({ "user_id": 1, "title": "Written by a page" }),
            ),
        ] {
            let request = reqwest::Client::new().request(method, server.at(path));
            let response = request
                .header(header::ORIGIN, origin)
                .json(&body)
                .send()
                .await
                .unwrap();
            let expected = if is_let_in {
                StatusCode::OK
            } else {
                StatusCode::FORBIDDEN
            };
            assert_eq!(response.status(), expected, "{origin} {path}");
            let may_read = response.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
            assert_eq!(
                may_read.is_some_and(|allowed| allowed == ALLOWED),
                origin == ALLOWED
            );
        }
    }
    let chats = "{ chats { nodes { title } } }";
    let titles = server.data(chats, Value::Null).await["chats"]["nodes"].take();
    let written = titles
        .as_array()
        .unwrap()
        .iter()
        .filter(|chat| chat["title"] == "Written by a page");
    assert_eq!(written.count(), 2);
}

#[tokio::test]
async fn what_a_form_can_send_without_asking_is_not_taken_for_a_request() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    let body = r#"{"query":"mutation { createChat(input: {title: \"x\"}) { chat { id } } }"}"#;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-7",
        "",
    ] {
        let request = reqwest::Client::new().post(server.at("/graphql"));
        let response = request
            .header(header::CONTENT_TYPE, kind)
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
    }
}

#[tokio::test]
async fn a_name_that_somebody_made_lead_here_is_not_answered() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(&scratch, &["--cors-origin", ALLOWED]);
    for (host, expected) in [
        ("evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("chat.example", StatusCode::OK),
        ("localhost:8000", StatusCode::OK),
    ] {
        let request = reqwest::Client::new().get(server.at("/chat/user/1"));
        let response = request.header(header::HOST, host).send().await.unwrap();
        assert_eq!(response.status(), expected, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_opens_sockets_from_configured_origins_alone() {
    let scratch = Scratch::embedded().await;
    let (allowed, foreign) = (Pages::start().await, Pages::start().await);
    let server = Server::start_with(&scratch, &["--cors-origin", &allowed.origin]);
    let script = move || run(browser("origins.js", &server).args([&allowed.origin, &foreign.origin]));
    tokio::task::spawn_blocking(script).await.unwrap();
}
