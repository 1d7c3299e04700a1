//! Frames that are wrong, and chats that are not there.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{SLOW, messages};
use crate::on_both_stores;
use crate::support::mt::{Mt, upload};
use crate::support::scratch::Scratch;
use crate::support::server::Server;

on_both_stores! {
    what_is_no_json_gets_an_error_and_the_socket_stays_usable,
    json_that_is_no_object_and_a_message_that_is_no_text_get_one_error_and_nothing_is_stored,
    an_unknown_or_missing_mt_is_ignored,
    an_unknown_or_malformed_chat_is_denied_frame_by_frame,
    a_chat_deleted_meanwhile_is_denied,
    each_frame_of_a_burst_at_a_deleted_chat_is_denied,
    a_message_over_the_bound_gets_an_error_and_the_socket_stays,
    a_frame_over_the_bound_closes_the_socket_with_1009,
    a_full_queue_gets_an_error_and_stores_nothing,
}

async fn error(socket: &mut Mt) -> String {
    socket.expect("error").await["message"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn what_is_no_json_gets_an_error_and_the_socket_stays_usable(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    let frames = [
        Message::text("not json"),
        Message::text(""),
        Message::text("{\"mt\":"),
        Message::binary(b"\xff\xfe".to_vec()),
        Message::binary(upload("hello").to_string().into_bytes()),
        Message::binary(Vec::new()),
    ];
    for frame in frames {
        socket.send_raw(frame).await;
        assert_eq!(error(&mut socket).await, "Invalid JSON format");
    }
    socket.upload("hello").await;
    socket.until("stop_typing_indicator").await;
    assert_eq!(messages(&server, &chat).await.len(), 2);
}

async fn json_that_is_no_object_and_a_message_that_is_no_text_get_one_error_and_nothing_is_stored(
    scratch: &Scratch,
) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    for frame in [json!([]), json!("stop"), json!(7), Value::Null] {
        socket.send(frame).await;
        assert_eq!(error(&mut socket).await, "Error processing message");
    }
    for message in [Value::Null, json!(7), json!({}), json!(false)] {
        let mut frame = upload("");
        frame["message"] = message;
        socket.send(frame).await;
        assert_eq!(error(&mut socket).await, "Error processing message");
    }
    socket.expect_silence().await;
    assert_eq!(messages(&server, &chat).await.len(), 0);
}

async fn an_unknown_or_missing_mt_is_ignored(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    for frame in [
        json!({}),
        json!({ "mt": "ping" }),
        json!({ "mt": 7, "message": 7 }),
    ] {
        socket.send(frame).await;
    }
    // What would have come of them comes before what comes of this.
    socket.send(json!([])).await;
    assert_eq!(error(&mut socket).await, "Error processing message");
}

async fn an_unknown_or_malformed_chat_is_denied_frame_by_frame(scratch: &Scratch) {
    let server = Server::start(scratch);
    for id in ["nonsense", "0123456789abcdef01234567", "0", "%E0%A4%B8%20x"] {
        let mut socket = Mt::open(&server, id).await;
        for frame in [upload("hello"), json!({ "mt": "stop" }), json!({}), json!([])] {
            socket.send(frame).await;
            let denied = socket.expect("chat_access_denied").await;
            let id = denied["chatId"].as_str().unwrap();
            assert_eq!(denied["message"], format!("Invalid chat ID: {id}"));
        }
        socket.expect_silence().await;
    }
}

async fn a_chat_deleted_meanwhile_is_denied(scratch: &Scratch) {
    let server = Server::start_with(scratch, &SLOW);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    socket.upload("Tell me about the sea").await;
    socket.until("chunk").await;
    let delete = "mutation ($id: ID!) { deleteChat(input: {id: $id}) { deletedChatId } }";
    server.data(delete, json!({ "id": chat })).await;
    // Whatever was shown to grow is shown to end.
    let frames = socket.until("stop_typing_indicator").await;
    assert!(frames.iter().any(|frame| frame["stop"].is_string()), "{frames:?}");
    socket.upload("hello").await;
    let last = socket.until("chat_access_denied").await;
    assert!(last.len() <= 2, "{last:?}");
    socket.expect_silence().await;
}

async fn each_frame_of_a_burst_at_a_deleted_chat_is_denied(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    let burst = [
        json!([]),
        json!({}),
        json!({ "mt": "stop" }),
        upload("hello"),
        json!(7),
    ];
    // The server looks for the chat once for frames that wait, and not once for all.
    for _ in 0..20 {
        socket.send(json!({})).await;
    }
    socket.expect_silence().await;
    let delete = "mutation ($id: ID!) { deleteChat(input: {id: $id}) { deletedChatId } }";
    server.data(delete, json!({ "id": chat })).await;
    for frame in burst.iter().cycle().take(40) {
        socket.send(frame.clone()).await;
    }
    for _ in 0..40 {
        socket.expect("chat_access_denied").await;
    }
    socket.expect_silence().await;
}

async fn a_message_over_the_bound_gets_an_error_and_the_socket_stays(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    // Far over what the late revision took, and what the bound allows, every character escaped.
    let longest = "\u{1}".repeat(1024 * 1024);
    for (text, fits) in [
        ("x".repeat(5_000), true),
        (longest, true),
        ("x".repeat(1024 * 1024 + 1), false),
    ] {
        socket.upload(&text).await;
        if fits {
            let confirm = socket.expect("user confirm").await;
            assert!(confirm["message"] == text);
            socket.until("stop_typing_indicator").await;
        } else {
            assert!(error(&mut socket).await.contains("1048576"));
        }
    }
    socket.expect_silence().await;
    assert_eq!(messages(&server, &chat).await.len(), 4);
}

async fn a_frame_over_the_bound_closes_the_socket_with_1009(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    for bytes in [8 * 1024 * 1024 + 1, 15 * 1024 * 1024] {
        let mut socket = Mt::open(&server, &chat).await;
        socket.send_raw(Message::text("x".repeat(bytes))).await;
        assert_eq!(socket.closed().await, 1009);
    }
    let mut socket = Mt::open(&server, &chat).await;
    socket.expect_silence().await;
}

async fn a_full_queue_gets_an_error_and_stores_nothing(scratch: &Scratch) {
    let server = Server::start_with(scratch, &SLOW);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    for n in 0..9 {
        socket.upload(&format!("prompt {n}")).await;
    }
    socket.until("error").await;
    assert_eq!(messages(&server, &chat).await.len(), 16);
}
