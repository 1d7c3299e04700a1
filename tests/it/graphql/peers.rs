//! Peers that are dead or do not read: the real handler over lines in memory, where time is what the test says.

use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::any;
use colloquy::drain::Drain;
use colloquy::graphql::Schema;
use colloquy::graphql::ws::{self, Visitor};
use colloquy::service::Session;
use futures_util::{SinkExt, StreamExt};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::json;
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::support::figures::Figures;
use crate::support::house::{House, LINE_BYTES};
use crate::support::make;
use crate::support::scratch::Scratch;

/// As `docs/graphql-ws.md` has them.
const PING_EVERY: Duration = Duration::from_secs(20);
const SILENCE_MAX: Duration = Duration::from_secs(45);
const WRITE_WAIT_MAX: Duration = Duration::from_secs(10);
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(1);

async fn house(scratch: &Scratch) -> House {
    House::new(scratch, |service| {
        let schema = Schema::new(service.clone(), None).unwrap();
        let open = |upgrade: WebSocketUpgrade| async move {
            let visitor = Visitor {
                session: Some(Session::anonymous(None)),
                address: None,
            };
            upgrade.on_upgrade(move |socket| ws::serve(socket, schema, visitor, Drain::new(false)))
        };
        Router::new().route("/graphql", any(open))
    })
    .await
}

async fn open(house: &House) -> WebSocketStream<DuplexStream> {
    let mut socket = client_async("ws://house/graphql", house.line()).await.unwrap().0;
    let init = json!({ "type": "connection_init" }).to_string();
    socket.send(Message::text(init)).await.unwrap();
    let ack = socket.next().await.unwrap().unwrap();
    assert_eq!(ack.into_text().unwrap().as_str(), r#"{"type":"connection_ack"}"#);
    socket
}

/// A close frame as it is on the line.
fn close(code: u16, reason: &str) -> Vec<u8> {
    let length = u8::try_from(2 + reason.len()).unwrap();
    [&[0x88, length], &code.to_be_bytes()[..], reason.as_bytes()].concat()
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_closed_with_1001() {
    let scratch = Scratch::embedded().await;
    let house = house(&scratch).await;
    tokio::time::pause();
    let mut answers = open(&house).await;
    // From here on nobody answers; what comes over the line is only looked at.
    let mut line = open(&house).await.into_inner();
    let opened = Instant::now();
    let answering = tokio::spawn(async move {
        // To read on is to answer the ping before.
        for n in 1..=5 {
            match answers.next().await {
                Some(Ok(Message::Ping(_))) => {}
                other => panic!("{n}: {other:?}"),
            }
        }
        opened.elapsed()
    });
    let mut came = Vec::new();
    line.read_to_end(&mut came).await.unwrap();
    let pings = [0x89, 0, 0x89, 0];
    assert_eq!(came, [&pings[..], &close(1001, "No answer to pings")].concat());
    assert!(opened.elapsed() >= SILENCE_MAX && opened.elapsed() <= SILENCE_MAX + PING_EVERY);
    assert_eq!(answering.await.unwrap().as_secs(), 5 * PING_EVERY.as_secs());
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_closed_with_1013() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let figures = recorder.handle();
    // Everything runs on this thread.
    let _heard = metrics::set_default_local_recorder(&recorder);
    let scratch = Scratch::embedded().await;
    let house = house(&scratch).await;
    tokio::time::pause();
    let mut socket = open(&house).await;
    // More answers than the line holds.
    let query = format!(
        "{{ {} }}",
        "viewer { isAnonymous } __schema { types { name description } }"
    );
    for n in 0..20 {
        let subscribe = json!({ "type": "subscribe", "id": n.to_string(), "payload": { "query": query } });
        socket.send(Message::text(subscribe.to_string())).await.unwrap();
    }
    let mut line = socket.into_inner();
    let opened = Instant::now();
    // The close frame has no room either until something is read, just before the server gives that up too.
    tokio::time::sleep(WRITE_WAIT_MAX + Duration::from_millis(500)).await;
    let mut came = Vec::new();
    line.read_to_end(&mut came).await.unwrap();
    assert!(came.ends_with(&close(1013, "Slow consumer")));
    assert!(opened.elapsed() < 2 * WRITE_WAIT_MAX);
    let figures = Figures::read(figures.render());
    let slow = figures.sum("colloquy_slow_readers_total", &[("face", "graphql")]);
    assert_eq!(slow, Some(1.0));
}

#[tokio::test]
async fn a_goodbye_is_answered_also_where_a_write_fails_because_of_it() {
    let scratch = Scratch::memory().await;
    let house = house(&scratch).await;
    let chat = make::chat();
    house.store.insert_chat(&chat).await.unwrap();
    tokio::time::pause();
    let mut socket = open(&house).await;
    // A pong that leaves no room in the line for the answer to the goodbye.
    let pong = |filler: &str| format!(r#"{{"type":"pong","payload":{{"filler":"{filler}"}}}}"#);
    let header = 4;
    let filler = "x".repeat(LINE_BYTES - header - pong("").len());
    let ping = json!({ "type": "ping", "payload": { "filler": filler } }).to_string();
    socket.send(Message::text(ping)).await.unwrap();
    // Time passes only when there is nothing left to do.
    tokio::time::sleep(CLOSE_WAIT_MAX / 2).await;
    let query = "mutation ($chat: ID!) { createMessage(input: { chatId: $chat, text: \"Hello\" }) { message { id } } }";
    let payload = json!({ "query": query, "variables": { "chat": chat.id.to_string() } });
    let subscribe = json!({ "type": "subscribe", "id": "1", "payload": payload }).to_string();
    socket.send(Message::text(subscribe)).await.unwrap();
    socket.send(Message::Close(None)).await.unwrap();
    // Whatever comes of the mutation meanwhile cannot be written.
    tokio::time::sleep(CLOSE_WAIT_MAX / 2).await;
    let came = socket.next().await.unwrap().unwrap();
    assert!(came == Message::text(pong(&filler)), "{came:.200?}");
    match socket.next().await {
        Some(Ok(Message::Close(_))) => {}
        other => panic!("{other:?}"),
    }
}
