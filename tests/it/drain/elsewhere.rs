//! A server whose store others share: it sends its streams to them, and finishes its replies meanwhile.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::header::{ACCEPT, CONNECTION, RETRY_AFTER, UPGRADE};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{CREATE, REPLY, SEND, Viewer, draining, messages, stored};
use crate::support::follow::ChatFollower;
use crate::support::mt::Mt;
use crate::support::operation::{Operation, Outcome, Transport};
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::socket::Socket;

const STEADY: [&str; 6] = [
    "--builtin-pace",
    "40",
    "--builtin-words",
    "240",
    "--drain-seconds",
    "60",
];
const SOCKETS: usize = 12;
/// How long a slow Redis takes: longer than a server has connections behind its doors, and shorter than a server waits for
/// Redis.
const SLOW_FEED_MS: u64 = 800;
/// Within the two seconds in which all of them go, the first and the last of a dozen are further apart than this.
const APART_MIN: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn streams_go_elsewhere_one_after_the_other_and_their_replies_are_finished() {
    let scratch = Scratch::mongo().await;
    let server = Server::start_with(&scratch, &STEADY);
    let other = Server::start_with(&scratch, &STEADY);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "The sea 🌊").await;
    let variables = json!({ "id": reply });
    let mut sockets = Vec::new();
    for _ in 0..SOCKETS {
        let mut socket = Socket::acknowledged(&server).await;
        socket.subscribe("1", REPLY, variables.clone()).await;
        sockets.push(socket);
    }
    let mut documented = Mt::open(&server, &chat).await;
    let mut operations = Vec::new();
    for transport in [Transport::Events, Transport::Parts] {
        let mut operation = Operation::begin(transport, &server, REPLY, variables.clone()).await;
        let mut viewer = Viewer::default();
        viewer.apply(operation.result().await);
        operations.push((operation, viewer));
    }

    server.tell_to_stop();
    draining(&server).await;
    new_work_is_sent_away(&server, &chat).await;
    let closes = sockets.into_iter().map(async |mut socket| {
        let (frames, code, _) = socket.drain().await;
        assert_eq!(code, 1012);
        let mut viewer = Viewer::default();
        viewer.apply_all(frames);
        (Instant::now(), viewer)
    });
    let closes = join_all(closes).await;
    let times = closes.iter().map(|(at, _)| *at);
    let apart = times.clone().max().unwrap() - times.min().unwrap();
    assert!(apart >= APART_MIN, "{apart:?}");
    assert_eq!(documented.closed().await, 1012);
    let mut viewers: Vec<_> = closes.into_iter().map(|(_, viewer)| viewer).collect();
    for (mut operation, mut viewer) in operations {
        loop {
            match operation.next().await {
                Outcome::Result(result) => viewer.apply(result),
                Outcome::Broken => break,
                // Only a reply that has ended ends its operation.
                Outcome::Complete => assert!(viewer.end.is_some()),
            }
        }
        viewers.push(viewer);
    }
    assert!(viewers.iter().all(|viewer| !viewer.text.is_empty()));

    // They go on behind what they have, while the server that they left finishes the reply.
    let texts = viewers.into_iter().map(async |mut viewer| {
        let mut socket = Socket::acknowledged(&other).await;
        let variables = json!({ "id": reply, "after": viewer.cursor });
        viewer.end = None;
        socket.subscribe("1", REPLY, variables).await;
        while viewer.end.is_none() {
            viewer.apply(socket.message().await["payload"].take());
        }
        viewer.text
    });
    let texts = join_all(texts).await;
    let (status, log) = server.ended().await;
    assert!(status.success(), "{log}");
    let message = stored(&other, &reply).await;
    assert_eq!(message["reply"]["state"], "COMPLETE");
    assert!(texts.iter().all(|text| message["text"] == *text));
    // Of what was sent away nothing was stored.
    assert_eq!(messages(&other, &chat).await.len(), 2);
    drop(other);
    scratch.remove().await;
}

