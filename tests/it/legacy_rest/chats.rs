//! Chats are made, shown, changed and deleted.

use serde_json::{Value, json};

use super::client::{Client, masked};
use crate::on_both_stores;
use crate::support::scratch::Scratch;

on_both_stores! {
    a_chat_that_is_made_has_its_id_in_both_places_and_every_key_in_order,
    a_document_is_an_id_or_nothing,
    a_status_is_any_text,
    a_body_is_read_as_laxly_as_documented,
    a_title_is_any_text_of_a_megabyte,
    a_change_changes_title_and_status_alone_and_moves_updated_at,
    a_change_of_nothing_says_so_and_changes_nothing,
    a_deleted_chat_takes_its_messages_with_it_and_is_gone,
}

async fn a_chat_that_is_made_has_its_id_in_both_places_and_every_key_in_order(scratch: &Scratch) {
    let client = Client::start(scratch);
    let made = client
        .call("POST", "/chat/", json!({ "user_id": 1, "title": "First" }))
        .await;
    assert_eq!(
        masked(&made.text),
        r#"{"success":true,"message":"Chat created successfully","chat_id":"ID","data":{"chat_id":"ID"}}"#
    );
    let made = made.ok();
    assert_eq!(made["chat_id"], made["data"]["chat_id"]);
    let id = made["chat_id"].as_str().unwrap();
    let shown = client.bare("GET", &format!("/chat/{id}")).await;
    assert_eq!(
        masked(&shown.text),
        r#"{"_id":"ID","user_id":1,"document_id":null,"title":"First","status":"active","created_at":"TIME","updated_at":"TIME"}"#
    );
    assert_eq!(shown.json()["_id"], *id);
    // Of either case, and answered in lower case.
    let upper = client.get(&format!("/chat/{}", id.to_uppercase())).await;
    assert_eq!(upper, shown.json());
}

async fn a_document_is_an_id_or_nothing(scratch: &Scratch) {
    let client = Client::start(scratch);
    let id = "5f7C8ec7c33c6c004bbafe82";
    for (given, expected) in [
        (json!(id), json!(id.to_lowercase())),
        (json!(""), Value::Null),
        (Value::Null, Value::Null),
    ] {
        let body = json!({ "user_id": 1, "title": "t", "document_id": given, "training_doc_id": given });
        let chat = client.chat(body).await;
        assert_eq!(
            client.get(&format!("/chat/{chat}")).await["document_id"],
            expected
        );
    }
}

async fn a_status_is_any_text(scratch: &Scratch) {
    let client = Client::start(scratch);
    for status in ["active", "inactive", "archived", "pending", "", "नया"] {
        let chat = client
            .chat(json!({ "user_id": 1, "title": "t", "status": status }))
            .await;
        assert_eq!(client.get(&format!("/chat/{chat}")).await["status"], status);
    }
    let body = json!({ "user_id": 1, "title": "t", "status": null });
    let (status, body) = client.call("POST", "/chat/", body).await.both();
    assert_eq!((status, &body["detail"][0]["type"]), (422, &json!("string_type")));
}

async fn a_body_is_read_as_laxly_as_documented(scratch: &Scratch) {
    let client = Client::start(scratch);
    for (given, expected) in [
        (json!(1), json!(1)),
        (json!("1"), json!(1)),
        (json!(1.0), json!(1)),
        (json!(true), json!(1)),
        (json!(i64::MIN), json!(i64::MIN)),
        (json!("auth0|1"), json!("auth0|1")),
    ] {
        // What nobody knows is ignored.
        let body = json!({ "user_id": given, "title": "t", "_id": "x", "created_at": 7, "colour": {} });
        let chat = client.chat(body).await;
        let shown = client.get(&format!("/chat/{chat}")).await;
        assert_eq!(shown["user_id"], expected);
        assert_eq!(shown["_id"], *chat);
    }
}

