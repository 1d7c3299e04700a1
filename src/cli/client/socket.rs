//! One subscription over one WebSocket, in `graphql-transport-ws`.
//!
//! Not by `graphql-ws-client`, which is made for another version of the WebSocket library than the server's. The
//! handshake goes through reqwest, so that TLS, proxies and headers are what they are for every other request.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use graphql_client::{GraphQLQuery, Response};
use reqwest::header::{
    CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use reqwest::{StatusCode, Upgraded};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::error::ClientError;
use super::server::Server;

const PROTOCOL: &str = "graphql-transport-ws";
/// How long the handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(15);
/// A server pings every 20 seconds: a line on which two of these are missing is dead.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// An event has at most 16 KiB of text, and JSON writes a character in six bytes at most.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Close codes after which the same again would be refused again.
const REFUSALS: [u16; 5] = [4400, 4401, 4406, 4409, 4429];
/// The close code where no token, or none that is valid, was shown; or where it is valid no longer.
const FORBIDDEN: u16 = 4403;

/// A subscription under way.
pub struct Subscription<'a> {
    socket: WebSocketStream<Upgraded>,
    server: &'a Server,
}

/// What a server says.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum FromServer<D> {
    ConnectionAck,
    Next { payload: Response<D> },
    Error { payload: Vec<graphql_client::Error> },
    Complete,
    Ping,
    Pong,
}

impl<'a> Subscription<'a> {
    /// Opens a socket and subscribes.
    pub async fn start<Q: GraphQLQuery>(
        server: &'a Server,
        variables: Q::Variables,
    ) -> Result<Self, ClientError> {
        let handshake = tokio::time::timeout(HANDSHAKE_MAX, shake(server)).await;
        let socket = handshake.map_err(|_| server.lost_because("the handshake took too long"))??;
        let mut subscription = Self { socket, server };
        subscription
            .send(json!({ "type": "connection_init", "payload": server.init }))
            .await?;
        // Before this, a subscription would close the socket.
        subscription.acknowledged().await?;
        let payload = json!(Q::build_query(variables));
        subscription
            .send(json!({ "type": "subscribe", "id": "1", "payload": payload }))
            .await?;
        Ok(subscription)
    }

    /// The next event, or `None` when there are no more.
    pub async fn next<D: DeserializeOwned>(&mut self) -> Result<Option<D>, ClientError> {
        loop {
            match self.receive::<D>().await? {
                FromServer::Next { payload } => return self.server.data_of(payload).map(Some),
                FromServer::Error { payload } => {
                    let refusal = ClientError::refused(&payload);
                    return Err(refusal.unwrap_or_else(|| self.server.strange("an error without a word")));
                }
                FromServer::Complete => return Ok(None),
                other => self.answer(other).await?,
            }
        }
    }

    async fn acknowledged(&mut self) -> Result<(), ClientError> {
        loop {
            match self.receive::<Value>().await? {
                FromServer::ConnectionAck => return Ok(()),
                other => self.answer(other).await?,
            }
        }
    }

    /// What has to be done about messages that are no event.
    async fn answer<D>(&mut self, message: FromServer<D>) -> Result<(), ClientError> {
        match message {
            FromServer::Ping => self.send(json!({ "type": "pong" })).await,
            _ => Ok(()),
        }
    }

    async fn receive<D: DeserializeOwned>(&mut self) -> Result<FromServer<D>, ClientError> {
        loop {
            let frame = tokio::time::timeout(SILENCE_MAX, self.socket.next()).await;
            match frame {
                Ok(Some(Ok(Message::Text(text)))) => {
                    return serde_json::from_str(&text).map_err(|error| self.server.strange(error));
                }
                Ok(Some(Ok(Message::Close(Some(frame))))) if u16::from(frame.code) == FORBIDDEN => {
                    return Err(self.server.not_let_in());
                }
                Ok(Some(Ok(Message::Close(Some(frame))))) if REFUSALS.contains(&frame.code.into()) => {
                    return Err(self.server.strange(format!("{} {}", frame.code, frame.reason)));
                }
                Ok(Some(Ok(Message::Close(_))) | None) => {
                    return Err(self.server.lost_because("the connection was closed"));
                }
                // The library answers pings when it is read from.
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => return Err(self.server.lost(&error)),
                Err(_) => return Err(self.server.lost_because("it fell silent")),
            }
        }
    }

    async fn send(&mut self, message: Value) -> Result<(), ClientError> {
        let sent = self.socket.send(Message::text(message.to_string())).await;
        sent.map_err(|error| self.server.lost(&error))
    }
}

/// Turns a request into a WebSocket.
async fn shake(server: &Server) -> Result<WebSocketStream<Upgraded>, ClientError> {
    let key = generate_key();
    let request = server
        .socket_client
        .get(server.url.clone())
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, &key)
        .header(SEC_WEBSOCKET_PROTOCOL, PROTOCOL);
    let response = request.send().await.map_err(|error| server.lost(&error))?;
    let status = response.status();
    if status.is_server_error() {
        return Err(server.lost_because(status));
    }
    if status == StatusCode::UNAUTHORIZED {
        return Err(server.not_let_in());
    }
    if status != StatusCode::SWITCHING_PROTOCOLS {
        return Err(server.strange(format!("no WebSocket: {status}")));
    }
    let has = |name: HeaderName, value: &str| {
        response
            .headers()
            .get(name)
            .is_some_and(|found| found.as_bytes() == value.as_bytes())
    };
    if !has(SEC_WEBSOCKET_ACCEPT, &derive_accept_key(key.as_bytes())) {
        return Err(server.strange("its WebSocket does not answer to the handshake"));
    }
    if !has(SEC_WEBSOCKET_PROTOCOL, PROTOCOL) {
        return Err(server.strange(format!("its WebSocket does not speak {PROTOCOL}")));
    }
    let line = response.upgrade().await.map_err(|error| server.lost(&error))?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    Ok(WebSocketStream::from_raw_socket(line, Role::Client, Some(config)).await)
}
