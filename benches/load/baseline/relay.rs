//! Replies, handed from the service to a WebSocket: to the one that asked, or to all that watch. Nothing is kept.

use axum::Json;
use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use eventsource_stream::Eventsource;
use futures_util::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::broadcast;

use crate::upstream::Question;

/// Pieces that wait for a viewer.
const WAITING_MAX: usize = 1024;

/// How the service is reached, and who watches.
#[derive(Clone)]
pub struct Relays {
    client: reqwest::Client,
    endpoint: String,
    viewers: broadcast::Sender<Utf8Bytes>,
}

#[derive(Deserialize)]
struct Chunk {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Delta,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
}

/// What is said of a piece, in as many words as the server says it.
#[derive(Serialize)]
struct Next<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'static str,
    payload: Payload<'a>,
}

#[derive(Serialize)]
struct Payload<'a> {
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    reply: Partial<'a>,
}

#[derive(Serialize)]
struct Partial<'a> {
    __typename: &'static str,
    text: &'a str,
    cursor: String,
}

impl Relays {
    /// Of the service that listens there.
    pub fn to(upstream: &str) -> Self {
        Self {
            client: reqwest::Client::new(),
            endpoint: format!("http://{upstream}/v1/chat/completions"),
            viewers: broadcast::Sender::new(WAITING_MAX),
        }
    }

    /// The answer to a question, in frames.
    async fn ask(&self, question: String) -> impl Stream<Item = Utf8Bytes> + use<> {
        let body = json!({
            "model": "scripted", "stream": true, "messages": [{ "role": "user", "content": question }],
        });
        let response = self.client.post(&self.endpoint).json(&body).send().await.unwrap();
        let mut length = 0;
        response.bytes_stream().eventsource().filter_map(move |event| {
            let event = event.unwrap();
            let chunk = serde_json::from_str::<Chunk>(&event.data).ok();
            let choice = chunk.and_then(|chunk| chunk.choices.into_iter().next());
            let text = choice.and_then(|choice| choice.delta.content);
            let frame = text.map(|text| {
                length += text.len();
                frame(&text, length)
            });
            async { frame }
        })
    }
}

fn frame(text: &str, length: usize) -> Utf8Bytes {
    let reply = Partial {
        __typename: "ReplyPartial",
        text,
        cursor: format!("{length:016x}"),
    };
    let next = Next {
        kind: "next",
        id: "1",
        payload: Payload { data: Data { reply } },
    };
    serde_json::to_string(&next).unwrap().into()
}

/// A WebSocket that says a question and is told the answer.
pub async fn relay(State(relays): State<Relays>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |mut socket: WebSocket| {
        let Some(Ok(Message::Text(question))) = socket.recv().await else {
            return;
        };
        let frames = relays.ask(question.to_string()).await;
        let mut frames = std::pin::pin!(frames);
        while let Some(frame) = frames.next().await {
            if socket.send(Message::Text(frame)).await.is_err() {
                return;
            }
        }
        // Whoever has left need not be told.
        let _ = socket
            .send(Message::Text(r#"{"type":"complete","id":"1"}"#.into()))
            .await;
    })
}

/// A WebSocket that is told whatever is asked by others.
pub async fn watch(State(relays): State<Relays>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |mut socket: WebSocket| {
        let mut frames = relays.viewers.subscribe();
        if socket
            .send(Message::Text(r#"{"type":"connection_ack"}"#.into()))
            .await
            .is_err()
        {
            return;
        }
        loop {
            tokio::select! {
                frame = frames.recv() => {
                    let Ok(frame) = frame else { return };
                    if socket.send(Message::Text(frame)).await.is_err() {
                        return;
                    }
                }
                said = socket.recv() => if !matches!(said, Some(Ok(_))) {
                    return;
                },
            }
        }
    })
}

/// Asks a question for all that watch.
pub async fn broadcast(State(relays): State<Relays>, Json(question): Json<Question>) {
    let frames = relays.ask(question.text()).await;
    tokio::spawn(async move {
        let mut frames = std::pin::pin!(frames);
        while let Some(frame) = frames.next().await {
            // Nobody may watch any more.
            let _ = relays.viewers.send(frame);
        }
        let _ = relays.viewers.send(r#"{"type":"complete","id":"1"}"#.into());
    });
}