async fn a_title_is_any_text_of_a_megabyte(scratch: &Scratch) {
    let client = Client::start(scratch);
    let long = "😀".repeat(1 << 18);
    for title in [
        "",
        " ",
        "nul \u{0} inside",
        "नमस्ते 👩‍👩‍👧",
        "$where: {\"$gt\": \"\"}",
        &long,
    ] {
        let chat = client.chat(json!({ "user_id": 1, "title": title })).await;
        let path = format!("/chat/{chat}");
        assert_eq!(client.get(&path).await["title"], title);
        client.call("PUT", &path, json!({ "title": title })).await.ok();
    }
    let longer = "x".repeat((1 << 20) + 1);
    let (status, body) = client
        .call("POST", "/chat/", json!({ "user_id": 1, "title": longer }))
        .await
        .both();
    assert_eq!(status, 422);
    assert_eq!(
        body["detail"],
        json!([{ "type": "string_too_long", "loc": ["body", "title"], "input": null,
            "msg": "String should have at most 1048576 characters", "ctx": { "max_length": 1_048_576 } }])
    );
}

async fn a_change_changes_title_and_status_alone_and_moves_updated_at(scratch: &Scratch) {
    let client = Client::start(scratch);
    let path = format!("/chat/{}", client.any_chat().await);
    let mut expected = client.get(&path).await;
    for change in [
        json!({ "title": "Second", "user_id": 9, "document_id": "x" }),
        json!({ "status": "inactive", "title": null }),
        // The same again counts as a change.
        json!({ "status": "inactive" }),
        json!({ "title": "", "status": "" }),
    ] {
        let answer = client.call("PUT", &path, change.clone()).await;
        assert_eq!(
            answer.text,
            r#"{"success":true,"message":"Chat updated successfully"}"#
        );
        for field in ["title", "status"] {
            if change[field].is_string() {
                expected[field] = change[field].clone();
            }
        }
        let shown = client.get(&path).await;
        assert!(shown["updated_at"].as_str() >= expected["updated_at"].as_str());
        expected["updated_at"] = shown["updated_at"].clone();
        assert_eq!(shown, expected);
    }
    assert_ne!(expected["updated_at"], expected["created_at"]);
}

async fn a_change_of_nothing_says_so_and_changes_nothing(scratch: &Scratch) {
    let client = Client::start(scratch);
    let chat = client.any_chat().await;
    let message = client.message(&chat, json!({ "message": "m" })).await;
    let changes = [
        json!({}),
        json!({ "title": null, "status": null, "message": null, "reaction": null, "is_edited": null }),
        json!({ "colour": "blue", "_id": 7 }),
    ];
    for path in [
        format!("/chat/{chat}"),
        format!("/chat/{chat}/messages/{message}"),
    ] {
        let before = client.get(&path).await;
        for change in &changes {
            let answer = client.call("PUT", &path, change.clone()).await;
            assert_eq!(
                (answer.status, answer.text.as_str()),
                (200, r#"{"success":false,"message":"No changes made"}"#)
            );
        }
        assert_eq!(client.get(&path).await, before);
    }
}

async fn a_deleted_chat_takes_its_messages_with_it_and_is_gone(scratch: &Scratch) {
    let client = Client::start(scratch);
    let chat = client.any_chat().await;
    let message = client.message(&chat, json!({ "message": "m" })).await;
    let other = client.any_chat().await;
    let path = format!("/chat/{chat}");
    let answer = client.bare("DELETE", &path).await;
    assert_eq!(
        answer.text,
        r#"{"success":true,"message":"Chat deleted successfully"}"#
    );
    for (method, path) in [
        ("DELETE", path.clone()),
        ("GET", path.clone()),
        ("GET", format!("{path}/full")),
        ("GET", format!("{path}/messages/{message}")),
    ] {
        let answer = client.bare(method, &path).await;
        assert_eq!(
            answer.both(),
            (404, json!({ "detail": "Chat not found" })),
            "{path}"
        );
    }
    let path = format!("/chat/{other}/messages/{message}");
    assert_eq!(client.bare("GET", &path).await.status, 404);
}
