//! What every transport that streams results does alike.

use serde_json::{Value, json};

use crate::support::operation::{Operation, Outcome, Transport};
use crate::support::scratch::Scratch;
use crate::support::server::Server;

macro_rules! over_every_transport {
    ($($name:ident),* $(,)?) => {
        mod websocket { $(
            #[tokio::test]
            async fn $name() { super::$name(super::Transport::WebSocket).await }
        )* }
        mod events { $(
            #[tokio::test]
            async fn $name() { super::$name(super::Transport::Events).await }
        )* }
        mod parts { $(
            #[tokio::test]
            async fn $name() { super::$name(super::Transport::Parts).await }
        )* }
    };
}

over_every_transport! {
    a_reply_streams_to_its_end,
    a_reply_goes_on_behind_the_cursor_when_the_line_broke,
    a_chat_streams_with_the_replies_in_it,
    an_operation_that_cannot_run_says_why_and_ends,
    the_end_of_the_server_is_not_the_end_of_the_operation,
}

const REPLY: &str =
    "subscription ($id: ID!, $after: String) { reply(messageId: $id, after: $after) { __typename
    ... on ReplySnapshot { text cursor } ... on ReplyPartial { text cursor }
    ... on ReplyFinished { message { text reply { state } } } } }";

/// A client by the documented rule.
#[derive(Default)]
struct Client {
    text: String,
    cursor: Value,
    snapshots: usize,
    end: Option<Value>,
}

impl Client {
    fn apply(&mut self, mut result: Value) {
        let mut event = result["data"]["reply"].take();
        let piece = event["text"].as_str().unwrap_or_default().to_owned();
        match event["__typename"].as_str() {
            Some("ReplySnapshot") => {
                self.text = piece;
                self.snapshots += 1;
            }
            Some("ReplyPartial") => self.text.push_str(&piece),
            Some("ReplyFinished") => return self.end = Some(event["message"].take()),
            _ => panic!("{result}"),
        }
        self.cursor = event["cursor"].take();
    }

    async fn follow(&mut self, transport: Transport, server: &Server, reply: &str) -> Operation {
        let variables = json!({ "id": reply, "after": self.cursor });
        Operation::begin(transport, server, REPLY, variables).await
    }

    /// Follows to the end of the reply, and of the operation.
    async fn finish(&mut self, operation: &mut Operation) {
        while self.end.is_none() {
            self.apply(operation.result().await);
        }
        assert_eq!(operation.next().await, Outcome::Complete);
        assert_eq!(self.end.as_ref().unwrap()["text"], self.text);
    }
}

async fn a_reply_streams_to_its_end(transport: Transport) {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(&scratch, &["--builtin-pace", "200", "--builtin-words", "40"]);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "समुद्र 🌊").await;
    let mut client = Client::default();
    let mut operation = client.follow(transport, &server, &reply).await;
    client.finish(&mut operation).await;
    assert_eq!(client.end.unwrap()["reply"]["state"], "COMPLETE");
    assert_eq!(client.snapshots, 1);
}

async fn a_reply_goes_on_behind_the_cursor_when_the_line_broke(transport: Transport) {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(&scratch, &["--builtin-pace", "200", "--builtin-words", "100"]);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "समुद्र 🌊").await;
    let mut client = Client::default();
    for _ in 0..5 {
        let mut operation = client.follow(transport, &server, &reply).await;
        for _ in 0..4 {
            client.apply(operation.result().await);
        }
    }
    let mut operation = client.follow(transport, &server, &reply).await;
    client.finish(&mut operation).await;
    assert_eq!(client.snapshots, 1, "a resumed reply began anew");
}

async fn a_chat_streams_with_the_replies_in_it(transport: Transport) {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(&scratch, &["--builtin-pace", "0"]);
    let chat = server.create_chat("A chat").await;
    let query =
        "subscription ($id: ID!) { chat(id: $id) { __typename ... on ReplyFinished { message { text } } } }";
    let mut operation = Operation::begin(transport, &server, query, json!({ "id": chat })).await;
    let mut kinds = Vec::new();
    assert_eq!(
        operation.result().await["data"]["chat"]["__typename"],
        "ChatResync"
    );
    server.send(&chat, "Hello").await;
    loop {
        let kind = operation.result().await["data"]["chat"]["__typename"].take();
        kinds.push(kind.as_str().unwrap().to_owned());
        if kind == "ReplyFinished" {
            break;
        }
    }
    assert_eq!(kinds[0], "MessageAdded");
    let delete = "mutation ($id: ID!) { deleteChat(input: {id: $id}) { __typename } }";
    server.data(delete, json!({ "id": chat })).await;
    assert_eq!(
        operation.result().await["data"]["chat"]["__typename"],
        "ChatDeleted"
    );
    assert_eq!(operation.next().await, Outcome::Complete);
}

async fn an_operation_that_cannot_run_says_why_and_ends(transport: Transport) {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    for (query, id, code) in [
        ("subscription {", "x", "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", "x", "GRAPHQL_VALIDATION_FAILED"),
        (REPLY, "x", "INVALID_ID"),
        (REPLY, "5f7c8ec7c33c6c004bbafe82", "NOT_FOUND"),
    ] {
        let mut operation = Operation::begin(transport, &server, query, json!({ "id": id })).await;
        let result = operation.result().await;
        assert_eq!(result["errors"][0]["extensions"]["code"], code, "{result}");
        assert!(result.get("data").is_none(), "{result}");
        // An error ends an operation of a WebSocket by itself.
        if transport != Transport::WebSocket {
            assert_eq!(operation.next().await, Outcome::Complete);
        }
    }
}

async fn the_end_of_the_server_is_not_the_end_of_the_operation(transport: Transport) {
    let scratch = Scratch::embedded().await;
    let slow = [
        "--builtin-pace",
        "20",
        "--builtin-words",
        "1000",
        "--drain-seconds",
        "0",
    ];
    let server = Server::start_with(&scratch, &slow);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "Hello").await;
    let mut client = Client::default();
    let mut operation = client.follow(transport, &server, &reply).await;
    client.apply(operation.result().await);
    let stopped = tokio::task::spawn_blocking(|| server.stop());
    while let Outcome::Result(result) = operation.next().await {
        client.apply(result);
    }
    stopped.await.unwrap();
    let server = Server::start_with(&scratch, &slow);
    client.end = None;
    let mut operation = client.follow(transport, &server, &reply).await;
    client.finish(&mut operation).await;
    assert_eq!(client.end.unwrap()["reply"]["state"], "INTERRUPTED");
}
