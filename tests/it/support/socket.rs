//! A WebSocket client that speaks `graphql-transport-ws` frame by frame, so that it can also speak it wrongly.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use super::server::Server;

/// Longer than any wait of the server's own.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// A client's end of a socket.
pub struct Socket(WebSocketStream<BufReader<TcpStream>>);

/// What came from the server.
#[derive(Debug, PartialEq)]
pub enum Received {
    /// A message of the protocol.
    Message(Value),
    /// The end of the socket, with its close code and the reason.
    Closed(u16, String),
}

impl Socket {
    /// Opens a socket with the subprotocol, and sends nothing.
    pub async fn open(server: &Server) -> Self {
        let (socket, chosen) = Self::shake(server, Some("graphql-transport-ws")).await;
        assert_eq!(chosen.as_deref(), Some("graphql-transport-ws"));
        socket
    }

    /// Opens a socket that offers these subprotocols, and says which was chosen. By hand, because client libraries take
    /// a server that chooses none for one that failed.
    pub async fn shake(server: &Server, subprotocols: Option<&str>) -> (Self, Option<String>) {
        let host = server.url.strip_prefix("http://").unwrap();
        Self::shake_over(TcpStream::connect(host).await.unwrap(), host, subprotocols).await
    }

    /// Opens a socket whose handshake has one more header; the status, if it is refused.
    pub async fn with_header(server: &Server, name: &str, value: &str) -> Result<Self, u16> {
        let host = server.url.strip_prefix("http://").unwrap();
        let line = TcpStream::connect(host).await.unwrap();
        let offered = Some("graphql-transport-ws");
        let shaken = Self::try_shake(line, host, offered, &format!("{name}: {value}\r\n")).await;
        shaken.map(|(socket, _)| socket)
    }

    /// The status that a handshake at a path is answered with, which has one more header.
    pub async fn handshake(server: &Server, path: &str, name: &str, value: &str) -> u16 {
        let host = server.url.strip_prefix("http://").unwrap();
        let mut line = BufReader::new(TcpStream::connect(host).await.unwrap());
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{name}: {value}\r\n\r\n"
        );
        line.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        line.read_line(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }

    async fn shake_over(line: TcpStream, host: &str, subprotocols: Option<&str>) -> (Self, Option<String>) {
        let shaken = Self::try_shake(line, host, subprotocols, "").await;
        shaken.unwrap_or_else(|status| panic!("the handshake is refused with {status}"))
    }

    async fn try_shake(
        line: TcpStream,
        host: &str,
        subprotocols: Option<&str>,
        headers: &str,
    ) -> Result<(Self, Option<String>), u16> {
        let mut line = BufReader::new(line);
        let offer = subprotocols.map(|offer| format!("Sec-WebSocket-Protocol: {offer}\r\n"));
        let request = format!(
            "GET /graphql HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{headers}{}\r\n",
            offer.unwrap_or_default()
        );
        line.write_all(request.as_bytes()).await.unwrap();
        let (mut answer, mut chosen) = (String::new(), None);
        line.read_line(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        if status != 101 {
            return Err(status);
        }
        loop {
            let mut header = String::new();
            line.read_line(&mut header).await.unwrap();
            match header.trim_end().split_once(": ") {
                Some(("sec-websocket-protocol", protocol)) => chosen = Some(protocol.to_owned()),
                Some(_) => {}
                None => break,
            }
        }
        let socket = WebSocketStream::from_raw_socket(line, Role::Client, None).await;
        Ok((Self(socket), chosen))
    }

    /// Opens a socket that is acknowledged, and takes little before it is read, so that the server feels it.
    pub async fn narrow(server: &Server) -> Self {
        let host = server.url.strip_prefix("http://").unwrap();
        let line = TcpSocket::new_v4().unwrap();
        line.set_recv_buffer_size(4096).unwrap();
        let line = line.connect(host.parse().unwrap()).await.unwrap();
        let (mut socket, _) = Self::shake_over(line, host, Some("graphql-transport-ws")).await;
        socket.acknowledge().await;
        socket
    }

    /// Opens a socket that is acknowledged.
    pub async fn acknowledged(server: &Server) -> Self {
        let mut socket = Self::open(server).await;
        socket.acknowledge().await;
        socket
    }

    async fn acknowledge(&mut self) {
        self.send(json!({ "type": "connection_init" })).await;
        self.expect(json!({ "type": "connection_ack" })).await;
    }

    /// Sends a message.
    pub async fn send(&mut self, message: Value) {
        self.send_frame(Message::text(message.to_string())).await;
    }

    /// Sends a frame.
    pub async fn send_frame(&mut self, frame: Message) {
        self.0.send(frame).await.unwrap();
    }

    /// Sends a message, if the server has not closed the socket meanwhile.
    pub async fn try_send(&mut self, message: Value) {
        let _ = self.0.send(Message::text(message.to_string())).await;
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
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Received::Closed(frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next message, which there must be.
    pub async fn message(&mut self) -> Value {
        match self.receive().await {
            Received::Message(message) => message,
            Received::Closed(code, reason) => panic!("closed with {code}: {reason}"),
        }
    }

    /// Receives exactly this message.
    pub async fn expect(&mut self, message: Value) {
        assert_eq!(self.receive().await, Received::Message(message));
    }

    /// Receives to the end of the socket: the messages, the close code and the reason.
    pub async fn drain(&mut self) -> (Vec<Value>, u16, String) {
        let mut messages = Vec::new();
        loop {
            match self.receive().await {
                Received::Message(message) => messages.push(message),
                Received::Closed(code, reason) => return (messages, code, reason),
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
        match self.receive().await {
            Received::Closed(closed, _) => assert_eq!(closed, code),
            message => panic!("{message:?} instead of {code}"),
        }
    }

    /// Sends a message of which the server reads no more than the beginning, and only then looks at what came.
    pub async fn send_in_vain(&mut self, message: Value) {
        let sending = self.0.send(Message::text(message.to_string()));
        let sent = tokio::time::timeout(Duration::from_millis(500), sending).await;
        assert!(sent.is_err(), "{sent:?}, although nobody reads it");
    }
}
