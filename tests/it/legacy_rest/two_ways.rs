//! One chat by REST and by GraphQL: what is done by one is seen by the other, and nothing is stored twice.

use serde_json::{Value, json};

use super::client::Client;
use crate::on_both_stores;
use crate::support::follow::{ChatFollower, follow};
use crate::support::scratch::Scratch;

on_both_stores! {
    a_text_that_was_sent_a_moment_ago_is_not_stored_again_by_rest,
    the_same_text_by_rest_twice_is_two_messages,
    followers_are_told_what_rest_does,
    a_reply_that_grows_cannot_be_rewritten,
}

async fn a_text_that_was_sent_a_moment_ago_is_not_stored_again_by_rest(scratch: &Scratch) {
    let client = Client::start(scratch);
    let chat = client.any_chat().await;
    let query =
        "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { message { id } reply { id } } }";
    let input = json!({ "input": { "chatId": chat, "text": "Hello there" } });
    let sent = client.server.data(query, input).await["sendMessage"].take();
    let posted = client
        .message(&chat, json!({ "message": "Hello there", "chat_id": chat }))
        .await;
    assert_eq!(sent["message"]["id"], posted);
    // Other texts, other sides and other chats are other messages.
    let other = client.any_chat().await;
    for (chat, body) in [
        (&chat, json!({ "message": "Hello there!" })),
        (&chat, json!({ "message": "Hello there", "is_bot": true })),
        (&other, json!({ "message": "Hello there" })),
    ] {
        assert_ne!(client.message(chat, body).await, posted);
    }
    follow(&client.server, sent["reply"]["id"].as_str().unwrap()).await;
    let full = client.get(&format!("/chat/{chat}/full")).await;
    assert_eq!(full["total_messages"], 4);
}

async fn the_same_text_by_rest_twice_is_two_messages(scratch: &Scratch) {
    let client = Client::start(scratch);
    let chat = client.any_chat().await;
    let first = client.message(&chat, json!({ "message": "again" })).await;
    let second = client.message(&chat, json!({ "message": "again" })).await;
    assert_ne!(first, second);
}

async fn followers_are_told_what_rest_does(scratch: &Scratch) {
    let client = Client::start(scratch);
    let chat = client.any_chat().await;
    let mut follower = ChatFollower::start(&client.server, &chat, &Value::Null).await;
    assert_eq!(follower.next().await.unwrap()["__typename"], "ChatResync");
    let path = format!("/chat/{chat}");

    let id = client.message(&chat, json!({ "message": "m" })).await;
    let event = follower.next().await.unwrap();
    assert_eq!(
        (&event["__typename"], &event["added"]["id"]),
        (&json!("MessageAdded"), &json!(id))
    );
    let message = format!("{path}/messages/{id}");
    client.call("PUT", &message, json!({ "message": "n" })).await.ok();
    let event = follower.next().await.unwrap();
    assert_eq!(
        (&event["updated"]["text"], &event["updated"]["isEdited"]),
        (&json!("n"), &json!(true))
    );
    client
        .bare("POST", &format!("{message}/reaction?reaction=x"))
        .await
        .ok();
    assert_eq!(follower.next().await.unwrap()["updated"]["reaction"], "x");
    client.bare("DELETE", &format!("{message}/reaction")).await.ok();
    assert_eq!(follower.next().await.unwrap()["updated"]["reaction"], Value::Null);
    client.call("PUT", &path, json!({ "title": "T" })).await.ok();
    assert_eq!(follower.next().await.unwrap()["chat"]["title"], "T");
    client.bare("DELETE", &message).await.ok();
    assert_eq!(follower.next().await.unwrap()["messageId"], id);
    // Nothing to change is nothing to tell.
    client.call("PUT", &path, json!({})).await.ok();
    client.bare("DELETE", &path).await.ok();
    assert_eq!(follower.next().await.unwrap()["__typename"], "ChatDeleted");
}

async fn a_reply_that_grows_cannot_be_rewritten(scratch: &Scratch) {
    let client = Client::start_with(scratch, &["--builtin-faults", "stall@1=60s"]);
    let chat = client.any_chat().await;
    let reply = client.server.send(&chat, "Tell me about the sea").await;
    let path = format!("/chat/{chat}/messages/{reply}");
    let answer = client.call("PUT", &path, json!({ "message": "x" })).await;
    assert_eq!(
        answer.both(),
        (409, json!({ "detail": "Message is still being written" }))
    );
    client.call("PUT", &path, json!({ "reaction": "x" })).await.ok();
    let stop = "mutation ($id: ID!) { stopReply(input: {messageId: $id}) { message { id } } }";
    client.server.data(stop, json!({ "id": reply })).await;
    client.call("PUT", &path, json!({ "message": "x" })).await.ok();
    assert_eq!(client.get(&path).await["message"], "x");
}