async fn new_work_is_sent_away(server: &Server, chat: &str) {
    let client = Client::new();
    let graphql = server.at("/graphql");
    let socket = |request: RequestBuilder| {
        request
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA==")
    };
    let input = json!({ "input": { "chatId": chat, "text": "One more" } });
    let prompt = json!({ "query": SEND, "variables": input });
    let message = json!({ "query": CREATE, "variables": input });
    let subscription = json!({ "query": REPLY, "variables": { "id": chat } });
    let refusals = [
        client.post(&graphql).json(&prompt),
        client
            .post(&graphql)
            .json(&prompt)
            .header(ACCEPT, "text/event-stream"),
        client
            .post(&graphql)
            .json(&message)
            .header(ACCEPT, "text/event-stream"),
        client
            .post(&graphql)
            .json(&subscription)
            .header(ACCEPT, "text/event-stream"),
        socket(client.get(&graphql)).header("sec-websocket-protocol", "graphql-transport-ws"),
        socket(client.get(server.at(&format!("/chat/ws/{chat}")))),
    ];
    for request in refusals {
        // On a machine that stands still the doors may be closed by now.
        let Ok(answer) = request.send().await else { return };
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()[RETRY_AFTER], "1");
        let body: Value = answer.json().await.unwrap();
        let code = &body["errors"][0]["extensions"]["code"];
        assert!(
            code == "SHUTTING_DOWN" || body["detail"] == "The server is shutting down.",
            "{body}"
        );
    }
    // What is only read is answered.
    let read = json!({ "query": "{ viewer { userId } }" });
    if let Ok(answer) = client.post(&graphql).json(&read).send().await {
        assert_eq!(answer.headers()[CONNECTION], "close");
        assert_eq!(answer.json::<Value>().await.unwrap().get("errors"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listens_any_more_when_the_streams_are_gone() {
    let scratch = Scratch::mongo().await;
    let server = Server::start_with(&scratch, &STEADY);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "The sea 🌊").await;
    server.tell_to_stop();
    draining(&server).await;
    // A proxy that is refused tries the next server.
    while reqwest::get(server.at("/health/live")).await.is_ok() {}
    let store = scratch.open().await;
    let id = colloquy::domain::MessageId::parse(&reply).unwrap();
    let found = store.messages(&[id]).await.unwrap().pop().unwrap();
    assert!(found.is_under_way(), "the reply was over before");
    assert!(server.ended().await.0.success());
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_accepted_at_the_last_moment_reaches_the_other_servers() {
    let scratch = Scratch::mongo_and_redis().await;
    let server = Server::start(&scratch);
    let other = Server::start(&scratch);
    let chat = server.create_chat("A chat").await;
    let mut follower = ChatFollower::start(&other, &chat, &Value::Null).await;
    follower.expect("ChatResync").await;
    let mut redis = scratch.redis().connection().await;
    // It is let in before the doors are closed, and asks for something behind that.
    let address = server.url.strip_prefix("http://").unwrap();
    let mut line = TcpStream::connect(address).await.unwrap();
    server.tell_to_stop();
    while TcpStream::connect(address).await.is_ok() {}
    let mut pause = redis::cmd("CLIENT");
    pause.arg("PAUSE").arg(SLOW_FEED_MS).arg("WRITE");
    pause.query_async::<()>(&mut redis).await.unwrap();
    let input = json!({ "input": { "chatId": chat, "text": "The last" } });
    let body = json!({ "query": CREATE, "variables": input }).to_string();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut answer = String::new();
    let asked = async {
        line.write_all(request.as_bytes()).await?;
        line.read_to_string(&mut answer).await
    };
    // On a machine that stands still the line may be closed by now; then nothing of it was accepted.
    if asked.await.is_ok() && !answer.is_empty() {
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let event = follower.expect("MessageAdded").await;
        assert_eq!(event["added"]["text"], "The last");
    }
    assert!(server.ended().await.0.success());
    drop(other);
    scratch.remove().await;
}
