//! One WebSocket that speaks `graphql-transport-ws`, by the protocol document of graphql-ws.
//!
//! async-graphql's own handler departs from that document in close codes, duplicate ids and the init deadline, and
//! stops reading while it writes; so this is ours, over the same executor.

mod close;
mod connection;
mod credential;
mod message;
mod operation;
mod operations;

use std::future::ready;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{mpsc, oneshot};

use super::Schema;
use crate::drain::{ANSWER_WAIT_MAX, Drain};
use crate::peer::{self, CLOSE_WAIT_MAX, WRITE_WAIT_MAX};
use crate::service::Session;
use crate::telemetry::faces::Face;
use crate::telemetry::streams::slow_reader;

pub use message::is_message;

use close::Close;
use connection::Connection;
use operations::Operations;

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "graphql-transport-ws";
/// How long a client may take to send `connection_init`.
const INIT_WAIT_MAX: Duration = Duration::from_secs(3);
/// Messages that wait for the writer. An operation whose message finds no room is not asked for its next. Few, because
/// each may be a full piece that is kept for a client that reads nothing; and boxed, because the channel has room for
/// thirty-two of them however few there may be.
const OUTBOX_MESSAGES_MAX: usize = 2;

enum Outgoing {
    /// A message of an operation: left out if the operation was completed by the client meanwhile.
    Of {
        id: Arc<str>,
        generation: u64,
        text: String,
        is_last: bool,
    },
    /// Any other message.
    Frame(Message),
}

/// Closes a socket whose client offered no subprotocol that is spoken here.
pub async fn refuse(mut socket: WebSocket) {
    let frame = Message::Close(Some(Close::BAD_SUBPROTOCOL.frame()));
    let _ = tokio::time::timeout(CLOSE_WAIT_MAX, socket.send(frame)).await;
    peer::close(&mut socket, ready(()), false).await;
}

/// Who opens a socket.
pub struct Visitor {
    /// Their session, if the handshake brought a token, or none is asked for; else `connection_init` brings it.
    pub session: Option<Session>,
    /// Where they come from, if that is known.
    pub address: Option<IpAddr>,
}

/// Serves a socket until either side closes it. Operations end with it; replies do not.
pub async fn serve(socket: WebSocket, schema: Schema, visitor: Visitor, drain: Drain) {
    let (mut sink, mut stream) = socket.split();
    let (outbox, mut outgoing) = mpsc::channel::<Box<Outgoing>>(OUTBOX_MESSAGES_MAX);
    let (mut finished, mut finishes) = oneshot::channel::<Close>();
    let operations = Operations::new(schema.limits().operations_per_socket_max);
    let alive = operations.clone();
    // Reading never waits for writing: a stop or a pong gets through while a frame is stuck.
    let writer = tokio::spawn(async move {
        let close = loop {
            let frame = tokio::select! {
                biased;
                reason = &mut finishes => break reason.ok(),
                Some(outgoing) = outgoing.recv() => match alive.frame(*outgoing) {
                    Some(frame) => frame,
                    None => continue,
                }
            };
            match tokio::time::timeout(WRITE_WAIT_MAX, sink.send(frame)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => {
                    slow_reader(Face::Graphql);
                    break Some(Close::SLOW_CONSUMER);
                }
            }
        };
        let close = close.unwrap_or(Close::GOING_AWAY);
        if close.lets_answers_pass() {
            // What was answered, and how replies ended, is said first.
            let rest = async {
                while let Ok(outgoing) = outgoing.try_recv() {
                    if let Some(frame) = alive.frame(*outgoing) {
                        sink.feed(frame).await?;
                    }
                }
                sink.flush().await
            };
            let _ = tokio::time::timeout(CLOSE_WAIT_MAX, rest).await;
        }
        let frame = close.frame();
        // A peer that does not even take the close frame is dropped with the socket.
        let _ = tokio::time::timeout(CLOSE_WAIT_MAX, sink.send(Message::Close(Some(frame)))).await;
    });
    let going = drain.clone();
    let mut session = Connection::new(schema, visitor, outbox, operations.clone(), drain);
    let reason = tokio::select! {
        reason = session.read(&mut stream) => reason,
        // The writer gave up: the line is broken, or the client takes nothing.
        () = finished.closed() => None,
    };
    if reason.as_ref().is_some_and(Close::lets_answers_pass) {
        if reason == Some(Close::FORBIDDEN) {
            operations.abort_subscriptions();
            let _ = tokio::time::timeout(ANSWER_WAIT_MAX, session.settle()).await;
        } else {
            going.answered(session.settle()).await;
        }
        operations.halt();
    } else {
        operations.abort_all();
    }
    let is_cut = reason == Some(Close::TOO_BIG);
    match reason {
        Some(reason) => _ = finished.send(reason),
        None => writer.abort(),
    }
    peer::close(&mut stream, writer, is_cut).await;
    operations.abort_all();
}
