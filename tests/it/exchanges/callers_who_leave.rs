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
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::socket::Socket;

/// Callers of each kind.
const CALLERS: usize = 60;

on_both_stores! {
    what_a_caller_who_leaves_wrote_is_told_on_every_transport,
}

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
    for leaving in [
        Leaving::CutsTheSocket,
        Leaving::Completes,
        Leaving::ClosesProperly,
        Leaving::CutsTheEventStream,
        Leaving::CutsTheRequest,
    ] {
        let chat = server.create_chat("A chat").await;
        let mut follower = ChatFollower::start(&server, &chat, &Value::Null).await;
        follower.expect("ChatResync").await;
        for n in 0..CALLERS {
            let input = json!({ "chatId": chat, "text": format!("Message {n}") });
            let stay = Duration::from_micros(rng.u64(0..8_000));
            call_and_leave(&server, leaving, input, stay).await;
        }
        // Some may still be on their way, and are told when they are stored.
        let last = json!({ "input": { "chatId": chat, "text": "The last" } });
        server.data(CREATE, last).await;
        let id = |message: &Value| message["id"].as_str().unwrap().to_owned();
        let stored: HashSet<_> = messages(&server, &chat).await.iter().map(id).collect();
        // What was read from the socket before its end is done.
        let told_min = match leaving {
            Leaving::ClosesProperly | Leaving::Completes => CALLERS + 1,
            _ => 0,
        };
        let mut told = HashSet::new();
        while !stored.is_subset(&told) || told.len() < told_min {
            // Waits for so long, and then fails.
            told.insert(id(&follower.expect("MessageAdded").await["added"]));
        }
    }
}

async fn call_and_leave(server: &Server, leaving: Leaving, input: Value, stay: Duration) {
    let variables = json!({ "input": input });
    match leaving {
        Leaving::CutsTheSocket | Leaving::Completes | Leaving::ClosesProperly => {
            let mut socket = Socket::acknowledged(server).await;
            socket.subscribe("1", CREATE, variables).await;
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
            let body = json!({ "query": CREATE, "variables": variables }).to_string();
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
