//! Prompts: sent again, sent while another reply is under way, answered once more; and stops, with their receipts.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::on_every_pair;
use crate::support::follow::follow;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

on_every_pair! {
    a_hundred_equal_sends_store_one_message_and_start_one_reply,
    a_send_that_is_repeated_joins_its_reply_whatever_is_under_way,
    a_rejected_prompt_stores_nothing,
    an_interrupting_prompt_stops_what_is_under_way_and_is_answered_next,
    a_full_queue_stores_nothing,
    a_stop_gives_everyone_the_same_receipt,
    a_stop_after_the_end_says_so,
    a_stop_before_the_first_piece_costs_nothing,
    a_reply_is_made_again_as_a_message_of_its_own,
    a_reply_under_way_is_not_made_again,
    deleting_the_chat_ends_its_replies,
    a_message_brings_its_own_faults_only_where_the_server_allows_it,
    tokens_of_a_message_are_estimated_where_nobody_reports_them,
}

/// A bot slow enough to be caught in the middle of a reply.
const SLOW: [&str; 4] = ["--builtin-pace", "20", "--builtin-words", "100000"];

const SEND: &str = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) {
    message { id text createdAt } reply { id reply { inReplyTo { id } } } } }";
const STOP: &str = "mutation ($id: ID!) { stopReply(input: {messageId: $id}) { message { text reply { state } }
    receipt { outcome requestedBy requestedAt offset tokens { tokens isEstimated } upstreamClosedMilliseconds } } }";
const REGENERATE: &str = "mutation ($input: RegenerateReplyInput!) { regenerateReply(input: $input) {
    reply { id reply { state inReplyTo { id } regenerates { id } } } } }";
const MESSAGES: &str = "query ($id: ID!) { chat(id: $id) { messageCount messages { nodes {
    id text author tokenCount isTokenCountEstimated } } } }";

async fn messages(server: &Server, chat: &str) -> Vec<Value> {
    let data = server.data(MESSAGES, json!({ "id": chat })).await;
    data["chat"]["messages"]["nodes"].as_array().unwrap().clone()
}

async fn stop(server: &Server, reply: &str) -> Value {
    server.data(STOP, json!({ "id": reply })).await["stopReply"].take()
}

/// Waits until a reply has said something.
async fn until_it_speaks(server: &Server, reply: &str) {
    until_it_says(server, reply, " ").await;
}

async fn until_it_says(server: &Server, reply: &str, words: &str) {
    let query = "query ($id: ID!) { message(id: $id) { text } }";
    let says = async || {
        let data = server.data(query, json!({ "id": reply })).await;
        data["message"]["text"].as_str().unwrap().contains(words)
    };
    while !says().await {}
}

async fn a_hundred_equal_sends_store_one_message_and_start_one_reply(scratch: &Scratch) {
    let server = Server::start_with(scratch, &SLOW);
    let chat = server.create_chat("A chat").await;
    for wish in ["QUEUE", "REJECT", "INTERRUPT"] {
        let input = json!({ "chatId": chat, "text": "Hello", "clientKey": wish, "whileReplying": wish });
        // A server writes in a chat one message at a time, so the last of a hundred may wait too long on a slow machine.
        // Then it is sent again, as clients do.
        let send = async || loop {
            let mut answer = server.request(SEND, json!({ "input": input })).await;
            match answer["errors"][0]["extensions"]["code"].as_str() {
                None => break answer["data"].take(),
                Some(code) => assert_eq!(code, "UNAVAILABLE"),
            }
        };
        let sends = (0..100).map(|_| send());
        let mut answers = join_all(sends).await;
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        let sent = &answers[0]["sendMessage"];
        assert_eq!(sent["reply"]["reply"]["inReplyTo"]["id"], sent["message"]["id"]);
        let receipt = stop(&server, sent["reply"]["id"].as_str().unwrap()).await;
        assert_eq!(receipt["receipt"]["outcome"], "STOPPED");
    }
    assert_eq!(messages(&server, &chat).await.len(), 6);
}

