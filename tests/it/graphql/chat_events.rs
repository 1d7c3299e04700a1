//! The subscription `chat`: everything that happens in a chat, its replies' text included, from any cursor on.

use serde_json::{Value, json};

use crate::on_every_pair;
use crate::support::follow::ChatFollower;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

on_every_pair! {
    whatever_happens_in_a_chat_is_told_in_order,
    a_reply_is_told_from_its_snapshot_to_its_end,
    a_reaction_to_a_reply_that_grows_leaves_its_text_whole,
    a_follower_that_drops_anywhere_misses_nothing,
    a_follower_that_comes_late_is_told_to_read_and_follows_the_reply_under_way,
    a_follower_that_comes_while_a_reply_begins_follows_it,
    a_cursor_of_another_server_loses_no_text_and_is_a_resync_unless_a_redis_keeps_it,
    what_is_wrong_has_its_code,
}

const CREATE: &str =
    "mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }";
const TYPING: &str = "mutation ($input: SetTypingInput!) { setTyping(input: $input) { typing { userId } } }";

async fn whatever_happens_in_a_chat_is_told_in_order(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let mut followers = Vec::new();
    for _ in 0..2 {
        let mut follower = ChatFollower::start(&server, &chat, &Value::Null).await;
        follower.expect("ChatResync").await;
        followers.push(follower);
    }
    let input = json!({ "input": { "chatId": chat, "text": "नमस्ते" } });
    let id = server.data(CREATE, input).await["createMessage"]["message"]["id"].take();
    for (query, variables) in [
        (
            "mutation ($id: ID!) { addReaction(input: {messageId: $id, reaction: \"👍\"}) { message { id } } }",
            json!({ "id": id }),
        ),
        (
            "mutation ($id: ID!) { removeReaction(input: {messageId: $id}) { message { id } } }",
            json!({ "id": id }),
        ),
        (
            "mutation ($id: ID!) { updateMessage(input: {id: $id, text: \"नया\"}) { message { id } } }",
            json!({ "id": id }),
        ),
        (
            "mutation ($id: ID!) { updateChat(input: {id: $id, title: \"Renamed\"}) { chat { id } } }",
            json!({ "id": chat }),
        ),
        (TYPING, json!({ "input": { "chatId": chat, "isTyping": true } })),
        (TYPING, json!({ "input": { "chatId": chat, "isTyping": false } })),
        (
            "mutation ($id: ID!) { deleteMessage(input: {id: $id}) { deletedMessageId } }",
            json!({ "id": id }),
        ),
        (
            "mutation ($id: ID!) { deleteChat(input: {id: $id}) { deletedChatId } }",
            json!({ "id": chat }),
        ),
    ] {
        server.data(query, variables).await;
        // One at a time, because what is told is what is stored by then.
        for follower in &mut followers {
            let event = match follower.next().await.unwrap() {
                event if event["__typename"] == "MessageAdded" => {
                    assert_eq!(event["added"]["author"], "USER");
                    follower.next().await.unwrap()
                }
                event => event,
            };
            check(&event, &id, &chat, query);
        }
    }
    for follower in &mut followers {
        assert_eq!(follower.next().await, None);
    }
}

fn check(event: &Value, id: &Value, chat: &str, query: &str) {
    let kind = event["__typename"].as_str().unwrap();
    match kind {
        "MessageUpdated" => assert_eq!(&event["updated"]["id"], id),
        "MessageDeleted" => assert_eq!(&event["messageId"], id),
        "ChatUpdated" => assert_eq!(event["chat"], json!({ "id": chat, "title": "Renamed" })),
        "ChatDeleted" => assert_eq!(event["chatId"], chat),
        "TypingChanged" => assert_eq!(event["typing"]["userId"], 1),
        _ => panic!("{event}"),
    }
    let expected = [
        ("addReaction", "MessageUpdated"),
        ("removeReaction", "MessageUpdated"),
        ("updateMessage", "MessageUpdated"),
        ("updateChat", "ChatUpdated"),
        ("setTyping", "TypingChanged"),
        ("deleteMessage", "MessageDeleted"),
        ("deleteChat", "ChatDeleted"),
    ];
    let (_, expected) = expected.iter().find(|(name, _)| query.contains(name)).unwrap();
    assert_eq!(&kind, expected, "{query}");
}

