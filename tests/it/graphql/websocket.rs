//! What the protocol document of graphql-ws asks of a server.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::mongod::Mongod;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::socket::Socket;

/// Longer than a call to the store may take.
const DONE_WITHIN: Duration = Duration::from_secs(20);
const REPLY: &str = "subscription ($id: ID!) { reply(messageId: $id) {
    ... on ReplySnapshot { text } ... on ReplyPartial { text } ... on ReplyFinished { message { text } } } }";

async fn server() -> (Server, Scratch) {
    let scratch = Scratch::embedded().await;
    (Server::start(&scratch), scratch)
}

fn subscribe(id: &str, query: &str) -> Value {
    json!({ "type": "subscribe", "id": id, "payload": { "query": query } })
}

#[tokio::test]
async fn the_first_init_is_acknowledged_and_a_second_closes_with_4429() {
    let (server, _scratch) = server().await;
    let mut socket = Socket::open(&server).await;
    socket
        .send(json!({ "type": "connection_init", "payload": { "any": ["thing"] } }))
        .await;
    socket.expect(json!({ "type": "connection_ack" })).await;
    socket.send(json!({ "type": "connection_init" })).await;
    socket.expect_close(4429).await;
}

#[tokio::test]
async fn an_operation_before_the_acknowledgement_closes_with_4401() {
    let (server, _scratch) = server().await;
    let mut socket = Socket::open(&server).await;
    socket.send(subscribe("1", "{ viewer { userId } }")).await;
    socket.expect_close(4401).await;
}

#[tokio::test]
async fn a_client_that_never_initialises_is_closed_with_4408() {
    let (server, _scratch) = server().await;
    let mut socket = Socket::open(&server).await;
    // A ping is allowed before the init and does not put the deadline off.
    socket.send(json!({ "type": "ping" })).await;
    socket.expect(json!({ "type": "pong" })).await;
    socket.expect_close(4408).await;
}

