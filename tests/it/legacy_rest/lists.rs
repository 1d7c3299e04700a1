//! Lists by number: their order, their pages and their totals.

use serde_json::{Value, json};

use super::client::Client;
use crate::on_both_stores;
use crate::support::scratch::Scratch;

on_both_stores! {
    a_users_chats_come_the_last_made_first_with_the_total_of_all_pages,
    a_number_and_its_text_are_two_users_only_where_the_text_is_no_number,
    a_chats_messages_come_the_oldest_first_with_the_total_of_all_pages,
    a_page_far_behind_the_end_is_empty,
}

fn texts(messages: &Value, key: &str) -> Vec<String> {
    let messages = messages.as_array().unwrap().iter();
    messages
        .map(|message| message[key].as_str().unwrap().to_owned())
        .collect()
}

fn numbers(range: impl Iterator<Item = usize>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

async fn a_users_chats_come_the_last_made_first_with_the_total_of_all_pages(scratch: &Scratch) {
    let client = Client::start(scratch);
    let mut ids = Vec::new();
    for n in 0..23 {
        ids.push(client.chat(json!({ "user_id": 7, "title": n.to_string() })).await);
    }
    client.any_chat().await;
    // Neither a change nor a message moves a chat.
    let first = format!("/chat/{}", ids[0]);
    client
        .call("PUT", &first, json!({ "status": "inactive" }))
        .await
        .ok();
    client.message(&ids[1], json!({ "message": "m" })).await;

    let whole = client.get("/chat/user/7?limit=100").await;
    let mut chats: Vec<_> = whole["chats"].as_array().unwrap().clone();
    assert_eq!(chats[22], client.get(&first).await);
    // Those of one millisecond come in the order in which they were made.
    chats.sort_by_key(|chat| std::cmp::Reverse(chat["created_at"].as_str().unwrap().to_owned()));
    assert_eq!(json!(chats), whole["chats"]);

    for (query, page, limit, expected) in [
        ("", 1, 20, 0..20),
        ("?page=2", 2, 20, 20..23),
        ("?page=3", 3, 20, 0..0),
        ("?page=2&limit=5", 2, 5, 5..10),
        ("?limit=100&sort=title&page=1", 1, 100, 0..23),
        // The last of several counts.
        ("?limit=1&limit=2", 1, 2, 0..2),
        ("?page=%31&limit=+3", 1, 3, 0..3),
    ] {
        let answer = client.get(&format!("/chat/user/7{query}")).await;
        let chats = &chats[expected];
        assert_eq!(
            answer,
            json!({ "chats": chats, "total": 23, "page": page, "limit": limit }),
            "{query}"
        );
    }
    let nobody = client.bare("GET", "/chat/user/8").await;
    assert_eq!(nobody.text, r#"{"chats":[],"total":0,"page":1,"limit":20}"#);
}

async fn a_number_and_its_text_are_two_users_only_where_the_text_is_no_number(scratch: &Scratch) {
    let client = Client::start(scratch);
    for (user, path, expected) in [
        (json!(42), "42", json!(42)),
        (json!("42"), "042", json!(42)),
        (json!("auth0|42"), "auth0%7C42", json!("auth0|42")),
        (json!("उपयोगकर्ता/१"), "उपयोगकर्ता%2F१", json!("उपयोगकर्ता/१")),
        (json!("messages"), "messages", json!("messages")),
    ] {
        client.chat(json!({ "user_id": user, "title": path })).await;
        let list = client.get(&format!("/chat/user/{path}")).await;
        assert_eq!(list["chats"][0]["user_id"], expected);
        assert_eq!(list["chats"][0]["title"], path);
    }
    assert_eq!(client.get("/chat/user/42").await["total"], 2);
}

async fn a_chats_messages_come_the_oldest_first_with_the_total_of_all_pages(scratch: &Scratch) {
    let client = Client::start(scratch);
    let chat = client.any_chat().await;
    for n in 0..53 {
        client
            .message(&chat, json!({ "message": n.to_string(), "is_bot": n % 2 == 1 }))
            .await;
    }
    for (query, expected) in [
        ("", 0..50),
        ("?page=2", 50..53),
        ("?page=3", 0..0),
        ("?page=6&limit=10", 50..53),
        ("?limit=100", 0..53),
        ("?page=9223372036854775807&limit=100", 0..0),
    ] {
        let list = client.get(&format!("/chat/{chat}/messages{query}")).await;
        assert_eq!(texts(&list, "message"), numbers(expected), "{query}");
        let full = client.get(&format!("/chat/{chat}/full{query}")).await;
        assert_eq!(full["messages"], list);
        assert_eq!(full["total_messages"], 53);
        assert_eq!(full["chat"], client.get(&format!("/chat/{chat}")).await);
    }
    let empty = client.any_chat().await;
    assert_eq!(
        client.bare("GET", &format!("/chat/{empty}/messages")).await.text,
        "[]"
    );
}

async fn a_page_far_behind_the_end_is_empty(scratch: &Scratch) {
    let client = Client::start(scratch);
    let chat = client.any_chat().await;
    client.message(&chat, json!({ "message": "m" })).await;
    for page in ["2", "1000000", "9223372036854775807"] {
        let query = format!("?page={page}&limit=100");
        assert_eq!(
            client.get(&format!("/chat/{chat}/messages{query}")).await,
            json!([])
        );
        let full = client.get(&format!("/chat/{chat}/full{query}")).await;
        assert_eq!(
            (&full["messages"], &full["total_messages"]),
            (&json!([]), &json!(1))
        );
        let list = client.get(&format!("/chat/user/1{query}")).await;
        assert_eq!((&list["chats"], &list["total"]), (&json!([]), &json!(1)));
    }
}
