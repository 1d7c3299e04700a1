//! A reader that stops reading in the middle of a lot of text, and somebody else on the same server beside it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use futures_util::{SinkExt, StreamExt};
use graphql_client::GraphQLQuery;
use serde_json::json;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;

use super::reply_follower::{self, Said, over_one_line};
use super::writer::{heard, intend, note, send};
use crate::cli::client::{ReplyState, Server};
use crate::cli::verify::bot::Speech;
use crate::cli::verify::crew::Crew;
use crate::cli::verify::ledger::{Ack, Stall, now};
use crate::cli::verify::operations::{FollowReply, SendMessage, follow_reply, send_message};
use crate::cli::verify::view::{Face, View};

/// How often it is asked for over one socket: together more than any kernel takes in on a loopback line.
const OPERATIONS: usize = 95;
/// What the reader's end takes in at the most; the kernel doubles it.
const RECEIVED_BYTES: u32 = 4 * 1024;
/// How long the one beside it is waited for.
const WATCH_MAX: Duration = Duration::from_secs(30);
/// How much of the answer it waits for: some of the bot's words.
const BEGINNING_BYTES: usize = 40;
/// The pause between two stalls.
const PAUSE: Duration = Duration::from_millis(500);

/// Stalls again and again until there is enough.
pub async fn stall(crew: Arc<Crew>, chat: String, mut rng: Rng) {
    let Some(wide) = fill(&crew, &chat, &mut rng).await else {
        return;
    };
    while crew.wait(PAUSE).await.is_some() {
        let calm = crew.fleet.calm(&mut rng).map(|(slot, calm)| (slot.clone(), calm));
        let Some((slot, calm)) = calm else { continue };
        let Some(reader) = stop_reading(calm.address, &wide).await else {
            continue;
        };
        let number = intend(&crew, &chat, Speech::Steady, &mut rng);
        heard(&crew, number, slot.index);
        let watched = tokio::time::timeout(WATCH_MAX, watch(&crew, slot.index, &calm.server, number));
        let watched = crew.over.run_until_cancelled(watched).await;
        drop(reader);
        // What befell a server that was killed meanwhile says nothing about readers.
        if watched.is_some() && slot.is_calm_since(&calm) {
            let took_ms = watched.and_then(Result::ok).flatten();
            crew.ledger
                .note(|notes| notes.stalls.push(Stall { number, took_ms }));
        }
        ask_and_hear_out(&crew, number, &mut rng).await;
    }
}

/// Has the bot say what is to be asked for and not read: the reply that says all of it, or `None` where there is enough
/// before.
async fn fill(crew: &Arc<Crew>, chat: &str, rng: &mut Rng) -> Option<String> {
    loop {
        let number = intend(crew, chat, Speech::Wide, rng);
        if let Some((wide, ReplyState::Complete)) = ask_and_hear_out(crew, number, rng).await {
            return Some(wide);
        }
        crew.wait(PAUSE).await?;
    }
}

/// Asks the bot and hears the answer out, for the next prompt would wait for one that belongs to a server that died:
/// the reply, and how it ended.
async fn ask_and_hear_out(crew: &Arc<Crew>, number: usize, rng: &mut Rng) -> Option<(String, ReplyState)> {
    let reply = send(crew, number, rng).await?.reply?;
    let state = reply_follower::follow(crew.clone(), reply.clone(), number, rng.fork()).await?;
    Some((reply, state))
}

/// Asks for much, and reads nothing.
async fn stop_reading(server: SocketAddr, wide: &str) -> Option<WebSocketStream<TcpStream>> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.set_recv_buffer_size(RECEIVED_BYTES).ok()?;
    let line = socket.connect(server).await.ok()?;
    let mut request = format!("ws://{server}/graphql").into_client_request().ok()?;
    let protocol = HeaderValue::from_static("graphql-transport-ws");
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    let (mut socket, _) = tokio_tungstenite::client_async(request, line).await.ok()?;
    let init = json!({ "type": "connection_init" });
    socket.send(Message::text(init.to_string())).await.ok()?;
    // The acknowledgement; what comes after it is left lying.
    socket.next().await?.ok()?;
    for operation in 0..OPERATIONS {
        let payload = FollowReply::build_query(follow_reply::Variables {
            message_id: wide.to_owned(),
            after: None,
        });
        let subscribe = json!({ "type": "subscribe", "id": operation.to_string(), "payload": payload });
        socket.feed(Message::text(subscribe.to_string())).await.ok()?;
    }
    socket.flush().await.ok()?;
    Some(socket)
}

/// Sends a prompt to the same server and hears the beginning of the answer: how long that took, in milliseconds.
async fn watch(crew: &Crew, index: usize, server: &Server, number: usize) -> Option<i64> {
    let variables = note(crew, number, |writing| send_message::Variables {
        chat_id: writing.chat.clone(),
        text: writing.text.clone(),
        client_key: writing.key.clone(),
        // The one before is of no more use, and would have to be waited for.
        while_replying: send_message::WhileReplying::INTERRUPT,
    })?;
    let begun = now();
    let sent = server.ask::<SendMessage>(variables).await.ok()?.send_message;
    let reply = sent.reply.id;
    let ack = Ack {
        message: sent.message.id,
        reply: Some(reply.clone()),
        server: index,
        at: now(),
    };
    note(crew, number, |writing| writing.acks.push(ack))?;
    let (mut view, mut cursor) = (View::new(reply, Face::Reply), None);
    view.server = index;
    let mut said = Said::to(crew, number);
    while let Err(error) = over_one_line(server, &mut view, &mut cursor, &mut said, BEGINNING_BYTES).await {
        if !error.is_passing() {
            return None;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Some(now().millis() - begun.millis())
}