#[tokio::test]
async fn what_is_no_message_of_the_protocol_closes_with_4400() {
    let (server, _scratch) = server().await;
    for frame in [
        Message::text(""),
        Message::text("{"),
        Message::text("[]"),
        Message::text("null"),
        Message::text("{}"),
        Message::text(r#"{"type":"start","id":"1","payload":{"query":"{__typename}"}}"#),
        Message::text(r#"{"type":"subscribe","payload":{"query":"{__typename}"}}"#),
        Message::text(r#"{"type":"subscribe","id":7,"payload":{"query":"{__typename}"}}"#),
        Message::text(r#"{"type":"subscribe","id":"1"}"#),
        Message::text(r#"{"type":"subscribe","id":"1","payload":["{__typename}"]}"#),
        Message::text(r#"{"type":"complete"}"#),
        Message::text(r#"{"type":"ping","payload":[]}"#),
        Message::text("[".repeat(100_000)),
        Message::binary(r#"{"type":"ping"}"#),
    ] {
        let mut socket = Socket::acknowledged(&server).await;
        socket.send_frame(frame).await;
        socket.expect_close(4400).await;
    }
}

#[tokio::test]
async fn a_handshake_that_offers_no_known_subprotocol_is_closed_with_4406() {
    let (server, _scratch) = server().await;
    for subprotocols in [Some("graphql-ws"), Some("chat, graphql-ws"), None] {
        let (mut socket, chosen) = Socket::shake(&server, subprotocols).await;
        assert_eq!(chosen, None, "{subprotocols:?}");
        socket.expect_close(4406).await;
    }
}

#[tokio::test]
async fn of_several_subprotocols_the_known_one_is_chosen() {
    let (server, _scratch) = server().await;
    let (mut socket, chosen) = Socket::shake(&server, Some("graphql-ws, graphql-transport-ws")).await;
    assert_eq!(chosen.as_deref(), Some("graphql-transport-ws"));
    socket
        .send(json!({ "type": "connection_init", "payload": null }))
        .await;
    socket.expect(json!({ "type": "connection_ack" })).await;
}

#[tokio::test]
async fn a_ping_is_answered_with_its_payload() {
    let (server, _scratch) = server().await;
    let mut socket = Socket::acknowledged(&server).await;
    socket
        .send(json!({ "type": "ping", "payload": { "n": 1 } }))
        .await;
    socket
        .expect(json!({ "type": "pong", "payload": { "n": 1 } }))
        .await;
    socket.send(json!({ "type": "ping", "payload": null })).await;
    socket.expect(json!({ "type": "pong" })).await;
}

#[tokio::test]
async fn a_pong_that_nobody_asked_for_is_heard_in_silence() {
    let (server, _scratch) = server().await;
    let mut socket = Socket::acknowledged(&server).await;
    for payload in [json!(null), json!({ "n": 1 })] {
        socket.send(json!({ "type": "pong", "payload": payload })).await;
    }
    socket.send(json!({ "type": "pong" })).await;
    socket.send(json!({ "type": "ping" })).await;
    socket.expect(json!({ "type": "pong" })).await;
}

/// A server whose replies are under way all through a test, and one of them.
async fn endless() -> (Server, Scratch, String) {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(&scratch, &["--builtin-pace", "50", "--builtin-words", "100000"]);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "Hello").await;
    (server, scratch, reply)
}

#[tokio::test]
async fn an_id_in_use_closes_with_4409_and_says_which() {
    let (server, _scratch, reply) = endless().await;
    // Whatever kind of operation uses it again.
    for again in [REPLY, "subscription { nothing }", "{ viewer { isAnonymous } }"] {
        let mut socket = Socket::acknowledged(&server).await;
        socket.subscribe("one", REPLY, json!({ "id": reply })).await;
        socket.subscribe("one", again, json!({ "id": reply })).await;
        let (messages, code, reason) = socket.drain().await;
        assert!(messages.iter().all(|message| message["type"] == "next"));
        assert_eq!(
            (code, reason.as_str()),
            (4409, "Subscriber for one already exists")
        );
    }
}

#[tokio::test]
async fn an_id_can_be_used_again_once_either_side_has_completed_it() {
    let (server, _scratch, reply) = endless().await;
    let mut socket = Socket::acknowledged(&server).await;
    for _ in 0..3 {
        socket.subscribe("1", REPLY, json!({ "id": reply })).await;
        assert_eq!(socket.message().await["type"], "next");
        socket.send(json!({ "type": "complete", "id": "1" })).await;
    }
    socket.send(json!({ "type": "ping" })).await;
    while socket.message().await["type"] != "pong" {}
    for _ in 0..3 {
        socket.send(subscribe("1", "{ viewer { isAnonymous } }")).await;
        assert_eq!(socket.message().await["type"], "next");
        socket.expect(json!({ "type": "complete", "id": "1" })).await;
    }
}

#[tokio::test]
async fn nothing_of_an_operation_comes_behind_the_client_s_complete() {
    let (server, _scratch, reply) = endless().await;
    let mut socket = Socket::acknowledged(&server).await;
    socket.subscribe("1", REPLY, json!({ "id": reply })).await;
    assert_eq!(socket.message().await["type"], "next");
    socket.send(json!({ "type": "complete", "id": "1" })).await;
    socket.send(json!({ "type": "ping" })).await;
    // What was on its way is on its way; behind the pong there is nothing, and no complete either.
    while socket.message().await["type"] != "pong" {}
    socket.send(subscribe("2", "{ viewer { isAnonymous } }")).await;
    assert_eq!(socket.message().await["id"], "2");
    socket.expect(json!({ "type": "complete", "id": "2" })).await;
}

#[tokio::test]
async fn the_result_of_a_query_that_was_completed_before_it_resolved_is_not_sent() {
    let (server, _scratch) = server().await;
    for _ in 0..100 {
        server.create_chat("A chat").await;
    }
    let slow = "{ chats(first: 100) { edges { node { messages(first: 100) { edges { cursor } } messageCount
        lastMessage { id } tokenCount } } } }";
    let mut socket = Socket::acknowledged(&server).await;
    for n in 0..50 {
        let id = format!("slow {n}");
        socket.send(subscribe(&id, slow)).await;
        socket.send(json!({ "type": "complete", "id": id })).await;
    }
    socket.send(json!({ "type": "ping" })).await;
    let mut results = 0;
    while socket.message().await["type"] != "pong" {
        results += 1;
    }
    assert!(results < 50, "all came before they were completed");
    // By the time that this has resolved, so have they.
    socket.send(subscribe("last", slow)).await;
    assert_eq!(socket.message().await["id"], "last");
    socket.expect(json!({ "type": "complete", "id": "last" })).await;
}

#[tokio::test]
async fn a_complete_of_an_id_that_is_not_in_use_is_ignored() {
    let (server, _scratch) = server().await;
    let mut socket = Socket::acknowledged(&server).await;
    socket.send(json!({ "type": "complete", "id": "unknown" })).await;
    socket.send(subscribe("1", "{ viewer { isAnonymous } }")).await;
    assert_eq!(socket.message().await["type"], "next");
    socket.expect(json!({ "type": "complete", "id": "1" })).await;
    // The two ends completed at once.
    socket.send(json!({ "type": "complete", "id": "1" })).await;
    socket.send(json!({ "type": "ping" })).await;
    socket.expect(json!({ "type": "pong" })).await;
}

#[tokio::test]
async fn queries_and_mutations_run_over_the_socket_too() {
    let (server, _scratch) = server().await;
    let mut socket = Socket::acknowledged(&server).await;
    socket
        .send(subscribe(
            "a",
            "mutation { createChat(input: {title: \"x\"}) { chat { title } } }",
        ))
        .await;
    let data = json!({ "createChat": { "chat": { "title": "x" } } });
    let message = socket.message().await;
    assert_eq!((&message["type"], &message["id"]), (&json!("next"), &json!("a")));
    assert_eq!(message["payload"]["data"], data);
    socket.expect(json!({ "type": "complete", "id": "a" })).await;
}

#[tokio::test]
async fn a_refused_operation_ends_with_an_error_and_the_socket_goes_on() {
    let (server, _scratch) = server().await;
    let mut socket = Socket::acknowledged(&server).await;
    let unknown = "subscription { reply(messageId: \"5f7c8ec7c33c6c004bbafe82\") { __typename } }";
    for (code, query) in [
        ("GRAPHQL_PARSE_FAILED", "{"),
        ("GRAPHQL_VALIDATION_FAILED", "{ nothing }"),
        ("NOT_FOUND", unknown),
        (
            "INVALID_ID",
            "subscription { reply(messageId: \"x\") { __typename } }",
        ),
        ("INVALID_CURSOR", &unknown.replace("\")", "\", after: \"x\")")),
    ] {
        socket.send(subscribe("1", query)).await;
        let message = socket.message().await;
        assert_eq!(message["type"], "error", "{message}");
        assert_eq!(message["id"], "1");
        assert_eq!(message["payload"][0]["extensions"]["code"], code);
    }
    socket.send(subscribe("1", "{ viewer { isAnonymous } }")).await;
    assert_eq!(socket.message().await["type"], "next");
}

#[tokio::test]
async fn operations_of_one_socket_do_not_wait_for_each_other() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(&scratch, &["--builtin-pace", "1", "--builtin-words", "1000"]);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "Hello").await;
    let mut socket = Socket::acknowledged(&server).await;
    socket.subscribe("slow", REPLY, json!({ "id": reply })).await;
    assert_eq!(socket.message().await["id"], "slow");
    socket
        .send(subscribe("quick", "{ viewer { isAnonymous } }"))
        .await;
    loop {
        let message = socket.message().await;
        if message["id"] == "quick" {
            break assert_eq!(message["type"], "next");
        }
    }
}

#[tokio::test]
async fn the_parameters_of_an_operation_may_be_null_and_mean_what_they_say() {
    let (server, _scratch) = server().await;
    let mut socket = Socket::acknowledged(&server).await;
    for (payload, data) in [
        (
            json!({ "query": "{ __typename }", "variables": null, "operationName": null, "extensions": null }),
            json!({ "__typename": "Query" }),
        ),
        (
            json!({ "query": "query A { a: __typename } query B { b: __typename }", "operationName": "B" }),
            json!({ "b": "Query" }),
        ),
        (
            json!({ "query": "query ($is: Boolean!) { viewer @skip(if: $is) { userId } }", "variables": { "is": true } }),
            json!({}),
        ),
    ] {
        socket
            .send(json!({ "type": "subscribe", "id": "1", "payload": payload }))
            .await;
        let payload = json!({ "data": data });
        socket
            .expect(json!({ "type": "next", "id": "1", "payload": payload }))
            .await;
        socket.expect(json!({ "type": "complete", "id": "1" })).await;
    }
}

#[tokio::test]
async fn a_subscription_ends_with_complete_when_its_source_does() {
    let (server, _scratch) = server().await;
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "Hello").await;
    let mut socket = Socket::acknowledged(&server).await;
    let typename = "subscription ($id: ID!) { reply(messageId: $id) { __typename } }";
    socket
        .subscribe("नमस्ते \"1\"", typename, json!({ "id": reply }))
        .await;
    let mut last = json!(null);
    loop {
        let message = socket.message().await;
        assert_eq!(message["id"], "नमस्ते \"1\"");
        if message["type"] == "complete" {
            break;
        }
        assert_eq!(message["type"], "next");
        last = message["payload"]["data"]["reply"]["__typename"].clone();
    }
    assert_eq!(last, "ReplyFinished");
}

