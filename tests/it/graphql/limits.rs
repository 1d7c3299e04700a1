//! Passing a limit is a clear error, and costs the server nothing.

use reqwest::Client;
use serde_json::{Value, json};

use crate::support::operation::{Operation, Transport};
use crate::support::scratch::Scratch;
use crate::support::server::Server;

/// What an allocator may keep of so many refusals, in KiB.
const GROWTH_KIB_MAX: u64 = 24 * 1024;
const ROUNDS: usize = 15;

/// Small requests that ask for very much, each with what it is.
fn bombs() -> Vec<(&'static str, String, Value)> {
    let fragments = |levels: usize, spreads: &str| {
        let of = |n: usize| {
            format!(
                "fragment F{n} on Query {{ {} }}\n",
                spreads.replace('N', &(n + 1).to_string())
            )
        };
        let chain: String = (0..levels).map(of).collect();
        format!("{{ ...F0 }}\n{chain} fragment F{levels} on Query {{ __typename }}")
    };
    let none = || json!({});
    let nested = |depth: usize| {
        let text = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        json!({ "x": serde_json::from_str::<Value>(&text).unwrap() })
    };
    vec![
        ("exponential fragments", fragments(40, "...FN ...FN"), none()),
        ("a long chain of fragments", fragments(1_000, "...FN"), none()),
        (
            "circular fragments",
            "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }".to_owned(),
            none(),
        ),
        (
            "a deep selection",
            format!(
                "{{ {} id {} }}",
                "chat { messages { edges { node { ".repeat(15),
                "}".repeat(60)
            ),
            none(),
        ),
        (
            "a deep argument",
            format!(
                "{{ chat(id: {}1{}) {{ id }} }}",
                "[".repeat(5_000),
                "]".repeat(5_000)
            ),
            none(),
        ),
        (
            "a deep object",
            format!(
                "{{ chat(id: {}1{}) {{ id }} }}",
                "{a:".repeat(5_000),
                "}".repeat(5_000)
            ),
            none(),
        ),
        ("an unclosed flood of brackets", "[".repeat(200_000), none()),
        (
            "aliases",
            format!(
                "{{ viewer {{ {} }} }}",
                (0..1_000).map(|n| format!("a{n}: userId ")).collect::<String>()
            ),
            none(),
        ),
        (
            "root fields",
            format!(
                "{{ {} }}",
                (0..100)
                    .map(|n| format!("a{n}: viewer {{ userId }} "))
                    .collect::<String>()
            ),
            none(),
        ),
        (
            "tokens",
            format!("{{ viewer {{ {} }} }}", "userId ".repeat(30_000)),
            none(),
        ),
        (
            "directives",
            format!("{{ viewer {{ userId {} }} }}", "@skip(if: false) ".repeat(100)),
            none(),
        ),
        (
            "lists of lists",
            "{ chats(first: 100) { edges { node { messages(first: 100) { edges { node { chat {
            messages(first: 100) { edges { node { id } } } } } } } } } } }"
                .to_owned(),
            none(),
        ),
        (
            "deep variables",
            "query ($x: ID) { chat(id: $x) { id } }".to_owned(),
            nested(100),
        ),
        ("a long name", format!("{{ {} }}", "x".repeat(200_000)), none()),
        (
            "a long string",
            format!("{{ chat(id: \"{}\") {{ id }} }}", "x".repeat(200_000)),
            none(),
        ),
    ]
}

#[tokio::test]
async fn bombs_are_refused_with_a_code_and_leave_no_memory_behind() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_thrifty(&scratch, &[]);
    let mut before = 0;
    for round in 0..=ROUNDS {
        for (what, query, variables) in bombs() {
            let response = server.request(&query, variables).await;
            let code = response["errors"][0]["extensions"]["code"]
                .as_str()
                .unwrap_or_default();
            let refused = [
                "QUERY_TOO_COMPLEX",
                "GRAPHQL_PARSE_FAILED",
                "GRAPHQL_VALIDATION_FAILED",
                "INVALID_PAGE_SIZE",
                "INVALID_ID",
                "BAD_USER_INPUT",
            ];
            assert!(refused.contains(&code), "{what}: {response}");
            if [
                "aliases",
                "root fields",
                "tokens",
                "lists of lists",
                "deep variables",
            ]
            .contains(&what)
            {
                assert_eq!(code, "QUERY_TOO_COMPLEX", "{what}: {response}");
            }
        }
        if round == 5 {
            before = server.memory_kib();
        }
    }
    let after = server.memory_kib();
    assert!(after < before + GROWTH_KIB_MAX, "{before} KiB, then {after} KiB");
}

