//! A change that began runs to its end and is told, whether or not its caller stays.

use std::collections::HashSet;
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{CREATE, messages};
use crate::on_both_stores;
use crate::support::follow::ChatFollower;
use crate::support::scratch::{Scratch, tries};
use crate::support::server::Server;
use crate::support::socket::Socket;

/// Callers of each kind in a chat: fewer than the events that a chat keeps for a follower who reads later.
const CALLERS: usize = 60;

const DELETE_MESSAGE: &str = "mutation ($id: ID!) { deleteMessage(input: { id: $id }) { deletedMessageId } }";
const DELETE_CHAT: &str = "mutation ($id: ID!) { deleteChat(input: { id: $id }) { deletedChatId } }";

on_both_stores! {
    what_a_caller_who_leaves_wrote_is_told_on_every_transport,
    what_a_caller_who_leaves_deleted_is_told_on_every_transport,
    the_deletion_of_a_chat_by_a_caller_who_leaves_is_told_on_every_transport,
}

const WAYS: [Leaving; 5] = [
    Leaving::CutsTheSocket,
    Leaving::Completes,
    Leaving::ClosesProperly,
    Leaving::CutsTheEventStream,
    Leaving::CutsTheRequest,
];

/// How a caller leaves.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    CutsTheSocket,
    Completes,
    ClosesProperly,
    CutsTheEventStream,
    CutsTheRequest,
}

async fn what_a_caller_who_leaves_wrote_is_told_on_every_transport(scratch: &Scratch) {
    let server = Server::start(scratch);
    let mut rng = Rng::with_seed(7);
    for leaving in ways() {
        let chat = server.create_chat("A chat").await;
        let mut follower = ChatFollower::start(&server, &chat, &Value::Null).await;
        follower.expect("ChatResync").await;
        for n in 0..CALLERS {
            let input = json!({ "input": { "chatId": chat, "text": format!("Message {n}") } });
            call_and_leave(&server, leaving, CREATE, input, stay(&mut rng)).await;
        }
        // Some may still be on their way, and are told when they are stored.
        let last = json!({ "input": { "chatId": chat, "text": "The last" } });
        server.data(CREATE, last).await;
        let stored = ids(&server, &chat).await;
        let told_min = if leaving.is_surely_read() { CALLERS + 1 } else { 0 };
        let mut told = HashSet::new();
        while !stored.is_subset(&told) || told.len() < told_min {
            // Waits for so long, and then fails.
            let added = follower.expect("MessageAdded").await;
            told.insert(added["added"]["id"].as_str().unwrap().to_owned());
        }
    }
}

async fn what_a_caller_who_leaves_deleted_is_told_on_every_transport(scratch: &Scratch) {
    let server = Server::start(scratch);
    let mut rng = Rng::with_seed(8);
    for leaving in ways() {
        let chat = server.create_chat("A chat").await;
        for n in 0..CALLERS {
            let input = json!({ "input": { "chatId": chat, "text": format!("Message {n}") } });
            server.data(CREATE, input).await;
        }
        let before = ids(&server, &chat).await;
        let mut follower = ChatFollower::start(&server, &chat, &Value::Null).await;
        follower.expect("ChatResync").await;
        for id in &before {
            call_and_leave(
                &server,
                leaving,
                DELETE_MESSAGE,
                json!({ "id": id }),
                stay(&mut rng),
            )
            .await;
        }
        let last = json!({ "input": { "chatId": chat, "text": "The last" } });
        server.data(CREATE, last).await;
        let left = ids(&server, &chat).await;
        let deleted: HashSet<_> = before.difference(&left).cloned().collect();
        let told_min = if leaving.is_surely_read() { before.len() } else { 0 };
        let mut told = HashSet::new();
        while !deleted.is_subset(&told) || told.len() < told_min {
            let event = follower.next_but_pieces().await;
            match event["__typename"].as_str() {
                Some("MessageDeleted") => _ = told.insert(event["messageId"].as_str().unwrap().to_owned()),
                Some("MessageAdded") => {}
                _ => panic!("{event}"),
            }
        }
    }
}

async fn the_deletion_of_a_chat_by_a_caller_who_leaves_is_told_on_every_transport(scratch: &Scratch) {
    let server = Server::start(scratch);
    let mut rng = Rng::with_seed(9);
    for leaving in ways() {
        let mut followers = Vec::new();
        for n in 0..CALLERS {
            let chat = server.create_chat(&format!("Chat {n}")).await;
            let mut follower = ChatFollower::start(&server, &chat, &Value::Null).await;
            follower.expect("ChatResync").await;
            followers.push((chat, follower));
        }
        for (chat, _) in &followers {
            call_and_leave(
                &server,
                leaving,
                DELETE_CHAT,
                json!({ "id": chat }),
                stay(&mut rng),
            )
            .await;
        }
        for (chat, mut follower) in followers {
            let query = "query ($id: ID!) { chat(id: $id) { id } }";
            let is_gone = !server.request(query, json!({ "id": chat })).await["errors"].is_null();
            if is_gone || leaving.is_surely_read() {
                follower.expect("ChatDeleted").await;
            }
        }
    }
}

/// Each way to leave, as often as it is tried.
fn ways() -> impl Iterator<Item = Leaving> {
    (0..tries(1)).flat_map(|_| WAYS)
}

/// The ids of all messages of a chat.
async fn ids(server: &Server, chat: &str) -> HashSet<String> {
    let messages = messages(server, chat).await;
    let ids = messages
        .iter()
        .map(|message| message["id"].as_str().unwrap().to_owned());
    ids.collect()
}

/// How long a caller stays.
fn stay(rng: &mut Rng) -> Duration {
    Duration::from_micros(rng.u64(0..8_000))
}

impl Leaving {
    /// Whether the server has read the call before it learns that its caller left.
    fn is_surely_read(self) -> bool {
        matches!(self, Self::ClosesProperly | Self::Completes)
    }
}

async fn call_and_leave(server: &Server, leaving: Leaving, query: &str, variables: Value, stay: Duration) {
    match leaving {
        Leaving::CutsTheSocket | Leaving::Completes | Leaving::ClosesProperly => {
            let mut socket = Socket::acknowledged(server).await;
            socket.subscribe("1", query, variables).await;
            match leaving {
                Leaving::Completes => {
                    socket.send(json!({ "id": "1", "type": "complete" })).await;
                    // An answer says that the server has read on.
                    socket.send(json!({ "type": "ping" })).await;
                    while socket.message().await["type"] != "pong" {}
                }
                Leaving::ClosesProperly => _ = socket.close(1000).await,
                _ => tokio::time::sleep(stay).await,
            }
        }
        Leaving::CutsTheEventStream | Leaving::CutsTheRequest => {
            let host = server.url.strip_prefix("http://").unwrap();
            let accept = match leaving {
                Leaving::CutsTheEventStream => "text/event-stream",
                _ => "application/json",
            };
            let body = json!({ "query": query, "variables": variables }).to_string();
            let request = format!(
                "POST /graphql HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let mut line = TcpStream::connect(host).await.unwrap();
            line.write_all(request.as_bytes()).await.unwrap();
            tokio::time::sleep(stay).await;
        }
    }
}