async fn a_send_that_is_repeated_joins_its_reply_whatever_is_under_way(scratch: &Scratch) {
    let server = Server::start_with(scratch, &SLOW);
    let chat = server.create_chat("A chat").await;
    let input = |key: &str, wish: &str| json!({ "input": { "chatId": chat, "text": "Hello", "clientKey": key, "whileReplying": wish } });
    let first = server.data(SEND, input("a", "REJECT")).await;
    assert_eq!(server.code(SEND, input("b", "REJECT")).await, "REPLY_UNDER_WAY");
    assert_eq!(server.data(SEND, input("a", "REJECT")).await, first);
    // Not even an interruption disturbs it: the sending was made before.
    assert_eq!(server.data(SEND, input("a", "INTERRUPT")).await, first);
    let reply = first["sendMessage"]["reply"]["id"].as_str().unwrap().to_owned();
    until_it_speaks(&server, &reply).await;
    stop(&server, &reply).await;
    assert_eq!(server.data(SEND, input("a", "REJECT")).await, first);
    assert_eq!(messages(&server, &chat).await.len(), 2);
}

async fn a_rejected_prompt_stores_nothing(scratch: &Scratch) {
    let server = Server::start_with(scratch, &SLOW);
    let chat = server.create_chat("A chat").await;
    server.send(&chat, "one").await;
    let input = json!({ "chatId": chat, "text": "two", "clientKey": "k", "whileReplying": "REJECT" });
    assert_eq!(
        server.code(SEND, json!({ "input": input })).await,
        "REPLY_UNDER_WAY"
    );
    assert_eq!(messages(&server, &chat).await.len(), 2);
    // The key is not used up by it.
    let input = json!({ "chatId": chat, "text": "other", "clientKey": "k", "whileReplying": "QUEUE" });
    server.data(SEND, json!({ "input": input })).await;
    assert_eq!(messages(&server, &chat).await.len(), 4);
}

async fn an_interrupting_prompt_stops_what_is_under_way_and_is_answered_next(scratch: &Scratch) {
    let server = Server::start_with(scratch, &SLOW);
    let chat = server.create_chat("A chat").await;
    let mut others = Vec::new();
    for prompt in ["one", "two", "three"] {
        others.push(server.send(&chat, prompt).await);
    }
    until_it_speaks(&server, &others[0]).await;
    let input = json!({ "chatId": chat, "text": "four", "whileReplying": "INTERRUPT" });
    let sent = server.data(SEND, json!({ "input": input })).await["sendMessage"].take();
    for reply in &others {
        let (text, message) = follow(&server, reply).await;
        assert_eq!(
            (&message["text"], &message["reply"]["state"]),
            (&json!(text), &json!("STOPPED"))
        );
        assert_eq!(message["reply"]["receipt"]["requestedBy"], 1);
    }
    let reply = sent["reply"]["id"].as_str().unwrap();
    until_it_says(&server, reply, "four").await;
    let text = stop(&server, reply).await["message"]["text"].take();
    assert!(text.as_str().unwrap().contains("four"), "{text}");
}

async fn a_full_queue_stores_nothing(scratch: &Scratch) {
    let server = Server::start_with(scratch, &SLOW);
    let chat = server.create_chat("A chat").await;
    for n in 0..8 {
        server.send(&chat, &format!("prompt {n}")).await;
    }
    let input = |key| json!({ "input": { "chatId": chat, "text": "one too many", "clientKey": key } });
    assert_eq!(server.code(SEND, input("k")).await, "TOO_MANY_REPLIES");
    let stored = messages(&server, &chat).await;
    assert_eq!(stored.len(), 16);
    // In the order of their sending, each reply behind its prompt.
    for (n, pair) in stored.chunks(2).enumerate() {
        assert_eq!(pair[0]["text"], format!("prompt {n}"));
        assert_eq!(
            (&pair[0]["author"], &pair[1]["author"]),
            (&json!("USER"), &json!("BOT"))
        );
    }
}

