//! A WebSocket client that speaks `graphql-transport-ws` frame by frame, so that it can also speak it wrongly.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::server::Server;

/// Longer than any wait of the server's own.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// A client's end of a socket.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// What came from the server.
#[derive(Debug, PartialEq)]
pub enum Received {
    /// A message of the protocol.
    Message(Value),
    /// The end of the socket, with its close code.
    Closed(u16),
}

impl Socket {
    /// Opens a socket with the subprotocol, and sends nothing.
    pub async fn open(server: &Server) -> Self {
        Self::open_as(server, "graphql-transport-ws").await.unwrap()
    }

    /// Opens a socket with a subprotocol of one's own.
    pub async fn open_as(server: &Server, subprotocol: &str) -> Result<Self, tungstenite::Error> {
        let url = server.at("/graphql").replacen("http", "ws", 1);
        let mut request = url.into_client_request()?;
        let subprotocol = HeaderValue::from_str(subprotocol)?;
        request
            .headers_mut()
            .insert("sec-websocket-protocol", subprotocol);
        let (socket, _) = connect_async(request).await?;
        Ok(Self(socket))
    }

    /// Opens a socket that is acknowledged.
    pub async fn acknowledged(server: &Server) -> Self {
        let mut socket = Self::open(server).await;
        socket.send(json!({ "type": "connection_init" })).await;
        socket.expect(json!({ "type": "connection_ack" })).await;
        socket
    }

    /// Sends a message.
    pub async fn send(&mut self, message: Value) {
        self.send_frame(Message::text(message.to_string())).await;
    }

    /// Sends a frame.
    pub async fn send_frame(&mut self, frame: Message) {
        self.0.send(frame).await.unwrap();
    }

    /// Starts an operation.
    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.send(json!({ "type": "subscribe", "id": id, "payload": payload }))
            .await;
    }

    /// The next message, or the end.
    pub async fn receive(&mut self) -> Received {
        // One deadline for all: pings come for ever.
        let deadline = tokio::time::Instant::now() + WAIT_MAX;
        loop {
            let frame = tokio::time::timeout_at(deadline, self.0.next())
                .await
                .expect("the server said nothing");
            match frame {
                Some(Ok(Message::Text(text))) => {
                    return Received::Message(serde_json::from_str(&text).unwrap());
                }
                Some(Ok(Message::Close(Some(frame)))) => return Received::Closed(frame.code.into()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next message, which there must be.
    pub async fn message(&mut self) -> Value {
        match self.receive().await {
            Received::Message(message) => message,
            Received::Closed(code) => panic!("closed with {code}"),
        }
    }

    /// Receives exactly this message.
    pub async fn expect(&mut self, message: Value) {
        assert_eq!(self.receive().await, Received::Message(message));
    }

    /// Receives to the end of the socket: the messages, and the close code.
    pub async fn drain(&mut self) -> (Vec<Value>, u16) {
        let mut messages = Vec::new();
        loop {
            match self.receive().await {
                Received::Message(message) => messages.push(message),
                Received::Closed(code) => return (messages, code),
            }
        }
    }

    /// Says goodbye and waits for the answer: its close code.
    pub async fn close(&mut self, code: u16) -> u16 {
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        self.send_frame(Message::Close(Some(frame))).await;
        self.drain().await.1
    }

    /// Receives the end of the socket, with this code.
    pub async fn expect_close(&mut self, code: u16) {
        assert_eq!(self.receive().await, Received::Closed(code));
    }
}