#[tokio::test]
async fn a_limit_is_what_the_operator_says() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(
        &scratch,
        &[
            "--limit",
            "page-size=5,aliases=1",
            "--limit",
            "title-chars=3",
            "--no-introspection",
            "--no-suggestions",
        ],
    );
    let chats = "query ($n: Int) { chats(first: $n) { edges { cursor } } }";
    assert_eq!(server.code(chats, json!({ "n": 6 })).await, "INVALID_PAGE_SIZE");
    server.data(chats, json!({ "n": 5 })).await;
    let create = "mutation ($title: String!) { createChat(input: {title: $title}) { chat { id } } }";
    assert_eq!(
        server.code(create, json!({ "title": "four" })).await,
        "INVALID_TITLE"
    );
    server.data(create, json!({ "title": "two" })).await;
    let aliases = "{ a: __typename b: __typename }";
    assert_eq!(server.code(aliases, json!({})).await, "QUERY_TOO_COMPLEX");
    let schema = server
        .request("{ __schema { queryType { name } } }", json!({}))
        .await;
    assert!(schema.get("data").is_none(), "{schema}");
    let wrong = server.request("{ viewr { userId } }", json!({})).await;
    let message = wrong["errors"][0]["message"].as_str().unwrap();
    assert!(!message.contains("viewer"), "{message}");
}

#[tokio::test]
async fn one_stream_too_many_is_refused_whatever_carries_it_until_another_ends() {
    let scratch = Scratch::embedded().await;
    let slow = ["--builtin-pace", "5", "--builtin-words", "1000"];
    let limit = ["--limit", "streams=3"];
    let server = Server::start_with(&scratch, &[&slow[..], &limit].concat());
    let chat = server.create_chat("A chat").await;
    let query = "subscription ($id: ID!) { chat(id: $id) { __typename } }";
    let mut open = Vec::new();
    for transport in [Transport::WebSocket, Transport::Events, Transport::Parts] {
        let mut operation = Operation::begin(transport, &server, query, json!({ "id": chat })).await;
        operation.result().await;
        open.push(operation);
    }
    let try_once = async |accept: &str| {
        let request = Client::new().post(server.at("/graphql")).header("accept", accept);
        let body = json!({ "query": query, "variables": { "id": chat } });
        request.json(&body).send().await.unwrap()
    };
    for accept in ["text/event-stream", "multipart/mixed;subscriptionSpec=1.0"] {
        let response = try_once(accept).await;
        assert_eq!(response.status().as_u16(), 503, "{accept}");
        assert_eq!(response.headers()["retry-after"], "5");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["errors"][0]["extensions"]["code"], "TOO_MANY_STREAMS");
    }
    for path in ["/graphql".to_owned(), format!("/chat/ws/{chat}")] {
        let request = Client::new()
            .get(server.at(&path))
            .header("connection", "upgrade");
        let request = request
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13");
        let request = request.header("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==");
        let request = request.header("sec-websocket-protocol", "graphql-transport-ws");
        assert_eq!(request.send().await.unwrap().status().as_u16(), 503, "{path}");
    }
    // What is no stream goes on, and so do those that are open.
    server.data("{ __typename }", json!({})).await;
    drop(open.pop());
    while try_once("text/event-stream").await.status().as_u16() != 200 {}
}

#[tokio::test]
async fn a_mutation_whose_stream_finds_no_place_changes_nothing() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(&scratch, &["--builtin-pace", "0", "--limit", "streams=1"]);
    let chat = server.create_chat("A chat").await;
    let query = "subscription ($id: ID!) { chat(id: $id) { __typename } }";
    let mut open = Operation::begin(Transport::Events, &server, query, json!({ "id": chat })).await;
    open.result().await;
    let refused = async |mutation: &str, name: &str| {
        let input = json!({ "chatId": chat, "text": name });
        let body = json!({ "query": mutation, "variables": { "input": input } });
        let request = Client::new().post(server.at("/graphql")).json(&body);
        let response = request
            .header("accept", "text/event-stream")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status().as_u16(), 503, "{name}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["errors"][0]["extensions"]["code"], "TOO_MANY_STREAMS");
    };
    for _ in 0..5 {
        refused(
            "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { message { id } } }",
            "sent",
        )
        .await;
        refused(
            "mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }",
            "created",
        )
        .await;
    }
    // Whatever they had begun would be stored before this has ended.
    let reply = server.send(&chat, "allowed").await;
    let ended = "query ($id: ID!) { message(id: $id) { reply { state } } }";
    let is_complete = async || {
        let data = server.data(ended, json!({ "id": reply })).await;
        data["message"]["reply"]["state"] == "COMPLETE"
    };
    while !is_complete().await {}
    let query = "query ($id: ID!) { chat(id: $id) { messages(first: 50) { nodes { text author } } } }";
    let data = server.data(query, json!({ "id": chat })).await;
    let stored = data["chat"]["messages"]["nodes"].as_array().unwrap();
    assert_eq!(stored.len(), 2, "{stored:?}");
    assert_eq!(stored[0]["text"], "allowed");
}