async fn a_reply_is_told_from_its_snapshot_to_its_end(scratch: &Scratch) {
    let server = Server::start_with(scratch, &["--builtin-pace", "200", "--builtin-words", "40"]);
    let chat = server.create_chat("A chat").await;
    let mut follower = ChatFollower::start(&server, &chat, &Value::Null).await;
    follower.expect("ChatResync").await;
    for prompt in ["समुद्र", "the sea 🌊"] {
        let reply = server.send(&chat, prompt).await;
        assert_eq!(follower.expect("MessageAdded").await["added"]["text"], prompt);
        let snapshot = follower.expect("ReplySnapshot").await;
        assert_eq!(snapshot["message"]["id"], json!(reply));
        let finished = follower.expect("ReplyFinished").await["finished"].take();
        assert_eq!(finished["reply"]["state"], "COMPLETE");
        assert_eq!(finished["text"], json!(follower.texts[&reply]));
        assert!(follower.texts[&reply].contains(prompt));
    }
}

async fn a_reaction_to_a_reply_that_grows_leaves_its_text_whole(scratch: &Scratch) {
    let server = Server::start_with(scratch, &["--builtin-pace", "30", "--builtin-words", "60"]);
    let chat = server.create_chat("A chat").await;
    let mut follower = ChatFollower::start(&server, &chat, &Value::Null).await;
    follower.expect("ChatResync").await;
    let reply = server.send(&chat, "Tell me about the sea").await;
    let react =
        "mutation ($id: ID!) { addReaction(input: {messageId: $id, reaction: \"x\"}) { message { id } } }";
    // As the documentation has it: what an event brings replaces the text, and a piece is appended.
    let (mut text, mut updates) = (String::new(), 0);
    loop {
        let event = follower.next().await.expect("the subscription ended");
        match event["__typename"].as_str().unwrap() {
            "ReplySnapshot" => event["text"].as_str().unwrap().clone_into(&mut text),
            "ReplyPartial" => {
                text.push_str(event["text"].as_str().unwrap());
                if updates == 0 {
                    server.data(react, json!({ "id": reply })).await;
                    updates = 1;
                }
            }
            "MessageUpdated" => {
                event["updated"]["text"].as_str().unwrap().clone_into(&mut text);
                updates += 1;
            }
            "ReplyFinished" => {
                assert_eq!(event["finished"]["text"], text);
                break;
            }
            _ => {}
        }
    }
    assert_eq!(updates, 2);
}

async fn a_follower_that_drops_anywhere_misses_nothing(scratch: &Scratch) {
    let server = Server::start_with(scratch, &["--builtin-pace", "300", "--builtin-words", "120"]);
    let chat = server.create_chat("A chat").await;
    let mut follower = ChatFollower::start(&server, &chat, &Value::Null).await;
    follower.expect("ChatResync").await;
    let prompts = ["एक", "दो", "तीन"];
    let mut replies = Vec::new();
    for prompt in prompts {
        replies.push(server.send(&chat, prompt).await);
    }
    let (mut texts, mut added, mut finished, mut drops) = (follower.texts.clone(), 0, Vec::new(), 0);
    let mut events = 0;
    while finished.len() < replies.len() {
        let event = follower.next().await.unwrap();
        events += 1;
        match event["__typename"].as_str().unwrap() {
            "MessageAdded" => added += 1,
            "ReplyFinished" => finished.push(event["finished"].clone()),
            "ReplySnapshot" | "ReplyPartial" => {}
            other => panic!("{other}"),
        }
        // After a varying number of events, so that every kind of place is dropped at.
        if events % (1 + drops % 7) == 0 {
            texts = follower.texts;
            let cursor = follower.cursor;
            follower = ChatFollower::start(&server, &chat, &cursor).await;
            follower.texts = texts.clone();
            drops += 1;
        }
    }
    assert!(drops > 20, "{drops}");
    assert_eq!(added, prompts.len());
    texts.extend(follower.texts.clone());
    for message in finished {
        let id = message["id"].as_str().unwrap();
        assert_eq!(message["text"], json!(follower.texts[id]));
    }
}

