//! What is stored of what is said over the socket, and when.

use serde_json::{Value, json};

use super::{messages, rest_message};
use crate::on_both_stores;
use crate::support::mt::{Mt, replies};
use crate::support::scratch::Scratch;
use crate::support::server::Server;

on_both_stores! {
    a_message_is_stored_as_documented_before_it_is_shown,
    a_reply_is_stored_as_documented_before_its_end_is_shown,
    an_upload_moves_its_chat_to_the_top_and_changes_nothing_else_of_it,
}

async fn a_message_is_stored_as_documented_before_it_is_shown(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    socket.upload("Tell me about the sea").await;
    socket.expect("user confirm").await;
    socket.expect("typing_indicator").await;
    let shown = socket.expect("new_message").await;
    let stored = rest_message(&server, &chat, &shown["messageId"]).await;
    assert_eq!(stored["message"], "Tell me about the sea");
    assert_eq!(
        (&stored["is_bot"], &stored["is_edited"], &stored["type"]),
        (&json!(false), &json!(false), &json!("text"))
    );
    // Nobody has counted its tokens: the documented field is for those who did.
    assert_eq!(
        (&stored["reaction"], &stored["token"]),
        (&Value::Null, &Value::Null)
    );
}

async fn a_reply_is_stored_as_documented_before_its_end_is_shown(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    for text in ["hello", "Tell me about the sea"] {
        socket.upload(text).await;
        let frames = socket.until("end").await;
        let end = frames.last().unwrap();
        let stored = rest_message(&server, &chat, &end["messageId"]).await;
        let shown = replies(&frames).remove(0);
        assert_eq!(
            (&stored["message"], &stored["is_bot"], &stored["type"]),
            (&json!(shown.text), &json!(true), &json!("text"))
        );
        assert_eq!(stored["is_edited"], false);
        assert!(stored["token"].as_i64().unwrap() > 0, "{stored}");
        socket.until("stop_typing_indicator").await;
    }
    assert_eq!(messages(&server, &chat).await.len(), 4);
}

async fn an_upload_moves_its_chat_to_the_top_and_changes_nothing_else_of_it(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let read = async || -> Value {
        let answer = reqwest::get(server.at(&format!("/chat/{chat}"))).await.unwrap();
        answer.json().await.unwrap()
    };
    let mut before = read().await;
    let mut socket = Mt::open(&server, &chat).await;
    socket.upload("hello").await;
    socket.until("stop_typing_indicator").await;
    let mut after = read().await;
    let moved = after["updated_at"].take();
    assert!(moved.as_str() > before["updated_at"].as_str(), "{moved}");
    before["updated_at"].take();
    assert_eq!(before, after);
}
