//! From one object to another, nobody comes to what is not theirs.

use colloquy::domain::{Chat, Message, Reply, ReplyState, UserId};
use serde_json::{Value, json};

use super::callers::{Caller, Cast};
use super::guarded::Guarded;
use crate::on_both_stores;
use crate::support::make;
use crate::support::scratch::Scratch;

on_both_stores! {
    links_of_a_reply_lead_to_nothing_foreign,
    what_is_read_together_is_judged_apart,
}

/// Nothing makes such a reply; were there one, by a mistake or by hand, it would tell nothing.
async fn links_of_a_reply_lead_to_nothing_foreign(scratch: &Scratch) {
    let cast = Cast::new();
    let chat = |user: &str| Chat {
        user_id: UserId::Text(user.to_owned()),
        ..make::chat()
    };
    let (own, foreign) = (chat(&cast.owner), chat("somebody else"));
    let prompt = make::message(foreign.id);
    let replaced = make::message(foreign.id);
    let reply = Message {
        reply: Some(Reply {
            state: ReplyState::Complete,
            in_reply_to: Some(prompt.id),
            regenerates: Some(replaced.id),
            ..Reply::begun("nobody".to_owned(), make::now())
        }),
        ..make::streaming(own.id, "nobody")
    };
    let store = scratch.open().await;
    for chat in [&own, &foreign] {
        store.insert_chat(chat).await.unwrap();
    }
    for message in [&prompt, &replaced, &reply] {
        store.insert_message(message).await.unwrap();
    }
    drop(store);

    let server = Guarded::start(scratch);
    let query = "query ($id: ID!, $chat: ID!) {
        message(id: $id) { chat { id } reply { inReplyTo { id } regenerates { chat { id } } } }
        chat(id: $chat) { lastMessage { reply { inReplyTo { chat { title } } } }
            messages { nodes { reply { inReplyTo { text } } } } } }";
    let variables = json!({ "id": reply.id.to_string(), "chat": own.id.to_string() });
    let token = cast.token(Caller::Owner).unwrap();
    let data = server.data(&token, query, variables.clone()).await;
    assert_eq!(
        data,
        json!({
            "message": { "chat": { "id": own.id.to_string() }, "reply": { "inReplyTo": null, "regenerates": null } },
            "chat": {
                "lastMessage": { "reply": { "inReplyTo": null } },
                "messages": { "nodes": [{ "reply": { "inReplyTo": null } }] },
            },
        })
    );
    // Those who may see both find the way.
    let token = cast.token(Caller::Service).unwrap();
    let data = server.data(&token, query, variables).await;
    assert_eq!(
        data["message"]["reply"],
        json!({
            "inReplyTo": { "id": prompt.id.to_string() },
            "regenerates": { "chat": { "id": foreign.id.to_string() } },
        })
    );
}

/// Many objects of one request are read in one round trip.
async fn what_is_read_together_is_judged_apart(scratch: &Scratch) {
    let server = Guarded::start(scratch);
    let (mine, theirs) = (Cast::new(), Cast::new());
    let (own, foreign) = (server.furnish(&mine).await, server.furnish(&theirs).await);
    let query = "query ($chat: ID!, $message: ID!, $foreignChat: ID!, $foreignMessage: ID!, $absent: ID!) {
        a: node(id: $chat) { id } b: node(id: $foreignChat) { id } c: node(id: $message) { id }
        d: node(id: $foreignMessage) { id } e: node(id: $absent) { id }
        f: chat(id: $foreignChat) { messages { nodes { text } } lastMessage { text } }
        g: message(id: $foreignMessage) { chat { title } reply { inReplyTo { text } } }
        h: message(id: $message) { chat { id } } }";
    let variables = json!({
        "chat": own.chat, "message": own.message, "foreignChat": foreign.chat, "foreignMessage": foreign.message,
        "absent": make::id().to_string(),
    });
    let token = mine.token(Caller::Owner).unwrap();
    let body = json!({ "query": query, "variables": variables });
    let request = server.request("post", "/graphql", Some(&token)).json(&body);
    let answer = server.answer(request).await.json();
    assert_eq!(
        answer["data"],
        json!({
            "a": { "id": own.chat }, "b": null, "c": { "id": own.message }, "d": null, "e": null, "f": null, "g": null,
            "h": { "chat": { "id": own.chat } },
        })
    );
    let errors = answer["errors"].as_array().unwrap().iter();
    let mut errors: Vec<_> = errors
        .map(|error| (error["path"].clone(), error["extensions"]["code"].clone()))
        .collect();
    errors.sort_by_key(|(path, _)| path.to_string());
    let code = Value::from("NOT_FOUND");
    assert_eq!(errors, [(json!(["f"]), code.clone()), (json!(["g"]), code)]);
}