async fn a_follower_that_comes_late_is_told_to_read_and_follows_the_reply_under_way(scratch: &Scratch) {
    let server = Server::start_with(scratch, &["--builtin-pace", "100", "--builtin-words", "100"]);
    let chat = server.create_chat("A chat").await;
    let running = server.send(&chat, "one").await;
    let waiting = server.send(&chat, "two").await;
    let mut follower = ChatFollower::start(&server, &chat, &Value::Null).await;
    follower.expect("ChatResync").await;
    let mut found = vec![
        follower.expect("ReplySnapshot").await["message"]["id"].take(),
        follower.expect("ReplySnapshot").await["message"]["id"].take(),
    ];
    found.sort_by_key(|id| *id != json!(running));
    assert_eq!(found, [json!(running), json!(waiting)]);
    for reply in [&running, &waiting] {
        let finished = follower.expect("ReplyFinished").await["finished"].take();
        assert_eq!(finished["id"], json!(reply));
        assert_eq!(finished["text"], json!(follower.texts[reply]));
    }
}

async fn a_follower_that_comes_while_a_reply_begins_follows_it(scratch: &Scratch) {
    let server = Server::start_with(scratch, &["--builtin-pace", "20", "--builtin-words", "100"]);
    // Each round meets another moment between the reply's place in the chat and its being stored.
    for _ in 0..60 {
        let chat = server.create_chat("A chat").await;
        let (reply, mut follower) = tokio::join!(
            server.send(&chat, "one"),
            ChatFollower::start(&server, &chat, &Value::Null),
        );
        while !follower.texts.contains_key(&reply) {
            follower.next().await.unwrap();
        }
    }
}

async fn a_cursor_of_another_server_loses_no_text_and_is_a_resync_unless_a_redis_keeps_it(scratch: &Scratch) {
    let endless = [
        "--builtin-pace",
        "50",
        "--builtin-words",
        "100000",
        "--drain-seconds",
        "0",
    ];
    let server = Server::start_with(scratch, &endless);
    let chat = server.create_chat("A chat").await;
    let mut follower = ChatFollower::start(&server, &chat, &Value::Null).await;
    let reply = server.send(&chat, "one").await;
    while follower.texts.get(&reply).is_none_or(|text| text.len() < 20) {
        follower.next().await.unwrap();
    }
    let (cursor, texts) = (follower.cursor, follower.texts);
    let (status, _) = server.stop();
    assert!(status.success());

    let server = Server::start(scratch);
    let mut follower = ChatFollower::start(&server, &chat, &cursor).await;
    follower.texts = texts;
    let (mut is_told_to_read, mut is_shown) = (scratch.has_redis(), scratch.has_redis());
    let mut finished = Value::Null;
    while finished.is_null() {
        let mut event = follower.next().await.unwrap();
        match event["__typename"].as_str().unwrap() {
            "ChatResync" if !scratch.has_redis() => is_told_to_read = true,
            "ReplyFinished" => finished = event["finished"].take(),
            // Who reads the chat anew has another text than was sent.
            "ReplySnapshot" if is_told_to_read && !scratch.has_redis() => is_shown = true,
            // The text was stored when the server went, so that the cursor still fits it.
            "ReplyPartial" if is_shown => {}
            other => panic!("{other}"),
        }
    }
    assert!(is_told_to_read && is_shown);
    assert_eq!(finished["reply"]["state"], "INTERRUPTED");
    assert_eq!(finished["text"], json!(follower.texts[&reply]));
}

async fn what_is_wrong_has_its_code(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let mut socket = crate::support::socket::Socket::acknowledged(&server).await;
    let query = "subscription ($id: ID!, $after: String) { chat(id: $id, after: $after) { __typename } }";
    let unknown = "5f7c8ec7c33c6c004bbafe82";
    for (n, (id, after, code)) in [
        ("x", Value::Null, "INVALID_ID"),
        (unknown, Value::Null, "NOT_FOUND"),
        (&chat, json!("forged"), "INVALID_CURSOR"),
        // A cursor of a reply is none of a chat.
        (&chat, json!("cgAAAAAAAAAA70bbN1HYopk"), "INVALID_CURSOR"),
    ]
    .into_iter()
    .enumerate()
    {
        socket
            .subscribe(&n.to_string(), query, json!({ "id": id, "after": after }))
            .await;
        let message = socket.message().await;
        assert_eq!(message["type"], "error");
        assert_eq!(message["payload"][0]["extensions"]["code"], code);
    }
}
