//! What the protocol document of graphql-ws asks of a server.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::socket::Socket;

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
async fn another_subprotocol_is_refused_at_the_handshake() {
    let (server, _scratch) = server().await;
    for subprotocol in ["graphql-ws", "chat"] {
        assert!(
            Socket::open_as(&server, subprotocol).await.is_err(),
            "{subprotocol}"
        );
    }
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
    socket.send(json!({ "type": "pong" })).await;
    socket.send(json!({ "type": "ping" })).await;
    socket.expect(json!({ "type": "pong" })).await;
}

#[tokio::test]
async fn an_id_in_use_closes_with_4409_and_a_completed_one_can_be_used_again() {
    let scratch = Scratch::embedded().await;
    // Slow enough to be under way all through the test.
    let server = Server::start_with(&scratch, &["--builtin-pace", "1", "--builtin-words", "1000"]);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "Hello").await;
    let mut socket = Socket::acknowledged(&server).await;
    for _ in 0..3 {
        socket.subscribe("1", REPLY, json!({ "id": reply })).await;
        assert_eq!(socket.message().await["type"], "next");
        socket.send(json!({ "type": "complete", "id": "1" })).await;
    }
    // An id that was never in use may be completed: the two ends can complete at once.
    socket.send(json!({ "type": "complete", "id": "unknown" })).await;
    socket.subscribe("1", REPLY, json!({ "id": reply })).await;
    socket.subscribe("1", REPLY, json!({ "id": reply })).await;
    let (messages, code) = socket.drain().await;
    assert!(messages.iter().all(|message| message["type"] == "next"));
    assert_eq!(code, 4409);
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
    let server = Server::start_with(&scratch, &["--builtin-pace", "10", "--builtin-words", "1000"]);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "Hello").await;
    let mut socket = Socket::acknowledged(&server).await;
    socket.subscribe("1", REPLY, json!({ "id": reply })).await;
    assert_eq!(socket.message().await["type"], "next");
    let stopped = tokio::task::spawn_blocking(|| server.stop());
    let (_, code) = socket.drain().await;
    assert_eq!(code, 1012);
    let (status, log) = stopped.await.unwrap();
    assert!(status.success(), "{log}");

    let server = Server::start(&scratch);
    let query = "query ($id: ID!) { message(id: $id) { reply { state } } }";
    let data = server.data(query, json!({ "id": reply })).await;
    assert_eq!(data["message"]["reply"]["state"], "INTERRUPTED");
}
