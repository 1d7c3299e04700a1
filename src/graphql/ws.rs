//! One WebSocket that speaks `graphql-transport-ws`, by the protocol document of graphql-ws.
//!
//! async-graphql's own handler departs from that document in close codes, duplicate ids and the init deadline, and
//! stops reading while it writes; so this is ours, over the same executor.

use std::collections::HashMap;
use std::time::Duration;

use async_graphql::Response;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{GraphqlRequest, Schema};
use crate::domain::Viewer;

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "graphql-transport-ws";
/// How long a client may take to send `connection_init`.
const INIT_WAIT_MAX: Duration = Duration::from_secs(3);
/// How often the server sends a WebSocket ping.
const PING_EVERY: Duration = Duration::from_secs(20);
/// How long a peer may be silent, pongs included, before it is taken for dead.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// How long one frame may wait for the peer to take it.
const WRITE_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long the closing handshake may take.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(1);
/// Messages that wait for the writer. An operation whose message finds no room is not asked for its next.
const OUTBOX_MESSAGES_MAX: usize = 16;

/// What a client sends.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ClientMessage {
    ConnectionInit {
        #[serde(default)]
        #[expect(
            dead_code,
            reason = "checked to be an object; a credential will be read from it"
        )]
        payload: Option<serde_json::Map<String, serde_json::Value>>,
    },
    Ping {
        #[serde(default)]
        payload: Option<serde_json::Map<String, serde_json::Value>>,
    },
    Pong {},
    Subscribe {
        id: String,
        payload: GraphqlRequest,
    },
    Complete {
        id: String,
    },
}

/// What the server sends.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ServerMessage<'a> {
    ConnectionAck,
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<serde_json::Map<String, serde_json::Value>>,
    },
    Next {
        id: &'a str,
        payload: &'a Response,
    },
    Error {
        id: &'a str,
        payload: &'a [async_graphql::ServerError],
    },
    Complete {
        id: &'a str,
    },
}