async fn a_stop_gives_everyone_the_same_receipt(scratch: &Scratch) {
    let server = Server::start_with(scratch, &SLOW);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "रुको मत").await;
    until_it_speaks(&server, &reply).await;
    let receipts = join_all((0..10).map(|_| stop(&server, &reply))).await;
    let again = stop(&server, &reply).await;
    for receipt in &receipts {
        assert_eq!(receipt, &again);
    }
    let (text, message) = follow(&server, &reply).await;
    assert_eq!(
        again["message"],
        json!({ "text": text, "reply": { "state": "STOPPED" } })
    );
    let receipt = &again["receipt"];
    assert_eq!(receipt["outcome"], "STOPPED");
    assert_eq!(receipt["requestedBy"], 1);
    assert_eq!(receipt["offset"], text.len());
    assert!(receipt["tokens"]["tokens"].as_i64().unwrap() > 0, "{receipt}");
    assert!(
        receipt["upstreamClosedMilliseconds"].as_i64().unwrap() < 1_000,
        "{receipt}"
    );
    for field in [
        "outcome",
        "requestedBy",
        "offset",
        "tokens",
        "upstreamClosedMilliseconds",
    ] {
        assert_eq!(message["reply"]["receipt"][field], receipt[field], "{field}");
    }
}

async fn a_stop_after_the_end_says_so(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "Hello").await;
    let (text, message) = follow(&server, &reply).await;
    for _ in 0..2 {
        let stopped = stop(&server, &reply).await;
        assert_eq!(
            stopped["message"],
            json!({ "text": text, "reply": { "state": "COMPLETE" } })
        );
        assert_eq!(stopped["receipt"]["outcome"], "ENDED_BEFORE");
        assert_eq!(stopped["receipt"]["requestedBy"], Value::Null);
    }
    assert_eq!(message["reply"]["receipt"], Value::Null);
}

async fn a_stop_before_the_first_piece_costs_nothing(scratch: &Scratch) {
    let server = Server::start_with(scratch, &SLOW);
    let chat = server.create_chat("A chat").await;
    server.send(&chat, "one").await;
    let waiting = server.send(&chat, "two").await;
    let receipt = stop(&server, &waiting).await;
    assert_eq!(
        receipt["message"],
        json!({ "text": "", "reply": { "state": "STOPPED" } })
    );
    let receipt = &receipt["receipt"];
    assert_eq!(receipt["tokens"], json!({ "tokens": 0, "isEstimated": false }));
    // The bot was never called, so there was nothing to close.
    assert_eq!(receipt["upstreamClosedMilliseconds"], Value::Null);
}

async fn a_reply_is_made_again_as_a_message_of_its_own(scratch: &Scratch) {
    let server = Server::start_with(scratch, &SLOW);
    let chat = server.create_chat("A chat").await;
    let first = server.send(&chat, "Tell me about the sea").await;
    until_it_speaks(&server, &first).await;
    let stopped = stop(&server, &first).await["message"]["text"].take();
    let input = json!({ "input": { "messageId": first, "clientKey": "again" } });
    let answers = join_all((0..20).map(|_| server.data(REGENERATE, input.clone()))).await;
    let ids: Vec<_> = answers
        .iter()
        .map(|answer| answer["regenerateReply"]["reply"]["id"].clone())
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let second = ids[0].as_str().unwrap();
    assert_ne!(second, first);
    until_it_speaks(&server, second).await;
    stop(&server, second).await;

    let (text, message) = follow(&server, second).await;
    // The same question was answered, and neither the first answer nor anything after it.
    let answer = "You wrote: Tell me about the sea\n1. ";
    assert!(answer.starts_with(&text) || text.starts_with(answer), "{text}");
    assert_eq!(message["reply"]["regenerates"]["id"], json!(first));
    assert_eq!(message["reply"]["inReplyTo"]["text"], "Tell me about the sea");
    let (kept, message) = follow(&server, &first).await;
    assert_eq!(
        (json!(kept), &message["reply"]["state"]),
        (stopped, &json!("STOPPED"))
    );
    assert_eq!(messages(&server, &chat).await.len(), 3);
    // The key names that one and no other.
    let input = json!({ "input": { "messageId": second, "clientKey": "again" } });
    assert_eq!(server.code(REGENERATE, input).await, "CONFLICT");
}

