//! How a socket is opened.

use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::status;
use crate::on_both_stores;
use crate::support::mt::{Mt, upload};
use crate::support::scratch::Scratch;
use crate::support::server::Server;

on_both_stores! {
    a_handshake_needs_no_login_no_origin_and_no_subprotocol,
    the_command_line_check_finds_what_it_needs,
}

async fn a_handshake_needs_no_login_no_origin_and_no_subprotocol(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    for prefix in ["", "/api/v1"] {
        for origin in [None, Some("http://localhost:3000"), Some(server.url.as_str())] {
            let url = server.at(&format!("{prefix}/chat/ws/{chat}"));
            let mut request = url.replacen("http", "ws", 1).into_client_request().unwrap();
            if let Some(origin) = origin {
                let origin = HeaderValue::from_str(origin).unwrap();
                request.headers_mut().insert("origin", origin);
            }
            let (socket, response) = connect_async(request).await.unwrap();
            assert_eq!(response.status(), 101);
            assert_eq!(response.headers().get("sec-websocket-protocol"), None);
            let mut socket = Mt(socket);
            socket.upload("hello").await;
            socket.until("stop_typing_indicator").await;
            socket.leave().await;
        }
    }
}

/// What the documented check asks for, in its order: that the server is well, a chat by REST, which is named at the top
/// level, and any frame with content.
async fn the_command_line_check_finds_what_it_needs(scratch: &Scratch) {
    let server = Server::start(scratch);
    let health = reqwest::get(server.at("/health")).await.unwrap();
    assert_eq!(health.status(), 200);
    let body = json!({ "user_id": 1, "title": "A check", "status": "active" });
    let request = reqwest::Client::new().post(server.at("/api/v1/chat/"));
    let made: Value = request.json(&body).send().await.unwrap().json().await.unwrap();
    assert_eq!(made["success"], true);
    let chat = made["chat_id"].as_str().unwrap();
    assert_eq!(made["data"]["chat_id"], chat);
    let mut socket = Mt::open_at(&server, &format!("/api/v1/chat/ws/{chat}")).await;
    let mut frame = upload("hello");
    frame["content"] = json!("hello");
    frame["timestamp"] = json!("2026-01-31T08:45:51.120Z");
    socket.send(frame).await;
    assert_eq!(socket.expect("user confirm").await["message"], "hello");
    assert_eq!(status(&server, chat).await["is_active"], true);
}