/// Why the server closes a socket: the code and reason of the protocol document.
struct Close(u16, &'static str);

const BAD_MESSAGE: Close = Close(4400, "Invalid message");
const UNAUTHORIZED: Close = Close(4401, "Unauthorized");
const INIT_TIMEOUT: Close = Close(4408, "Connection initialisation timeout");
const TOO_MANY_INITS: Close = Close(4429, "Too many initialisation requests");
const GOING_AWAY: Close = Close(1012, "Service restart");
const SLOW_CONSUMER: Close = Close(1013, "Slow consumer");
const DEAD_PEER: Close = Close(1001, "No answer to pings");

enum Outgoing {
    /// A message of an operation: left out if the operation was completed by the client meanwhile.
    Of {
        id: String,
        generation: u64,
        text: String,
        is_last: bool,
    },
    /// Any other message.
    Frame(Message),
}

/// Serves a socket until either side closes it. Operations end with it; replies do not.
pub async fn serve(socket: WebSocket, schema: Schema, viewer: Viewer, shutdown: CancellationToken) {
    let (mut sink, mut stream) = socket.split();
    let (outbox, mut outgoing) = mpsc::channel::<Outgoing>(OUTBOX_MESSAGES_MAX);
    let (finished, mut finishes) = mpsc::channel::<Close>(1);
    let operations = Operations::default();
    let alive = operations.clone();
    // Reading never waits for writing: a stop or a pong gets through while a frame is stuck.
    let writer = tokio::spawn(async move {
        let mut close = None;
        loop {
            let frame = tokio::select! {
                biased;
                reason = finishes.recv() => { close = reason; break }
                outgoing = outgoing.recv() => match outgoing {
                    Some(Outgoing::Frame(frame)) => frame,
                    Some(Outgoing::Of { id, generation, text, is_last }) => {
                        if !alive.is_current(&id, generation, is_last) { continue }
                        Message::Text(text.into())
                    }
                    None => break,
                }
            };
            match tokio::time::timeout(WRITE_WAIT_MAX, sink.send(frame)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => {
                    close = Some(SLOW_CONSUMER);
                    break;
                }
            }
        }
        let Close(code, reason) = close.unwrap_or(GOING_AWAY);
        let frame = CloseFrame {
            code,
            reason: Utf8Bytes::from_static(reason),
        };
        // A peer that does not even take the close frame is dropped with the socket.
        let _ = tokio::time::timeout(CLOSE_WAIT_MAX, sink.send(Message::Close(Some(frame)))).await;
    });
    let mut session = Session {
        schema,
        viewer,
        outbox,
        operations: operations.clone(),
        is_acknowledged: false,
    };
    let writer_end = writer.abort_handle();
    tokio::select! {
        reason = session.read(&mut stream, &shutdown) => {
            if let Some(reason) = reason {
                let _ = finished.send(reason).await;
                operations.abort_all();
                drop(session);
                let _ = writer.await;
            }
        }
        () = finished.closed() => {}
    }
    operations.abort_all();
    writer_end.abort();
}

struct Session {
    schema: Schema,
    viewer: Viewer,
    outbox: mpsc::Sender<Outgoing>,
    operations: Operations,
    is_acknowledged: bool,
}

impl Session {
    /// Reads until the socket ends; why the server closes it, or `None` if the client did.
    async fn read<S>(&mut self, stream: &mut S, shutdown: &CancellationToken) -> Option<Close>
    where
        S: futures_util::Stream<Item = Result<Message, axum::Error>> + Unpin,
    {
        let init_deadline = Instant::now() + INIT_WAIT_MAX;
        let mut last_heard = Instant::now();
        let mut pings = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let received = tokio::select! {
                () = shutdown.cancelled() => return Some(GOING_AWAY),
                () = tokio::time::sleep_until(init_deadline), if !self.is_acknowledged => return Some(INIT_TIMEOUT),
                _ = pings.tick() => {
                    if last_heard.elapsed() > SILENCE_MAX { return Some(DEAD_PEER) }
                    // With a full outbox the peer has frames to answer anyway.
                    let _ = self.outbox.try_send(Outgoing::Frame(Message::Ping(Default::default())));
                    continue;
                }
                received = stream.next() => received?.ok()?,
            };
            last_heard = Instant::now();
            let closing = match received {
                Message::Text(text) => match serde_json::from_str(&text) {
                    Ok(message) => self.take(message).await,
                    Err(_) => Some(BAD_MESSAGE),
                },
                Message::Binary(_) => Some(BAD_MESSAGE),
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

    async fn take(&mut self, message: ClientMessage) -> Option<Close> {
        match message {
            ClientMessage::ConnectionInit { .. } if self.is_acknowledged => return Some(TOO_MANY_INITS),
            ClientMessage::ConnectionInit { .. } => {
                self.is_acknowledged = true;
                self.send(&ServerMessage::ConnectionAck).await;
            }
            ClientMessage::Ping { payload } => self.send(&ServerMessage::Pong { payload }).await,
            ClientMessage::Pong {} => {}
            ClientMessage::Subscribe { .. } if !self.is_acknowledged => return Some(UNAUTHORIZED),
            ClientMessage::Subscribe { id, payload } => {
                let max = self.schema.limits().operations_per_socket_max;
                let Some(generation) = self.operations.reserve(&id, max) else {
                    return Some(Close(4409, "Subscriber already exists, or there are too many"));
                };
                let responses = match self.schema.prepare(payload) {
                    Ok(prepared) => self.schema.execute_stream(prepared, self.viewer.clone()),
                    Err(refused) => super::only(*refused),
                };
                let operation = operate(id.clone(), generation, responses, self.outbox.clone());
                self.operations
                    .start(&id, generation, tokio::spawn(operation).abort_handle());
            }
            ClientMessage::Complete { id } => self.operations.complete(&id),
        }
        None
    }

    async fn send(&self, message: &ServerMessage<'_>) {
        // The writer is gone only when the socket is.
        let _ = self
            .outbox
            .send(Outgoing::Frame(Message::Text(encode(message).into())))
            .await;
    }
}

/// Runs one operation. Its next response is asked for when the last one has found room in the outbox, so a slow
/// socket slows its own operations and no other's, and pieces merge instead of queueing.
async fn operate(
    id: String,
    generation: u64,
    mut responses: futures_util::stream::BoxStream<'static, Response>,
    outbox: mpsc::Sender<Outgoing>,
) {
    let message = |text, is_last| Outgoing::Of {
        id: id.clone(),
        generation,
        text,
        is_last,
    };
    let mut has_begun = false;
    loop {
        // A panicking resolver must not leave the client waiting.
        let next =
            futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(responses.next())).await;
        let text = match next {
            Ok(None) => break,
            // A request error: nothing was executed, so the operation never began.
            Ok(Some(response)) if !has_begun && is_request_error(&response) => {
                let text = encode(&ServerMessage::Error {
                    id: &id,
                    payload: &response.errors,
                });
                let _ = outbox.send(message(text, true)).await;
                return;
            }
            Ok(Some(response)) => encode(&ServerMessage::Next {
                id: &id,
                payload: &response,
            }),
            Err(_) => {
                let error = async_graphql::ServerError::new("Something went wrong.", None);
                let text = encode(&ServerMessage::Error {
                    id: &id,
                    payload: &[error],
                });
                let _ = outbox.send(message(text, true)).await;
                return;
            }
        };
        has_begun = true;
        if outbox.send(message(text, false)).await.is_err() {
            return;
        }
    }
    let _ = outbox
        .send(message(encode(&ServerMessage::Complete { id: &id }), true))
        .await;
}

/// Whether the errors are about the request as a whole, so that there is no data at all. A subscription whose source
/// could not be made is such a one too.
fn is_request_error(response: &Response) -> bool {
    !response.errors.is_empty() && response.data == async_graphql::Value::Null
}

fn encode(message: &ServerMessage<'_>) -> String {
    // Maps with string keys and finite numbers only: there is nothing that JSON cannot hold.
    serde_json::to_string(message).unwrap_or_default()
}

/// The operations of one socket. Each carries a generation, so that nothing of a completed one reaches a later one
/// that takes the same id.
#[derive(Clone, Default)]
struct Operations(std::sync::Arc<std::sync::Mutex<Running>>);

#[derive(Default)]
struct Running {
    generations: u64,
    by_id: HashMap<String, (u64, Option<AbortHandle>)>,
}

impl Operations {
    fn lock(&self) -> std::sync::MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A generation for a new operation; `None` if the id is taken or `max` operations run.
    fn reserve(&self, id: &str, max: usize) -> Option<u64> {
        let mut running = self.lock();
        if running.by_id.len() >= max || running.by_id.contains_key(id) {
            return None;
        }
        running.generations += 1;
        let generation = running.generations;
        running.by_id.insert(id.to_owned(), (generation, None));
        Some(generation)
    }

    /// Notes the task of a reserved operation, which may have finished already.
    fn start(&self, id: &str, generation: u64, task: AbortHandle) {
        if let Some((_, handle)) = self
            .lock()
            .by_id
            .get_mut(id)
            .filter(|(current, _)| *current == generation)
        {
            *handle = Some(task);
        }
    }

    /// Whether a message of this operation is still wanted; the last one ends the operation.
    fn is_current(&self, id: &str, generation: u64, is_last: bool) -> bool {
        let mut running = self.lock();
        let is_current = running
            .by_id
            .get(id)
            .is_some_and(|(current, _)| *current == generation);
        if is_current && is_last {
            running.by_id.remove(id);
        }
        is_current
    }

    fn complete(&self, id: &str) {
        if let Some((_, Some(task))) = self.lock().by_id.remove(id) {
            task.abort();
        }
    }

    fn abort_all(&self) {
        for (_, (_, task)) in self.lock().by_id.drain() {
            task.inspect(AbortHandle::abort);
        }
    }
}
