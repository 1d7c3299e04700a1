//! What a client asks for on one socket.

use std::net::IpAddr;
use std::pin::pin;

use async_graphql::ServerError;
use async_graphql::parser::types::OperationType;
use axum::extract::ws::Message;
use futures_util::StreamExt;
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::task::TaskTracker;

use super::close::Close;
use super::message::{ClientMessage, ServerMessage};
use super::operation::operate;
use super::operations::{Operations, Unreserved};
use super::{INIT_WAIT_MAX, Outgoing, Visitor, credential};
use crate::domain::Viewer;
use crate::drain::Drain;
use crate::graphql::{Schema, count, only, refusal, refused, with_code};
use crate::peer::{PING_EVERY, SILENCE_MAX, sent_too_much};
use crate::service::{Error, Session, StreamShare};
use crate::telemetry::faces::{self, Face};

pub(super) struct Connection {
    schema: Schema,
    address: Option<IpAddr>,
    /// `None` until a token was believed.
    session: Option<Session>,
    /// The viewer's part of the streams, where the handshake did not say who it is.
    share: Option<StreamShare>,
    outbox: mpsc::Sender<Box<Outgoing>>,
    operations: Operations,
    /// Queries and mutations under way.
    answers: TaskTracker,
    drain: Drain,
    is_acknowledged: bool,
}

