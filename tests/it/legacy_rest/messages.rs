//! Messages are stored, shown, changed, reacted to and deleted.

use serde_json::{Value, json};

use super::client::{Client, masked};
use crate::on_both_stores;
use crate::support::scratch::Scratch;

on_both_stores! {
    a_message_that_is_stored_has_its_id_in_both_places_and_every_key_in_order,
    a_message_is_stored_with_all_that_it_says,
    a_message_leaves_its_chat_where_it_was,
    a_change_of_the_text_marks_it_as_edited_unless_told_otherwise,
    a_reaction_is_one_and_the_last_one_wins,
    a_message_is_found_in_its_own_chat_alone,
    a_deleted_message_is_gone,
    a_bots_tokens_are_told_and_a_users_only_if_somebody_counted_them,
    the_first_message_of_a_pending_chat_names_it,
}

async fn a_message_that_is_stored_has_its_id_in_both_places_and_every_key_in_order(scratch: &Scratch) {
    let client = Client::start(scratch);
    let chat = client.any_chat().await;
    let path = format!("/chat/{chat}/messages");
    let made = client.call("POST", &path, json!({ "message": "Hello" })).await;
    assert_eq!(
        masked(&made.text),
        r#"{"success":true,"message":"Message created successfully","message_id":"ID","data":{"message_id":"ID"}}"#
    );
    let made = made.ok();
    assert_eq!(made["message_id"], made["data"]["message_id"]);
    let id = made["message_id"].as_str().unwrap();
    let shown = client.bare("GET", &format!("{path}/{}", id.to_uppercase())).await;
    let expected = r#"{"_id":"ID","chat_id":"ID","message":"Hello","is_bot":false,"reaction":null,"token":null,"type":"text","is_edited":false,"created_ts":"TIME","updated_ts":"TIME","citation":null}"#;
    assert_eq!(masked(&shown.text), expected);
    let shown = shown.json();
    assert_eq!((&shown["_id"], &shown["chat_id"]), (&json!(id), &json!(chat)));
    assert_eq!(client.bare("GET", &path).await.ok(), json!([shown]));
}

async fn a_message_is_stored_with_all_that_it_says(scratch: &Scratch) {
    let client = Client::start(scratch);
    let chat = client.any_chat().await;
    let long = "é".repeat(1 << 19);
    for (body, expected) in [
        (
            json!({ "message": "", "is_bot": "yes", "type": "image", "reaction": "👍", "token": "5", "is_edited": 1 }),
            json!({ "message": "", "is_bot": true, "type": "image", "reaction": "👍", "token": 5, "is_edited": true }),
        ),
        (
            json!({ "message": "nul \u{0}", "type": null, "reaction": null, "token": null }),
            json!({ "message": "nul \u{0}", "type": "text", "reaction": null, "token": null }),
        ),
        // The path says which chat, whatever the body does.
        (
            json!({ "message": long, "chat_id": { "any": "nonsense" }, "reaction": "", "token": i64::MAX, "_id": 7 }),
            json!({ "message": long, "chat_id": chat, "reaction": "", "token": i64::MAX }),
        ),
        (
            json!({ "message": "m", "is_bot": true, "token": 7.0, "type": "" }),
            json!({ "message": "m", "is_bot": true, "token": 7, "type": "" }),
        ),
        // Nobody has counted what a bot said elsewhere.
        (
            json!({ "message": "said elsewhere", "is_bot": true }),
            json!({ "token": null }),
        ),
    ] {
        let id = client.message(&chat, body).await;
        let shown = client.get(&format!("/chat/{chat}/messages/{id}")).await;
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&shown[key], value, "{key}");
        }
    }
}

async fn a_message_leaves_its_chat_where_it_was(scratch: &Scratch) {
    let client = Client::start(scratch);
    let chat = client.any_chat().await;
    let path = format!("/chat/{chat}");
    let before = client.get(&path).await;
    for _ in 0..3 {
        client.message(&chat, json!({ "message": "m" })).await;
    }
    assert_eq!(client.get(&path).await, before);
}

async fn a_change_of_the_text_marks_it_as_edited_unless_told_otherwise(scratch: &Scratch) {
    let client = Client::start(scratch);
    let chat = client.any_chat().await;
    for (change, message, reaction, is_edited) in [
        (json!({ "message": "b" }), "b", Value::Null, true),
        (json!({ "message": "a" }), "a", Value::Null, true),
        (
            json!({ "message": "b", "is_edited": false }),
            "b",
            Value::Null,
            false,
        ),
        (
            json!({ "message": "b", "is_edited": null }),
            "b",
            Value::Null,
            true,
        ),
        (json!({ "reaction": "👍" }), "a", json!("👍"), false),
        (json!({ "reaction": "" }), "a", json!(""), false),
        (json!({ "message": "", "reaction": "x" }), "", json!("x"), true),
        (json!({ "is_edited": "on" }), "a", Value::Null, true),
    ] {
        let id = client.message(&chat, json!({ "message": "a", "token": 9 })).await;
        let path = format!("/chat/{chat}/messages/{id}");
        let before = client.get(&path).await;
        let answer = client.call("PUT", &path, change.clone()).await;
        assert_eq!(
            answer.text,
            r#"{"success":true,"message":"Message updated successfully"}"#
        );
        let shown = client.get(&path).await;
        assert_eq!(
            (&shown["message"], &shown["reaction"], &shown["is_edited"]),
            (&json!(message), &reaction, &json!(is_edited)),
            "{change}"
        );
        assert_eq!(
            (&shown["token"], &shown["created_ts"]),
            (&json!(9), &before["created_ts"])
        );
        assert!(shown["updated_ts"].as_str() >= before["updated_ts"].as_str());
        // A null cannot take a reaction away.
        if reaction.is_string() {
            client
                .call("PUT", &path, json!({ "reaction": null, "is_edited": true }))
                .await
                .ok();
            assert_eq!(client.get(&path).await["reaction"], reaction);
        }
    }
}

