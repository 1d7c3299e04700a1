//! The documented clients that call the REST API: what each sends and what it reads of the answer.

use serde_json::{Value, json};

use super::client::{Client, is_date_time};
use crate::on_both_stores;
use crate::support::mt::Mt;
use crate::support::scratch::Scratch;

on_both_stores! {
    the_test_page_makes_a_chat_and_finds_its_id_at_the_top,
    the_command_line_check_asks_for_health_and_makes_a_chat_below_the_prefix,
    the_early_browser_client_finds_its_chat_under_data_and_posts_what_it_uploads,
    the_late_browser_client_is_told_that_it_must_say_whose_its_chat_is,
    the_late_browser_client_lists_its_chats_and_reads_their_history,
}

async fn the_test_page_makes_a_chat_and_finds_its_id_at_the_top(scratch: &Scratch) {
    let client = Client::start(scratch);
    let body = json!({ "user_id": 1, "title": "WebSocket Test Chat", "status": "active" });
    let data = client.call("POST", "/chat/", body).await.ok();
    assert_eq!(data["success"], true);
    let mut socket = Mt::open(&client.server, data["chat_id"].as_str().unwrap()).await;
    socket.upload("hello").await;
    let confirm = socket.expect("user confirm").await;
    assert_eq!(
        (&confirm["message"], &confirm["isBot"]),
        (&json!("hello"), &json!(false))
    );
}

async fn the_command_line_check_asks_for_health_and_makes_a_chat_below_the_prefix(scratch: &Scratch) {
    let mut client = Client::start(scratch);
    assert_eq!(client.bare("GET", "/health").await.status, 200);
    client.below("/api/v1");
    let body = json!({ "user_id": 1, "title": "WebSocket Test Chat", "status": "active" });
    let data = client.call("POST", "/chat/", body).await.ok();
    assert_eq!(data["success"], true);
    let path = format!("/api/v1/chat/ws/{}", data["chat_id"].as_str().unwrap());
    let mut socket = Mt::open_at(&client.server, &path).await;
    socket.upload("hello").await;
    socket.expect("user confirm").await;
}

async fn the_early_browser_client_finds_its_chat_under_data_and_posts_what_it_uploads(scratch: &Scratch) {
    let mut client = Client::start(scratch);
    client.below("/api/v1");
    for document in [None, Some("507f1f77bcf86cd799439011")] {
        let mut body = json!({ "user_id": 1, "title": "New Chat", "status": "active" });
        if let Some(document) = document {
            body["document_id"] = document.into();
        }
        let made = client.call("POST", "/chat/", body).await.ok();
        assert_eq!(made["success"], true);
        let chat = made["data"]["chat_id"].as_str().unwrap().to_owned();
        assert_eq!(
            client.get(&format!("/chat/{chat}")).await["document_id"],
            json!(document)
        );

        // It says everything by both ways, and it is stored once.
        let mut socket = Mt::open_at(&client.server, &format!("/api/v1/chat/ws/{chat}")).await;
        socket
            .send(json!({
                "mt": "message_upload", "message": "hello", "content": "hello", "userId": "1", "timezone": "UTC",
                "selectedLanguage": "en", "timestamp": "2024-11-25T08:45:51.120Z", "documentId": document,
            }))
            .await;
        let posted = json!({ "message": "hello", "is_bot": false, "type": "text", "chat_id": chat });
        let posted = client
            .call("POST", &format!("/chat/{chat}/messages"), posted)
            .await
            .ok();
        assert_eq!(posted["success"], true);
        socket.until("stop_typing_indicator").await;
        let messages = client.get(&format!("/chat/{chat}/messages")).await;
        let sides: Vec<_> = messages
            .as_array()
            .unwrap()
            .iter()
            .map(|message| &message["is_bot"])
            .collect();
        assert_eq!(sides, [&json!(false), &json!(true)]);
        assert_eq!(messages[0]["_id"], posted["data"]["message_id"]);
    }
}

/// As the late browser client makes a chat, which leaves it to its token to say whose the chat is.
fn late_chat(document: &Value) -> Value {
    json!({ "document_id": document, "title": "New Chat", "status": "pending" })
}

async fn the_late_browser_client_is_told_that_it_must_say_whose_its_chat_is(scratch: &Scratch) {
    let mut client = Client::start(scratch);
    client.below("/api/v1");
    let (status, answer) = client
        .call("POST", "/chat/", late_chat(&Value::Null))
        .await
        .both();
    assert_eq!(status, 422);
    assert_eq!(
        answer["detail"],
        json!([{ "type": "missing", "loc": ["body", "user_id"], "msg": "Field required", "input": late_chat(&Value::Null) }])
    );
}

async fn the_late_browser_client_lists_its_chats_and_reads_their_history(scratch: &Scratch) {
    let mut client = Client::start(scratch);
    client.below("/api/v1");
    let user = "auth0|65f1c0ffee";
    let mut chats = Vec::new();
    for document in [Value::Null, json!("507f1f77bcf86cd799439011")] {
        let mut body = late_chat(&document);
        body["user_id"] = user.into();
        let made = client.call("POST", "/chat/", body).await.ok();
        assert_eq!(made["success"], true);
        chats.insert(0, made["data"]["chat_id"].clone());
    }
    let list = client.get(&format!("/chat/user/{user}?page=1&limit=20")).await;
    let ids: Vec<_> = list["chats"]
        .as_array()
        .unwrap()
        .iter()
        .map(|chat| chat["_id"].clone())
        .collect();
    assert_eq!(ids, chats);
    assert_eq!(
        (&list["total"], &list["page"], &list["limit"]),
        (&json!(2), &json!(1), &json!(20))
    );

    let chat = chats[0].as_str().unwrap();
    let mut socket = Mt::open_at(&client.server, &format!("/api/v1/chat/ws/{chat}")).await;
    socket
        .send(json!({
            "mt": "message_upload", "message": "hello", "content": "hello", "userId": user, "timezone": "UTC",
            "selectedLanguage": "en", "timestamp": "2024-11-25T08:45:51.120Z", "chatId": chat, "documentId": "",
            "useWebSearch": false,
        }))
        .await;
    socket.until("stop_typing_indicator").await;
    let full = client.get(&format!("/chat/{chat}/full?page=1&limit=50")).await;
    // The first message has named the chat.
    assert_eq!(
        (&full["chat"]["title"], &full["chat"]["status"]),
        (&json!("hello"), &json!("active"))
    );
    assert_eq!(full["total_messages"], 2);
    let messages = full["messages"].as_array().unwrap();
    for (message, is_bot) in messages.iter().zip([false, true]) {
        assert!(message["_id"].is_string() && message["message"].is_string());
        assert_eq!(
            (&message["is_bot"], &message["type"]),
            (&json!(is_bot), &json!("text"))
        );
        assert_eq!(
            (&message["is_edited"], &message["reaction"]),
            (&json!(false), &Value::Null)
        );
        assert_eq!(
            (message["token"].is_i64(), &message["citation"]),
            (is_bot, &Value::Null)
        );
        assert!(is_date_time(message["created_ts"].as_str().unwrap()), "{message}");
    }
    let missing = client.bare("GET", "/chat/507f1f77bcf86cd799439011/full").await;
    assert_eq!(missing.both(), (404, json!({ "detail": "Chat not found" })));
}
