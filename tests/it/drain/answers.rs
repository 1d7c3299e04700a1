//! What a socket was asked for before it goes is answered, so that nobody sends it again elsewhere: what was stored is
//! what was confirmed.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{CREATE, messages};
use crate::support::mt::{Mt, kind_of, upload};
use crate::support::operation::{Operation, Outcome, Transport};
use crate::support::replica_set::ReplicaSet;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::socket::{Received, Socket};

const SOCKETS: usize = 8;
/// Requests of one socket that wait for their answers.
const UNDER_WAY: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn mutations_under_way_are_answered_before_a_socket_closes() {
    let scratch = Scratch::mongo().await;
    let server = Server::start(&scratch);
    let other = Server::start(&scratch);
    let mut writers = Vec::new();
    for n in 0..SOCKETS {
        let chat = server.create_chat(&format!("chat {n}")).await;
        let mut socket = Socket::acknowledged(&server).await;
        for nth in 0..UNDER_WAY {
            create(&mut socket, &chat, nth).await;
        }
        // Once it is answered, all before it was read.
        socket.try_send(json!({ "type": "ping" })).await;
        let (mut read, mut answered) = (false, BTreeSet::new());
        while !read {
            match socket.receive().await {
                Received::Message(message) if message["type"] == "pong" => read = true,
                Received::Message(message) => _ = note(&mut answered, &message),
                Received::Closed(code, why) => panic!("{code} {why}"),
            }
        }
        writers.push((socket, chat, answered));
    }
    server.tell_to_stop();
    let written = join_all(
        writers
            .into_iter()
            .map(async |(socket, chat, answered)| (write(socket, &chat, answered).await, chat)),
    );
    for (answered, chat) in written.await {
        let stored = messages(&other, &chat).await;
        let stored: BTreeSet<_> = stored
            .iter()
            .map(|message| message["id"].as_str().unwrap().to_owned())
            .collect();
        assert!(answered.len() >= UNDER_WAY);
        assert_eq!(stored, answered);
    }
    assert!(server.ended().await.0.success());
    drop(other);
    scratch.remove().await;
}

async fn create(socket: &mut Socket, chat: &str, nth: usize) {
    let input = json!({ "chatId": chat, "text": format!("message {nth}") });
    let payload = json!({ "query": CREATE, "variables": { "input": input } });
    socket
        .try_send(json!({ "type": "subscribe", "id": nth.to_string(), "payload": payload }))
        .await;
}

/// Notes the id in an answer, if this message is one.
fn note(answered: &mut BTreeSet<String>, message: &Value) -> bool {
    let is_answer = message["type"] == "next";
    if is_answer {
        let id = &message["payload"]["data"]["createMessage"]["message"]["id"];
        let Value::String(id) = id else {
            panic!("{message}")
        };
        assert!(answered.insert(id.clone()));
    } else {
        assert_eq!(message["type"], "complete");
    }
    is_answer
}