async fn a_reaction_is_one_and_the_last_one_wins(scratch: &Scratch) {
    let client = Client::start(scratch);
    let chat = client.any_chat().await;
    let id = client.message(&chat, json!({ "message": "m" })).await;
    let path = format!("/chat/{chat}/messages/{id}");
    for (reaction, stored) in [
        ("%F0%9F%91%8D", "👍"),
        ("a+b%00", "a b\u{0}"),
        ("", ""),
        ("x&reaction=y", "y"),
    ] {
        let added = client
            .bare("POST", &format!("{path}/reaction?reaction={reaction}"))
            .await;
        assert_eq!(
            added.text,
            r#"{"success":true,"message":"Reaction added successfully"}"#
        );
        let shown = client.get(&path).await;
        assert_eq!(
            (&shown["reaction"], &shown["is_edited"]),
            (&json!(stored), &json!(false))
        );
    }
    // Also when there is none any more.
    for _ in 0..2 {
        let removed = client.bare("DELETE", &format!("{path}/reaction")).await;
        assert_eq!(
            removed.text,
            r#"{"success":true,"message":"Reaction removed successfully"}"#
        );
        assert_eq!(client.get(&path).await["reaction"], Value::Null);
    }
}

async fn a_message_is_found_in_its_own_chat_alone(scratch: &Scratch) {
    let client = Client::start(scratch);
    let (own, other) = (client.any_chat().await, client.any_chat().await);
    let id = client.message(&own, json!({ "message": "m" })).await;
    let before = client.get(&format!("/chat/{own}/messages/{id}")).await;
    let nobody = "5f7c8ec7c33c6c004bbafe82";
    for (chat, id, detail) in [
        (other.as_str(), id.as_str(), "Message not found"),
        (&own, nobody, "Message not found"),
        (&own, "nonsense", "Message not found"),
        // The chat is looked for first.
        (nobody, &id, "Chat not found"),
        ("nonsense", &id, "Chat not found"),
        ("nonsense", "nonsense", "Chat not found"),
    ] {
        let path = format!("/chat/{chat}/messages/{id}");
        let answers = [
            client.bare("GET", &path).await,
            client.call("PUT", &path, json!({ "message": "x" })).await,
            client.call("PUT", &path, json!({})).await,
            client.bare("DELETE", &path).await,
            client.bare("POST", &format!("{path}/reaction?reaction=x")).await,
            client.bare("DELETE", &format!("{path}/reaction")).await,
        ];
        for answer in answers {
            assert_eq!(answer.both(), (404, json!({ "detail": detail })), "{path}");
        }
    }
    assert_eq!(client.get(&format!("/chat/{own}/messages/{id}")).await, before);
}

async fn a_deleted_message_is_gone(scratch: &Scratch) {
    let client = Client::start(scratch);
    let chat = client.any_chat().await;
    let id = client.message(&chat, json!({ "message": "m" })).await;
    let stays = client.message(&chat, json!({ "message": "n" })).await;
    let path = format!("/chat/{chat}/messages/{id}");
    let answer = client.bare("DELETE", &path).await;
    assert_eq!(
        answer.text,
        r#"{"success":true,"message":"Message deleted successfully"}"#
    );
    let again = client.bare("DELETE", &path).await;
    assert_eq!(again.both(), (404, json!({ "detail": "Message not found" })));
    let full = client.get(&format!("/chat/{chat}/full")).await;
    assert_eq!(
        (&full["messages"][0]["_id"], &full["total_messages"]),
        (&json!(stays), &json!(1))
    );
}

async fn a_bots_tokens_are_told_and_a_users_only_if_somebody_counted_them(scratch: &Scratch) {
    let client = Client::start(scratch);
    let chat = client.any_chat().await;
    client
        .message(&chat, json!({ "message": "counted", "token": 3 }))
        .await;
    let reply = client.server.send(&chat, "Hello").await;
    crate::support::follow::follow(&client.server, &reply).await;
    let messages = client.get(&format!("/chat/{chat}/messages")).await;
    let tokens: Vec<_> = (0..3).map(|n| messages[n]["token"].clone()).collect();
    assert_eq!((&tokens[0], &tokens[1]), (&json!(3), &Value::Null));
    assert!(tokens[2].as_i64().unwrap() > 0, "{messages}");
    assert_eq!(messages[2]["is_bot"], true);
}

async fn the_first_message_of_a_pending_chat_names_it(scratch: &Scratch) {
    let client = Client::start(scratch);
    let long = "é".repeat(51);
    let cut = format!("{}...", "é".repeat(50));
    for (status, is_bot, text, expected) in [
        ("pending", false, long.as_str(), ("active", cut.as_str())),
        ("pending", false, "Short", ("active", "Short")),
        ("pending", true, "Short", ("pending", "New")),
        ("active", false, "Short", ("active", "New")),
    ] {
        let chat = client
            .chat(json!({ "user_id": 1, "title": "New", "status": status }))
            .await;
        client
            .message(&chat, json!({ "message": text, "is_bot": is_bot }))
            .await;
        client
            .message(&chat, json!({ "message": "Later", "is_bot": is_bot }))
            .await;
        let shown = client.get(&format!("/chat/{chat}")).await;
        assert_eq!(
            (&shown["status"], &shown["title"]),
            (&json!(expected.0), &json!(expected.1))
        );
    }
}
