//! What a client asks for on one socket.

use std::pin::pin;

use async_graphql::ServerError;
use async_graphql::parser::types::OperationType;
use axum::extract::ws::Message;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::task::TaskTracker;

use super::close::Close;
use super::message::{ClientMessage, ServerMessage};
use super::operation::operate;
use super::operations::{Operations, Unreserved};
use super::{INIT_WAIT_MAX, Outgoing};
use crate::domain::Viewer;
use crate::drain::{ANSWER_WAIT_MAX, Drain};
use crate::graphql::{Schema, count, only, with_code};
use crate::peer::{CLOSE_WAIT_MAX, PING_EVERY, SILENCE_MAX, sent_too_much};

pub(super) struct Session {
    schema: Schema,
    viewer: Viewer,
    outbox: mpsc::Sender<Outgoing>,
    operations: Operations,
    /// Queries and mutations under way.
    answers: TaskTracker,
    drain: Drain,
    is_acknowledged: bool,
}

impl Session {
    pub(super) fn new(
        schema: Schema,
        viewer: Viewer,
        outbox: mpsc::Sender<Outgoing>,
        operations: Operations,
        drain: Drain,
    ) -> Self {
        Self {
            schema,
            viewer,
            outbox,
            operations,
            answers: TaskTracker::new(),
            drain,
            is_acknowledged: false,
        }
    }

    /// Reads until the socket ends; why the server closes it, or `None` if the client did.
    pub(super) async fn read<S>(&mut self, stream: &mut S) -> Option<Close>
    where
        S: futures_util::Stream<Item = Result<Message, axum::Error>> + Unpin,
    {
        let mut departure = pin!(self.drain.departure());
        let init_deadline = Instant::now() + INIT_WAIT_MAX;
        let mut last_heard = Instant::now();
        let mut pings = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let received = tokio::select! {
                () = &mut departure => return Some(Close::GOING_AWAY),
                () = tokio::time::sleep_until(init_deadline), if !self.is_acknowledged => return Some(Close::INIT_TIMEOUT),
                _ = pings.tick() => {
                    if last_heard.elapsed() > SILENCE_MAX { return Some(Close::DEAD_PEER) }
                    // With a full outbox the peer has frames to answer anyway.
                    let _ = self.outbox.try_send(Outgoing::Frame(Message::Ping(Default::default())));
                    continue;
                }
                received = stream.next() => match received? {
                    Ok(received) => received,
                    Err(error) => return sent_too_much(&error).then_some(Close::TOO_BIG),
                },
            };
            last_heard = Instant::now();
            let closing = match received {
                Message::Text(text) => match serde_json::from_str(&text) {
                    Ok(message) => self.take(message).await,
                    Err(_) => Some(Close::BAD_MESSAGE),
                },
                Message::Binary(_) => Some(Close::BAD_MESSAGE),
                Message::Ping(_) | Message::Pong(_) => None,
                Message::Close(_) => {
                    // Reading on sends the answer: without one the client takes its goodbye for a broken line.
                    let _ = tokio::time::timeout(CLOSE_WAIT_MAX, stream.next()).await;
                    return None;
                }
            };
            if closing.is_some() {
                return closing;
            }
        }
    }

    /// Waits until queries and mutations under way have been answered, at most [`ANSWER_WAIT_MAX`]: a client whose
    /// mutation gets no answer sends it again elsewhere.
    pub(super) async fn settle(&self) {
        self.answers.close();
        let _ = tokio::time::timeout(ANSWER_WAIT_MAX, self.answers.wait()).await;
    }

    async fn take(&mut self, message: ClientMessage) -> Option<Close> {
        match message {
            ClientMessage::ConnectionInit { .. } if self.is_acknowledged => {
                return Some(Close::TOO_MANY_INITS);
            }
            ClientMessage::ConnectionInit { .. } => {
                self.is_acknowledged = true;
                self.send(&ServerMessage::ConnectionAck).await;
            }
            ClientMessage::Ping { payload } => self.send(&ServerMessage::Pong { payload }).await,
            ClientMessage::Pong {} => {}
            ClientMessage::Subscribe { .. } if !self.is_acknowledged => return Some(Close::UNAUTHORIZED),
            ClientMessage::Subscribe { id, payload } => {
                let max = self.schema.limits().operations_per_socket_max;
                let generation = match self.operations.reserve(&id, max) {
                    Ok(generation) => generation,
                    Err(Unreserved::Taken) => return Some(Close::subscriber_exists(&id)),
                    Err(Unreserved::TooMany) => {
                        let refusal = too_many(max);
                        let payload = &[refusal];
                        count(payload);
                        self.send(&ServerMessage::Error { id: &id, payload }).await;
                        return None;
                    }
                };
                let mut is_answer = true;
                let responses = match self.schema.prepare(payload) {
                    // Nothing of it is executed, so a client that sends it to another server does nothing twice.
                    Ok(prepared) if self.drain.sends_away() && prepared.can_ask_the_bot() => {
                        return Some(Close::GOING_AWAY);
                    }
                    Ok(prepared) => {
                        is_answer = !prepared.can_be(OperationType::Subscription);
                        self.schema.execute_stream(prepared, self.viewer.clone())
                    }
                    Err(refused) => only(*refused),
                };
                let operation = operate(id.clone(), generation, responses, self.outbox.clone());
                let task = match is_answer {
                    true => self.answers.spawn(operation),
                    false => tokio::spawn(operation),
                };
                self.operations.start(&id, generation, task.abort_handle());
            }
            ClientMessage::Complete { id } => self.operations.complete(&id),
        }
        None
    }

    async fn send(&self, message: &ServerMessage<'_>) {
        // The writer is gone only when the socket is.
        let _ = self
            .outbox
            .send(Outgoing::Frame(Message::Text(message.encode().into())))
            .await;
    }
}

fn too_many(max: usize) -> ServerError {
    let refusal = ServerError::new(format!("A socket may have {max} operations under way."), None);
    with_code(refusal, "TOO_MANY_OPERATIONS")
}