impl Connection {
    pub(super) fn new(
        schema: Schema,
        visitor: Visitor,
        outbox: mpsc::Sender<Box<Outgoing>>,
        operations: Operations,
        drain: Drain,
    ) -> Self {
        Self {
            schema,
            address: visitor.address,
            session: visitor.session,
            share: None,
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
        let mut session_over = pin!(over(None));
        let mut is_bound = false;
        loop {
            if self.is_acknowledged && !is_bound {
                // It is renewed in place from here on.
                session_over.set(over(self.session.clone()));
                is_bound = true;
            }
            let received = tokio::select! {
                biased;
                () = &mut session_over => return Some(Close::FORBIDDEN),
                () = &mut departure => return Some(Close::GOING_AWAY),
                () = tokio::time::sleep_until(init_deadline), if !self.is_acknowledged => return Some(Close::INIT_TIMEOUT),
                _ = pings.tick() => {
                    if last_heard.elapsed() > SILENCE_MAX { return Some(Close::DEAD_PEER) }
                    // With a full outbox the peer has frames to answer anyway.
                    let _ = self.outbox.try_send(Box::new(Outgoing::Frame(Message::Ping(Default::default()))));
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
                    // Kept only while there is a message to take: most sockets are silent nearly all of the time.
                    Ok(message) => Box::pin(self.take(message)).await,
                    Err(_) => Some(Close::BAD_MESSAGE),
                },
                Message::Binary(_) => Some(Close::BAD_MESSAGE),
                Message::Ping(_) | Message::Pong(_) => None,
                Message::Close(_) => return None,
            };
            if closing.is_some() {
                return closing;
            }
        }
    }

    /// Waits until queries and mutations under way have been answered: a client whose mutation gets no answer sends it
    /// again elsewhere.
    pub(super) async fn settle(&self) {
        self.answers.close();
        self.answers.wait().await;
    }

    async fn take(&mut self, message: ClientMessage) -> Option<Close> {
        match message {
            ClientMessage::ConnectionInit { .. } if self.is_acknowledged => {
                return Some(Close::TOO_MANY_INITS);
            }
            ClientMessage::ConnectionInit { payload } => {
                if let Err(error) = self.enter(payload.as_ref()).await {
                    return Some(closing(&error));
                }
                self.is_acknowledged = true;
                self.send(&ServerMessage::ConnectionAck).await;
            }
            ClientMessage::Ping { payload } if self.is_acknowledged && brings_token(payload.as_ref()) => {
                if let Err(error) = self.renew(payload.as_ref()).await {
                    return Some(closing(&error));
                }
                self.send(&ServerMessage::Pong { payload: None }).await;
            }
            ClientMessage::Ping { payload } => self.send(&ServerMessage::Pong { payload }).await,
            ClientMessage::Pong {} => {}
            ClientMessage::Subscribe { .. } if !self.is_acknowledged => return Some(Close::UNAUTHORIZED),
            ClientMessage::Subscribe { id, payload } => {
                let Some(session) = self.session.clone() else {
                    return Some(Close::UNAUTHORIZED);
                };
                let (generation, permit) = match self.operations.reserve(&id) {
                    Ok(reserved) => reserved,
                    Err(Unreserved::Taken) => return Some(Close::subscriber_exists(&id)),
                    Err(Unreserved::TooMany) => {
                        let refusal = too_many(self.schema.limits().operations_per_socket_max);
                        let payload = &[refusal];
                        count(payload);
                        self.send(&ServerMessage::Error { id: &id, payload }).await;
                        return None;
                    }
                };
                let mut is_answer = true;
                let counted = self.schema.service().count_message(&session);
                let prepared = match counted {
                    Ok(()) => self.schema.prepare(payload),
                    Err(error) => Err(refused(refusal(error))),
                };
                let responses = match prepared {
                    // Nothing of it is executed, so a client that sends it to another server does nothing twice.
                    Ok(prepared) if self.drain.sends_away() && prepared.can_ask_the_bot() => {
                        return Some(Close::GOING_AWAY);
                    }
                    Ok(prepared) => {
                        is_answer = !prepared.can_be(OperationType::Subscription);
                        self.schema
                            .execute_stream(prepared.within(permit), session.viewer)
                    }
                    Err(refused) => only(*refused),
                };
                let operation = operate(id.as_str().into(), generation, responses, self.outbox.clone());
                let task = match is_answer {
                    true => self.answers.spawn(operation),
                    false => tokio::spawn(operation),
                };
                self.operations
                    .start(&id, generation, is_answer, task.abort_handle());
            }
            ClientMessage::Complete { id } => self.operations.complete(&id),
        }
        None
    }

    /// Lets the caller in who brings this, or brought a token before.
    async fn enter(&mut self, payload: Option<&Map<String, Value>>) -> Result<(), Error> {
        let service = self.schema.service().clone();
        service.count_request(self.address)?;
        let brought = credential::of(payload);
        if brought.is_none() && self.session.is_some() {
            return Ok(());
        }
        let entered = service.enter(brought.as_deref(), self.address).await?;
        match &self.session {
            // Two tokens of two users are a mistake, and it is not ours to choose.
            Some(before) if before.viewer != entered.viewer => Err(Error::Unauthenticated),
            Some(_) => {
                self.session = Some(entered);
                Ok(())
            }
            None => {
                self.share = Some(service.share_of_viewer(&entered).ok_or(Error::TooManyStreams)?);
                self.session = Some(entered);
                Ok(())
            }
        }
    }

    /// Goes on with a fresh token of the same caller.
    async fn renew(&self, payload: Option<&Map<String, Value>>) -> Result<(), Error> {
        let service = self.schema.service();
        service.count_request(self.address)?;
        let fresh = service
            .enter(credential::of(payload).as_deref(), self.address)
            .await?;
        let is_theirs = self
            .session
            .as_ref()
            .is_some_and(|session| session.viewer == Viewer::Anonymous || session.renew(&fresh));
        match is_theirs {
            true => Ok(()),
            false => Err(Error::Unauthenticated),
        }
    }

    async fn send(&self, message: &ServerMessage<'_>) {
        // The writer is gone only when the socket is.
        let _ = self
            .outbox
            .send(Box::new(Outgoing::Frame(Message::Text(message.encode().into()))))
            .await;
    }
}

/// Completes when the session is over; never, as long as there is none.
async fn over(session: Option<Session>) {
    match session {
        Some(session) => session.over().await,
        None => std::future::pending().await,
    }
}

/// What a caller is told who is not let in.
fn closing(error: &Error) -> Close {
    faces::error(Face::Graphql, error.code());
    match error {
        Error::Unauthenticated => Close::FORBIDDEN,
        _ => Close::TRY_AGAIN_LATER,
    }
}

fn brings_token(payload: Option<&Map<String, Value>>) -> bool {
    credential::of(payload).is_some()
}

fn too_many(max: usize) -> ServerError {
    let refusal = ServerError::new(format!("A socket may have {max} operations under way."), None);
    with_code(refusal, "TOO_MANY_OPERATIONS")
}
