//! The documented socket: `/chat/ws/{chat_id}`, by `docs/mt-protocol.md`.
//!
//! Three tasks serve one socket. The reader decodes what the client sends and never waits for the writer. The worker
//! does it, one thing after the other. The talker writes what came of it and what happens in the chat, and asks for
//! the next only when the socket has taken the last; so a socket's memory is constant, and a slow one gets merged
//! pieces.

mod place;
mod reader;
mod stage;
mod talker;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Extension, Json, Router};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use utoipa::ToSchema;

use super::dates::DateFormat;
use super::rest;
use super::rest::refusal::{Refusal, detail, refused};
use crate::domain::{ChatId, Timestamp, Viewer};
use crate::drain::{self, Drain};
use crate::peer::{self, Address};
use crate::service::{RETRY_AFTER_SECONDS, Seat, Service, Session, StreamKind, StreamPlace};
use crate::telemetry::faces::{self, Face as Caller};
use crate::telemetry::spans::{self, RequestId};

use reader::Reader;
use stage::Stage;
use talker::{Talker, Told};
use worker::Worker;

/// How long the handshake may wait for the store.
const ENTER_WAIT_MAX: Duration = Duration::from_secs(2);
/// Frames of a client that wait to be worked on; further ones wait in the socket.
const COMMANDS_MAX: usize = 8;
/// What came of a client's frames and waits to be written.
const TOLD_MAX: usize = 8;
/// The largest frame that is taken off the line to be refused: as documented. What is longer cuts the line.
const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why the server closes a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Close(u16, &'static str);

const DEAD_PEER: Close = Close(1001, "No answer to pings");
const TOO_BIG: Close = Close(1009, "Frame too big");
const SESSION_OVER: Close = Close(4403, "Session over");
const GOING_AWAY: Close = Close(1012, "Service restart");
const SLOW_CONSUMER: Close = Close(1013, "Slow consumer");

/// What the sockets share.
#[derive(Clone)]
pub(super) struct Face {
    service: Arc<Service>,
    dates: DateFormat,
    drain: Drain,
}

/// When a socket goes away: with its session, with the server, or as soon as it is asked for what another server has to do.
#[derive(Clone)]
struct Leave {
    drain: Drain,
    now: CancellationToken,
    session: Session,
}

impl Leave {
    /// Why it is time to leave, once it is.
    async fn told(&self) -> Close {
        tokio::select! {
            biased;
            () = self.session.over() => SESSION_OVER,
            () = self.drain.departure() => GOING_AWAY,
            () = self.now.cancelled() => GOING_AWAY,
        }
    }
}

/// The routes of the socket below `/chat`, and below `prefix` once more unless it is empty, over a service whose bounds
/// should be those of the documented API. Open sockets are told to go away when `drain` says so.
pub fn routes(service: Arc<Service>, dates: DateFormat, prefix: &str, drain: Drain) -> Router {
    let face = Face {
        service,
        dates,
        drain,
    };
    let routes = Router::new()
        .route("/chat/ws/{chat_id}", any(open))
        .route("/chat/ws/{chat_id}/status", get(status).fallback(only_get))
        .with_state(face);
    super::below(prefix, routes)
}

/// Who is connected to a chat.
#[derive(Serialize, ToSchema)]
pub struct SocketStatus {
    /// The id that was asked for, whether or not there is such a chat.
    chat_id: String,
    /// Whether anybody is connected to it.
    is_active: bool,
    /// How many are, on all servers: sockets of this kind, and subscriptions to the chat.
    connection_count: usize,
    /// Without a zone: UTC.
    #[schema(example = "2024-11-25T08:45:51.120345")]
    timestamp: String,
}

/// How many are connected to a chat, whether or not there is such a chat.
#[utoipa::path(get, path = "/chat/ws/{chat_id}/status", tag = "Sockets", operation_id = "get_socket_status",
    params(("chat_id" = String, Path, description = "Any text")),
    responses((status = 200, description = "How many are connected", body = SocketStatus)))]
pub(super) async fn status(
    State(face): State<Face>,
    Path(chat_id): Path<String>,
    address: Option<Extension<Address>>,
    headers: HeaderMap,
) -> Result<Json<SocketStatus>, Refusal> {
    let address = address.and_then(|Extension(Address(address))| address);
    let session = face.service.admit(peer::token(&headers), address).await?;
    let connection_count = face.service.connection_count(&session.viewer, &chat_id).await?;
    Ok(Json(SocketStatus {
        chat_id,
        is_active: connection_count > 0,
        connection_count,
        timestamp: face.dates.micros(face.service.now_micros()),
    }))
}

async fn only_get() -> Response {
    let refusal = detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    ([(header::ALLOW, "GET")], refusal).into_response()
}

