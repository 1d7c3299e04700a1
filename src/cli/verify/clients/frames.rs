//! One who writes and reads by the frames of the documented socket.

use std::collections::HashMap;
use std::sync::Arc;

use fastrand::Rng;
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::reply_follower::SILENCE_MAX;
use super::writer::{heard, intend, note};
use crate::cli::client::ReplyState;
use crate::cli::verify::bot::Speech;
use crate::cli::verify::crew::Crew;
use crate::cli::verify::fleet::Slot;
use crate::cli::verify::ledger::{Ack, now};
use crate::cli::verify::view::{Face, View};

/// How many lines are tried for one upload; on several servers without a feed the one that generates the reply may not
/// be among them.
const LINES_MAX: usize = 12;

/// What is answered to a frame that no retry mends.
const REFUSED: &str = "Error processing message";

/// What a server says, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Frame {
    mt: String,
    message_id: Option<String>,
    reply_id: Option<String>,
    start: Option<String>,
    partial: Option<String>,
    stop: Option<String>,
    offset: Option<usize>,
    cursor: Option<String>,
    state: Option<ReplyState>,
    is_bot: Option<bool>,
    message: Option<Value>,
}

/// What the client has.
#[derive(Default)]
struct Place {
    cursor: Option<String>,
    views: HashMap<String, View>,
    /// The reply to what was uploaded, once that is confirmed.
    awaited: Option<String>,
    /// Those that have ended, since this was last noted.
    ended: Vec<View>,
    /// All that have: what is told of them again is told behind their text.
    known: HashMap<String, View>,
}

/// Why a line was left.
enum Left {
    /// The awaited reply has ended.
    Done,
    /// It broke, or fell silent.
    Broken,
}

/// Uploads and reads until there is enough.
pub async fn chat(crew: Arc<Crew>, chat: String, mut rng: Rng) {
    let mut place = Place::default();
    while !crew.enough.is_cancelled() {
        let number = intend(&crew, &chat, Speech::Any, &mut rng);
        place.awaited = None;
        for _ in 0..LINES_MAX {
            let slot = crew.fleet.any(&mut rng).clone();
            let line = over_one_line(&crew, &slot, &chat, number, &mut place);
            let left = crew.over.run_until_cancelled(line).await;
            let ended = std::mem::take(&mut place.ended);
            crew.ledger.note(|notes| notes.views.extend(ended));
            if left.is_none() || crew.pause(&mut rng).await.is_none() {
                return;
            }
            place.views.values_mut().for_each(View::broke);
            let is_enough = crew.enough.is_cancelled() && place.awaited.is_some();
            if is_enough || matches!(left, Some(Some(Left::Done))) {
                break;
            }
        }
    }
}

/// Reads one line until the awaited reply ends or the line does; uploads first, if that was not confirmed before.
async fn over_one_line(
    crew: &Crew,
    slot: &Slot,
    chat: &str,
    number: usize,
    place: &mut Place,
) -> Option<Left> {
    let after = place.cursor.as_ref().map(|cursor| format!("?after={cursor}"));
    let address = format!(
        "ws://{}/chat/ws/{chat}{}",
        slot.proxied,
        after.unwrap_or_default()
    );
    let open = async {
        let line = TcpStream::connect(slot.proxied).await.ok()?;
        Some(tokio_tungstenite::client_async(address, line).await.ok()?.0)
    };
    let mut socket = tokio::time::timeout(SILENCE_MAX, open).await.ok()??;
    if place.awaited.is_none() {
        let upload = note(crew, number, |writing| {
            json!({
                "mt": "message_upload",
                "message": writing.text,
                "clientMessageId": writing.key,
                "useWebSearch": false,
            })
        })?;
        heard(crew, number, slot.index);
        socket.send(Message::text(upload.to_string())).await.ok()?;
    }
    loop {
        let Some(frame) = next(&mut socket).await else {
            return Some(Left::Broken);
        };
        if frame.mt == "message_upload_confirm" && frame.is_bot != Some(true) {
            let message = frame.message_id?;
            note(crew, number, |writing| {
                writing.acks.push(Ack {
                    message,
                    reply: frame.reply_id.clone(),
                    server: slot.index,
                    at: now(),
                });
            })?;
            place.awaited = frame.reply_id;
        } else if frame.mt == "chat_message_bot_partial" {
            place.take(frame);
            let is_done = place.awaited.as_ref().is_some_and(|awaited| {
                let mut ended = place.ended.iter();
                ended.any(|view| view.reply == *awaited)
            });
            if is_done {
                return Some(Left::Done);
            }
        } else if frame.mt == "error" {
            // Otherwise too many replies wait, or the server is on its way down: later, and elsewhere.
            if frame.message.as_ref().and_then(Value::as_str) == Some(REFUSED) {
                note(crew, number, |writing| writing.refusals.push(REFUSED.to_owned()));
            }
            return Some(Left::Broken);
        }
    }
}

/// The next frame of text, unless the line ends before or is silent.
async fn next(socket: &mut WebSocketStream<TcpStream>) -> Option<Frame> {
    loop {
        let message = tokio::time::timeout(SILENCE_MAX, socket.next())
            .await
            .ok()??
            .ok()?;
        match message {
            Message::Text(text) => return serde_json::from_str(&text).ok(),
            Message::Close(_) => return None,
            _ => {}
        }
    }
}

impl Place {
    /// What the documented rule makes of a frame of a reply.
    fn take(&mut self, frame: Frame) {
        let Some(id) = frame.message_id else { return };
        let at = now();
        if frame.start.is_some() {
            let view = self.views.entry(id.clone());
            view.or_insert_with(|| View::new(id, Face::Frames))
                .snapshot(at, "");
        } else if let Some(partial) = frame.partial {
            let offset = frame.offset.unwrap_or_default();
            self.under_way(&id).partial_at(at, offset, &partial);
        } else if frame.stop.is_some()
            // Otherwise it is told from its beginning in another stream.
            && let Some(state) = frame.state
        {
            self.under_way(&id).end(state, None);
            if let Some(view) = self.views.remove(&id) {
                self.ended.push(view.clone());
                self.known.insert(id, view);
            }
        }
        if let Some(cursor) = frame.cursor {
            self.cursor = Some(cursor);
        }
    }

    /// What there is of a reply whose beginning was told.
    fn under_way(&mut self, reply: &str) -> &mut View {
        let known = self.known.remove(reply);
        self.views.entry(reply.to_owned()).or_insert_with(|| {
            known.unwrap_or_else(|| {
                let mut view = View::new(reply.to_owned(), Face::Frames);
                view.fault("it goes on, or ends, and its beginning was never told".to_owned());
                view
            })
        })
    }
}