#[tokio::test]
async fn the_error_of_one_field_is_part_of_the_result() {
    let (server, _scratch) = server().await;
    let mut socket = Socket::acknowledged(&server).await;
    let query = "{ viewer { isAnonymous } chat(id: \"x\") { id } }";
    socket.send(subscribe("1", query)).await;
    let message = socket.message().await;
    assert_eq!(message["type"], "next");
    assert_eq!(
        message["payload"]["data"],
        json!({ "viewer": { "isAnonymous": true }, "chat": null })
    );
    assert_eq!(
        message["payload"]["errors"][0]["extensions"]["code"],
        "INVALID_ID"
    );
    socket.expect(json!({ "type": "complete", "id": "1" })).await;
}

#[tokio::test]
async fn one_operation_too_many_is_refused_alone() {
    let (server, _scratch, reply) = endless().await;
    let mut socket = Socket::acknowledged(&server).await;
    let quiet = "subscription ($id: ID!) { reply(messageId: $id) { ... on ReplyFinished { cursor } } }";
    for n in 0..100 {
        socket
            .subscribe(&n.to_string(), quiet, json!({ "id": reply }))
            .await;
    }
    socket.subscribe("one more", quiet, json!({ "id": reply })).await;
    let refusal = loop {
        let message = socket.message().await;
        if message["type"] == "error" {
            break message;
        }
    };
    assert_eq!(refusal["id"], "one more");
    assert_eq!(refusal["payload"][0]["extensions"]["code"], "TOO_MANY_OPERATIONS");
    socket.send(json!({ "type": "complete", "id": "7" })).await;
    socket.send(subscribe("one more", "{ __typename }")).await;
    while socket.message().await["id"] != "one more" {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completed_mutation_counts_until_it_is_done() {
    let mongod = Mongod::start().await;
    let scratch = Scratch::on_mongod(&mongod.uri("owner", ""));
    let server = Server::start_with(&scratch, &["--limit", "operations-per-socket=2"]);
    let chat = server.create_chat("A chat").await;
    let create = "mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }";
    let mut socket = Socket::acknowledged(&server).await;
    mongod.freeze();
    for id in ["1", "2"] {
        let input = json!({ "input": { "chatId": chat, "text": "Hello" } });
        socket.subscribe(id, create, input).await;
        socket.send(json!({ "type": "complete", "id": id })).await;
    }
    // Its id can be used again, but there is no room.
    socket.send(subscribe("1", "{ __typename }")).await;
    let refusal = socket.message().await;
    assert_eq!((&refusal["type"], &refusal["id"]), (&json!("error"), &json!("1")));
    assert_eq!(refusal["payload"][0]["extensions"]["code"], "TOO_MANY_OPERATIONS");
    mongod.thaw();
    // Nothing says when the mutations are done, except that there is room.
    let deadline = Instant::now() + DONE_WITHIN;
    loop {
        socket.send(subscribe("1", "{ __typename }")).await;
        if socket.message().await["type"] == "next" {
            break;
        }
        assert!(Instant::now() < deadline, "the mutations keep their places");
    }
    socket.expect(json!({ "type": "complete", "id": "1" })).await;
}

#[tokio::test]
async fn a_message_that_is_too_big_closes_with_1009() {
    let (server, _scratch) = server().await;
    let message = |bytes| subscribe("1", &format!("# {}", "x".repeat(bytes)));
    let mut socket = Socket::acknowledged(&server).await;
    socket.send(message(300 * 1024)).await;
    socket.expect_close(1009).await;
    // More than the buffers of both ends hold: most of it is never read.
    let mut socket = Socket::acknowledged(&server).await;
    socket.send_in_vain(message(50 * 1024 * 1024)).await;
    socket.expect_close(1009).await;
}

#[tokio::test]
async fn a_client_that_closes_is_answered() {
    let (server, _scratch) = server().await;
    for code in [1000, 4499] {
        let mut socket = Socket::acknowledged(&server).await;
        socket.send(subscribe("1", "{ viewer { isAnonymous } }")).await;
        assert_eq!(socket.close(code).await, code);
    }
}

#[tokio::test]
async fn a_server_that_stops_ends_the_reply_and_closes_its_sockets() {
    let scratch = Scratch::embedded().await;
    let slow = [
        "--builtin-pace",
        "10",
        "--builtin-words",
        "1000",
        "--drain-seconds",
        "0",
    ];
    let server = Server::start_with(&scratch, &slow);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "Hello").await;
    let mut socket = Socket::acknowledged(&server).await;
    socket.subscribe("1", REPLY, json!({ "id": reply })).await;
    assert_eq!(socket.message().await["type"], "next");
    let stopped = tokio::task::spawn_blocking(|| server.stop());
    let (_, code, _) = socket.drain().await;
    assert_eq!(code, 1012);
    let (status, log) = stopped.await.unwrap();
    assert!(status.success(), "{log}");

    let server = Server::start(&scratch);
    let query = "query ($id: ID!) { message(id: $id) { reply { state } } }";
    let data = server.data(query, json!({ "id": reply })).await;
    assert_eq!(data["message"]["reply"]["state"], "INTERRUPTED");
}