async fn a_reply_under_way_is_not_made_again(scratch: &Scratch) {
    let server = Server::start_with(scratch, &SLOW);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "Hello").await;
    let input = json!({ "input": { "messageId": reply } });
    assert_eq!(server.code(REGENERATE, input).await, "REPLY_UNDER_WAY");
    let prompt = messages(&server, &chat).await[0]["id"].take();
    let input = json!({ "input": { "messageId": prompt } });
    assert_eq!(server.code(REGENERATE, input).await, "NOT_A_REPLY");
    assert_eq!(messages(&server, &chat).await.len(), 2);
}

async fn deleting_the_chat_ends_its_replies(scratch: &Scratch) {
    let server = Server::start_with(scratch, &SLOW);
    let chat = server.create_chat("A chat").await;
    let replies = [server.send(&chat, "one").await, server.send(&chat, "two").await];
    until_it_speaks(&server, &replies[0]).await;
    let mut followers = Vec::new();
    for reply in &replies {
        let mut socket = crate::support::socket::Socket::acknowledged(&server).await;
        let query = "subscription ($id: ID!) { reply(messageId: $id) { __typename
            ... on ReplyFinished { message { reply { state } } } } }";
        socket.subscribe("1", query, json!({ "id": reply })).await;
        socket.message().await;
        followers.push(socket);
    }
    let delete = "mutation ($id: ID!) { deleteChat(input: {id: $id}) { deletedChatId } }";
    server.data(delete, json!({ "id": chat })).await;
    for socket in &mut followers {
        let end = loop {
            let mut message = socket.message().await;
            let event = message["payload"]["data"]["reply"].take();
            if event["__typename"] == "ReplyFinished" {
                break event;
            }
        };
        assert_eq!(end["message"]["reply"]["state"], "STOPPED");
    }
}

async fn a_message_brings_its_own_faults_only_where_the_server_allows_it(scratch: &Scratch) {
    let input =
        |chat: &str, faults: &str| json!({ "input": { "chatId": chat, "text": "Hello", "faults": faults } });
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    assert_eq!(
        server.code(SEND, input(&chat, "cut@2")).await,
        "FAULTS_NOT_ALLOWED"
    );
    let (status, _) = server.stop();
    assert!(status.success());

    let server = Server::start_with(scratch, &["--builtin-pace", "0", "--builtin-message-faults"]);
    assert_eq!(server.code(SEND, input(&chat, "cut@x")).await, "INVALID_FAULTS");
    assert_eq!(messages(&server, &chat).await.len(), 0);
    let sent = server.data(SEND, input(&chat, "cut@2")).await;
    let (text, message) = follow(&server, sent["sendMessage"]["reply"]["id"].as_str().unwrap()).await;
    assert_eq!(
        (text.as_str(), &message["reply"]["state"]),
        ("He", &json!("TRUNCATED"))
    );
    // The next answer is whole again; a failed one is made again without the fault.
    let reply = message["id"].as_str().unwrap();
    let again = server
        .data(REGENERATE, json!({ "input": { "messageId": reply } }))
        .await;
    let (text, message) = follow(&server, again["regenerateReply"]["reply"]["id"].as_str().unwrap()).await;
    assert!(text.starts_with("Hello"), "{text}");
    assert_eq!(message["reply"]["state"], "COMPLETE");
}

async fn tokens_of_a_message_are_estimated_where_nobody_reports_them(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let create = "mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }";
    for (text, tokens) in [("Tell me about the sea", Value::Null), ("Hello", json!(77))] {
        let input = json!({ "chatId": chat, "text": text, "tokenCount": tokens });
        server.data(create, json!({ "input": input })).await;
    }
    let stored = messages(&server, &chat).await;
    let counts = |message: &Value| {
        (
            message["tokenCount"].clone(),
            message["isTokenCountEstimated"].clone(),
        )
    };
    assert_eq!(counts(&stored[0]), (json!(5), json!(true)));
    assert_eq!(counts(&stored[1]), (json!(77), json!(false)));
    let edit = "mutation ($input: UpdateMessageInput!) { updateMessage(input: $input) { message { id } } }";
    let input = json!({ "id": stored[1]["id"], "text": "Tell me about the sea" });
    server.data(edit, json!({ "input": input })).await;
    assert_eq!(
        counts(&messages(&server, &chat).await[1]),
        (json!(5), json!(true))
    );
}
