//! Traces, as a collector gets them.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::on_both_stores;
use crate::support::collector::{Collector, Span};
use crate::support::follow::follow;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::socket::Socket;

/// The example of W3C Trace Context.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
/// Sends what there is ten times a second, so that nobody waits for it.
const SOON: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "100");
/// Far less than what waiting for a collector would take: its patience for each of the messages.
const WITHOUT_WAITING: Duration = Duration::from_secs(60);
/// Messages that are sent while nobody takes traces.
const MESSAGES: usize = 100;

const SEND: &str = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { reply { id } } }";

on_both_stores!(a_prompt_is_one_trace_from_its_caller_to_the_bot_and_the_store);

async fn a_prompt_is_one_trace_from_its_caller_to_the_bot_and_the_store(scratch: &Scratch) {
    let collector = Collector::start().await;
    let arguments = ["--builtin-pace", "0", "--otlp-endpoint", &collector.endpoint()];
    let server = Server::start_in(scratch, &arguments, &[SOON]);
    let chat = server.create_chat("A chat").await;
    let body = json!({ "query": SEND, "variables": { "input": { "chatId": chat, "text": "Hello" } } });
    let request = Client::new().post(server.at("/graphql"));
    let request = request.header("traceparent", format!("00-{TRACE}-{CALLER}-01"));
    let answer = request
        .header("X-Request-Id", "the-request")
        .json(&body)
        .send()
        .await
        .unwrap();
    let answer: Value = answer.json().await.unwrap();
    let reply_id = answer["data"]["sendMessage"]["reply"]["id"].as_str().unwrap();
    follow(&server, reply_id).await;

    // The outermost span comes last.
    let has_ended = |spans: &[Span]| {
        spans
            .iter()
            .any(|span| span.trace == TRACE && span.parent == CALLER)
    };
    let spans = collector.until(has_ended).await;
    let trace: Vec<_> = spans.iter().filter(|span| span.trace == TRACE).collect();
    let named = |name: &str| {
        let found: Vec<_> = trace.iter().filter(|span| span.name == name).collect();
        assert_eq!(found.len(), 1, "{name}: {trace:#?}");
        *found[0]
    };
    let request = named("POST /graphql");
    let operation = named("mutation sendMessage");
    let reply = named("reply");
    let upstream = named("upstream");
    assert_eq!(request.parent, CALLER);
    assert_eq!(operation.parent, request.id);
    assert_eq!(reply.parent, operation.id);
    assert_eq!(upstream.parent, reply.id);
    assert_eq!(request.attributes["request.id"], "the-request");
    assert_eq!(request.attributes["trace.id"], TRACE);
    assert_eq!(reply.attributes["message.id"], reply_id);
    assert_eq!(reply.attributes["chat.id"], chat);
    assert_eq!(upstream.events, ["the bot said its first piece"]);
    assert_eq!(request.service, "colloquy");
    // Though it is told last, the request was over when it was answered.
    assert!(
        request.began <= operation.began && operation.began <= reply.began && request.ended <= reply.ended
    );
    let stored = |parent: &Span, operation: &str| {
        let is_it = |span: &&&Span| {
            span.name == "store"
                && span.parent == parent.id
                && span.attributes["store.operation"] == operation
        };
        trace.iter().filter(is_it).count()
    };
    // The message together with its reply; then the reply's end.
    assert_eq!(stored(operation, "begin_exchange"), 1);
    assert_eq!(stored(reply, "finish_reply"), 1);
    // Nothing else belongs to it, and what the server does by itself belongs to nobody.
    assert!(
        spans
            .iter()
            .all(|span| span.name != "store" || !span.parent.is_empty())
    );
}

#[tokio::test]
async fn each_operation_of_a_socket_is_a_trace_of_its_own() {
    let scratch = Scratch::embedded().await;
    let collector = Collector::start().await;
    let endpoint = collector.endpoint();
    // As every program that speaks OpenTelemetry is told.
    let variables = [
        SOON,
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_SERVICE_NAME", "a-name"),
    ];
    let server = Server::start_in(&scratch, &["--builtin-pace", "0"], &variables);
    let chat = server.create_chat("A chat").await;
    let mut socket = Socket::acknowledged(&server).await;
    for id in ["1", "2"] {
        let input = json!({ "input": { "chatId": chat, "text": "Hello" } });
        socket.subscribe(id, SEND, input).await;
        socket.message().await;
        socket.expect(json!({ "type": "complete", "id": id })).await;
    }
    let is_operation = |span: &&Span| span.name == "mutation sendMessage";
    let spans = collector
        .until(|spans| spans.iter().filter(is_operation).count() == 2)
        .await;
    let operations: Vec<_> = spans.iter().filter(is_operation).collect();
    assert!(
        operations
            .iter()
            .all(|span| span.parent.is_empty() && span.service == "a-name")
    );
    assert_ne!(operations[0].trace, operations[1].trace);
    assert!(spans.iter().all(|span| span.name != "socket"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_takes_nothing_slows_and_fails_nothing() {
    // One that is not there, and one that never answers.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone_at = gone.local_addr().unwrap();
    drop(gone);
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mute_at = mute.local_addr().unwrap();
    let listening = tokio::spawn(async move {
        while let Ok((mut line, _)) = mute.accept().await {
            tokio::spawn(async move { while line.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {} });
        }
    });
    for collector in [gone_at, mute_at] {
        let scratch = Scratch::embedded().await;
        let endpoint = format!("http://{collector}");
        let arguments = ["--builtin-pace", "0", "--otlp-endpoint", &endpoint];
        // Far fewer than there will be.
        let variables = [
            SOON,
            ("OTEL_BSP_MAX_QUEUE_SIZE", "16"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8"),
        ];
        let server = Server::start_in(&scratch, &arguments, &variables);
        let begun = Instant::now();
        let chats = join_all((0..MESSAGES).map(|_| server.create_chat("A chat"))).await;
        let replies = join_all(chats.iter().map(|chat| server.send(chat, "Hello"))).await;
        let (_, end) = follow(&server, &replies[MESSAGES - 1]).await;
        assert_eq!(end["reply"]["state"], "COMPLETE");
        let (status, log) = server.stop();
        assert!(status.success());
        assert!(begun.elapsed() < WITHOUT_WAITING, "{:?}", begun.elapsed());
        let complaints = log.matches("the collector does not take traces").count();
        assert!(complaints <= 1, "{log}");
        assert!(!log.contains(&collector.to_string()), "{log}");
    }
    listening.abort();
}