/// Writes a message for each that is answered, until the socket closes: the ids of those that were.
async fn write(mut socket: Socket, chat: &str, mut answered: BTreeSet<String>) -> BTreeSet<String> {
    let mut nth = UNDER_WAY;
    loop {
        match socket.receive().await {
            Received::Closed(code, _) => {
                assert_eq!(code, 1012);
                return answered;
            }
            Received::Message(message) => {
                if note(&mut answered, &message) {
                    create(&mut socket, chat, nth).await;
                    nth += 1;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mutations_are_answered_before_their_streams_end_also_by_a_store_that_takes_its_time() {
    let set = ReplicaSet::start(1).await;
    let scratch = Scratch::on_mongod(&set.uri());
    let server = Server::start(&scratch);
    let chat = server.create_chat("A chat").await;
    set.freeze(0);
    let input = json!({ "input": { "chatId": chat, "text": "Hello" } });
    let mut mutations = Vec::new();
    for transport in [Transport::Events, Transport::WebSocket].repeat(4) {
        mutations.push(Operation::begin(transport, &server, CREATE, input.clone()).await);
    }
    server.tell_to_stop();
    // Until the doors are closed: by then every stream was told to go.
    while reqwest::get(server.at("/health/live")).await.is_ok() {}
    // Longer than a socket stays open behind the end of a drain.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    set.thaw(0);
    for mut mutation in mutations {
        let result = mutation.result().await;
        assert!(
            result["data"]["createMessage"]["message"]["id"].is_string(),
            "{result}"
        );
        assert_eq!(mutation.next().await, Outcome::Complete);
    }
    assert!(server.ended().await.0.success());
    let other = Server::start(&scratch);
    assert_eq!(messages(&other, &chat).await.len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_under_way_are_confirmed_before_a_documented_socket_closes() {
    let scratch = Scratch::mongo().await;
    let server = Server::start(&scratch);
    let other = Server::start(&scratch);
    let mut writers = Vec::new();
    for n in 0..SOCKETS {
        let chat = server.create_chat(&format!("chat {n}")).await;
        let mut socket = Mt::open(&server, &chat).await;
        // Some of them before the signal, and some behind it.
        socket.upload("message 0").await;
        writers.push((socket, chat));
    }
    server.tell_to_stop();
    let written = join_all(writers.into_iter().map(async |(mut socket, chat)| {
        let (mut confirmed, mut refused) = (0, 0);
        loop {
            let frame = match socket.receive().await {
                Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Close(Some(close)))) => {
                    assert_eq!(u16::from(close.code), 1012);
                    return (chat, confirmed, refused);
                }
                other => panic!("{other:?}"),
            };
            match kind_of(&frame) {
                "user confirm" => confirmed += 1,
                // Nothing of it is stored, and whoever gave it no name is told.
                "error" => refused += 1,
                _ => {}
            }
            if kind_of(&frame) == "stop_typing_indicator" {
                let _ = futures_util::SinkExt::send(&mut socket.0, Message::text(upload("more").to_string()))
                    .await;
            }
        }
    }));
    for (chat, confirmed, refused) in written.await {
        let stored = messages(&other, &chat).await;
        let prompts = stored
            .iter()
            .filter(|message| message["author"] == "USER")
            .count();
        assert_eq!(prompts, confirmed, "{refused} were refused");
        let replies = stored.iter().filter(|message| message["author"] == "BOT");
        assert!(replies.clone().all(|reply| reply["reply"]["state"] == "COMPLETE"));
        assert_eq!(replies.count(), confirmed);
    }
    assert!(server.ended().await.0.success());
    drop(other);
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_with_a_name_that_comes_too_late_is_sent_again_elsewhere() {
    let scratch = Scratch::mongo().await;
    let server = Server::start_with(&scratch, &["--builtin-pace", "40", "--builtin-words", "120"]);
    let other = Server::start(&scratch);
    let chat = server.create_chat("A chat").await;
    // The first socket that is told to go is told at once; this one stays for a while.
    let _first = Mt::open(&server, &chat).await;
    let mut socket = Mt::open(&server, &chat).await;
    server.tell_to_stop();
    super::draining(&server).await;
    let mut named = upload("Hello");
    named["clientMessageId"] = "a-name".into();
    socket.send(named.clone()).await;
    // No error: the close alone says what to do.
    match socket.receive().await {
        Some(Ok(Message::Close(Some(close)))) => assert_eq!(u16::from(close.code), 1012),
        other => panic!("{other:?}"),
    }
    let mut socket = Mt::open(&other, &chat).await;
    socket.send(named).await;
    socket.until("stop_typing_indicator").await;
    let stored = messages(&other, &chat).await;
    assert_eq!(stored.len(), 2);
    assert_eq!(stored[0]["text"], "Hello");
    assert!(server.ended().await.0.success());
    drop(other);
    scratch.remove().await;
}