/// What the address of a socket may hold besides the chat. Ours.
#[derive(Deserialize)]
struct Parameters {
    /// A token, of clients that can send no header. It is in no log.
    token: Option<String>,
    /// The cursor of the last frame that came, to go on behind it.
    after: Option<String>,
}

/// Opens a socket for whatever id: what is wrong with it is said frame by frame.
async fn open(
    State(face): State<Face>,
    Path(chat_id): Path<String>,
    parameters: Result<Query<Parameters>, QueryRejection>,
    address: Option<Extension<Address>>,
    headers: HeaderMap,
    id: Option<Extension<RequestId>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return rest::not_found().await;
    };
    if face.drain.sends_away() {
        let refusal = detail(StatusCode::SERVICE_UNAVAILABLE, "The server is shutting down.");
        return ([(header::RETRY_AFTER, drain::RETRY_AFTER_SECONDS)], refusal).into_response();
    }
    let (after, in_query) = match parameters {
        Ok(Query(parameters)) => (parameters.after, parameters.token),
        Err(_) => (None, None),
    };
    let address = address.and_then(|Extension(Address(address))| address);
    let token = peer::token(&headers).or(in_query.as_deref());
    let session = match face.service.admit(token, address).await {
        Ok(session) => session,
        Err(error) => {
            faces::error(Caller::Mt, error.code());
            return refused(&error);
        }
    };
    let Some(place) = face.service.place_for_stream(StreamKind::Mt, &session) else {
        faces::error(Caller::Mt, "TOO_MANY_STREAMS");
        let refusal = detail(StatusCode::SERVICE_UNAVAILABLE, "Too many sockets are open.");
        return ([(header::RETRY_AFTER, RETRY_AFTER_SECONDS)], refusal).into_response();
    };
    let opened_at = Timestamp::from_millis(face.service.now_micros().div_euclid(1_000));
    let (tell, told) = mpsc::channel(TOLD_MAX);
    let leave = Leave {
        drain: face.drain.clone(),
        now: CancellationToken::new(),
        session: session.clone(),
    };
    let mut worker = Worker::new(
        face.service.clone(),
        session.clone(),
        ChatId::parse(&chat_id).ok(),
        after,
        tell.clone(),
        leave.clone(),
    );
    // Before the handshake is answered: nothing that happens in the chat after it is missed, so a client that then reads
    // what is stored has everything. A chat that cannot be followed now is tried again with each frame.
    let entered = tokio::time::timeout(ENTER_WAIT_MAX, worker.enter()).await;
    // Whoever has a token takes no place in a room that is not theirs to know of.
    let is_seated = session.viewer == Viewer::Anonymous || matches!(entered, Ok(Ok(_)));
    let seat = is_seated.then(|| face.service.enter_room(&chat_id));
    let stage = Stage::new(chat_id, face.dates, opened_at);
    let span = spans::socket(id.as_ref().map(|Extension(id)| id), Caller::Mt);
    let talker = Talker::new(face.service.clone(), session.viewer, stage);
    upgrade
        .max_message_size(face.service.limits().body_bytes_max)
        .max_frame_size(FRAME_BYTES_MAX)
        .read_buffer_size(2 * 1024)
        .write_buffer_size(16 * 1024)
        .on_upgrade(move |socket| {
            let end = End {
                worker,
                talker,
                tell,
                told,
                leave,
                seat,
                _place: place,
            };
            serve(socket, face, end).instrument(span)
        })
}

/// The server's end of a socket.
struct End {
    worker: Worker,
    talker: Talker,
    tell: mpsc::Sender<Told>,
    told: mpsc::Receiver<Told>,
    leave: Leave,
    seat: Option<Seat>,
    _place: StreamPlace,
}

/// Serves a socket until either side closes it. Replies go on without it.
async fn serve(socket: WebSocket, face: Face, end: End) {
    let (sink, mut stream) = socket.split();
    let (commands, queue) = mpsc::channel(COMMANDS_MAX);
    let (finished, finishes) = mpsc::channel(1);
    let talking = tokio::spawn(end.talker.run(sink, end.told, finishes).in_current_span());
    // It outlives the socket until what was received is done: a client may send and leave.
    let working = tokio::spawn(end.worker.run(queue).in_current_span());
    let reader = Reader {
        text_bytes_max: face.service.limits().text_bytes_max,
        commands,
        tell: end.tell,
        leave: end.leave,
    };
    let reason = tokio::select! {
        reason = reader.read(&mut stream) => reason,
        () = finished.closed() => None,
    };
    drop(end.seat);
    if reason == Some(GOING_AWAY) {
        // Nothing more is read, and what was is confirmed, so that nobody sends it again elsewhere.
        face.drain.answered(working).await;
    }
    let is_cut = reason == Some(TOO_BIG);
    if let Some(reason) = reason {
        let _ = finished.send(reason).await;
    }
    drop(finished);
    peer::close(&mut stream, talking, is_cut).await;
}
