//! A WebSocket that may be refused.

use futures_util::{SinkExt, StreamExt};
use reqwest::Upgraded;
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::access::guarded::{Answer, Guarded};
use crate::support::mt::WAIT_MAX;

/// A client's end of a socket.
pub struct Line(WebSocketStream<Upgraded>);

impl Line {
    /// Opens a socket at a path, with a token in the handshake's header; or what it is refused with.
    pub async fn open(
        server: &Guarded,
        path: &str,
        subprotocol: Option<&str>,
        token: Option<&str>,
    ) -> Result<Self, Answer> {
        let handshake = [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ];
        let offer = subprotocol.map(|subprotocol| ("sec-websocket-protocol", subprotocol));
        let mut request = server.request("get", path, token);
        for (name, value) in handshake.into_iter().chain(offer) {
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        let answer = Answer::of_response(&response);
        if answer.status != 101 {
            let body = response.text().await.unwrap();
            return Err(Answer { body, ..answer });
        }
        let line = response.upgrade().await.unwrap();
        Ok(Self(
            WebSocketStream::from_raw_socket(line, Role::Client, None).await,
        ))
    }

    /// Sends a message.
    pub async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// What comes next: a message, or the end.
    pub async fn receive(&mut self) -> Answer {
        let deadline = tokio::time::Instant::now() + WAIT_MAX;
        loop {
            let frame = tokio::time::timeout_at(deadline, self.0.next()).await;
            match frame.expect("the server said nothing") {
                Some(Ok(Message::Text(text))) => return Answer::of_socket(101, text.to_string()),
                Some(Ok(Message::Close(Some(close)))) => {
                    return Answer::of_socket(close.code.into(), close.reason.to_string());
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

/// What `connection_init` and `ping` bring a token in.
pub fn payload(token: Option<&str>) -> Value {
    match token {
        Some(token) => json!({ "authorization": format!("Bearer {token}") }),
        None => json!({}),
    }
}
