//! A client of the documented socket, frame by frame, so that it can also speak it wrongly.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::server::Server;

/// Longer than any wait of the server's own.
pub const WAIT_MAX: Duration = Duration::from_secs(20);

/// A client's end of a socket.
pub struct Mt(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

/// One reply as a socket was shown it.
#[derive(Debug, Default, PartialEq)]
pub struct Shown {
    /// The stream's id.
    pub stream: String,
    /// What the chunks say together.
    pub text: String,
    /// How many there were.
    pub chunks: usize,
}

impl Mt {
    /// Opens a socket of a chat.
    pub async fn open(server: &Server, chat: &str) -> Self {
        Self::open_at(server, &format!("/chat/ws/{chat}")).await
    }

    /// Opens a socket at a path.
    pub async fn open_at(server: &Server, path: &str) -> Self {
        let url = server.at(path).replacen("http", "ws", 1);
        let (socket, _) = connect_async(url).await.unwrap();
        Self(socket)
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: Value) {
        self.send_raw(Message::text(frame.to_string())).await;
    }

    /// Sends anything.
    pub async fn send_raw(&mut self, frame: Message) {
        self.0.send(frame).await.unwrap();
    }

    /// Sends a user's message with the documented fields.
    pub async fn upload(&mut self, text: &str) {
        self.send(upload(text)).await;
    }

    /// What comes next, pings left out.
    pub async fn receive(&mut self) -> Option<Result<Message, Error>> {
        let deadline = tokio::time::Instant::now() + WAIT_MAX;
        loop {
            let frame = tokio::time::timeout_at(deadline, self.0.next()).await;
            match frame.expect("the server said nothing") {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => return other,
            }
        }
    }

    /// The next frame.
    pub async fn frame(&mut self) -> Value {
        match self.receive().await {
            Some(Ok(Message::Text(text))) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The next frame, of which only the kind is looked at.
    pub async fn expect(&mut self, kind: &str) -> Value {
        let frame = self.frame().await;
        assert_eq!(kind_of(&frame), kind, "{frame}");
        frame
    }

    /// Frames up to and with the first of a kind.
    pub async fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            frames.push(self.frame().await);
            if frames.last().is_some_and(|last| kind_of(last) == kind) {
                return frames;
            }
        }
    }

    /// The close code with which the server ends the socket.
    pub async fn closed(&mut self) -> u16 {
        loop {
            match self.receive().await {
                Some(Ok(Message::Close(Some(close)))) => return close.code.into(),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Says goodbye and waits for the answer to it.
    pub async fn leave(mut self) {
        self.0.close(None).await.unwrap();
        while let Some(received) = self.receive().await {
            received.expect("the server dropped the line without an answer");
        }
    }

    /// Proves that nothing waits to be read: the answer to a frame is the next that comes.
    pub async fn expect_silence(&mut self) {
        self.send_raw(Message::text("not json")).await;
        let frame = self.frame().await;
        assert_eq!(frame["message"], "Invalid JSON format", "{frame}");
    }
}

/// A user's message with the documented fields.
pub fn upload(text: &str) -> Value {
    json!({ "mt": "message_upload", "message": text, "userId": "1", "timezone": "UTC", "selectedLanguage": "en" })
}

/// What a frame is, in short: its `mt`, and of the frames of a stream and of confirmations which they are.
pub fn kind_of(frame: &Value) -> &'static str {
    match frame["mt"].as_str() {
        Some("chat_message_bot_partial") if frame["start"].is_string() => "start",
        Some("chat_message_bot_partial") if frame["uuid"].is_string() => "chunk",
        Some("chat_message_bot_partial") if frame["stop"].is_string() => "end",
        Some("message_upload_confirm") if frame["isBot"] == false => "user confirm",
        Some("message_upload_confirm") if frame["isBot"] == true => "bot confirm",
        Some("typing_indicator") => "typing_indicator",
        Some("stop_typing_indicator") => "stop_typing_indicator",
        Some("new_message") => "new_message",
        Some("stopped_generation") => "stopped_generation",
        Some("chat_access_denied") => "chat_access_denied",
        Some("error") => "error",
        _ => panic!("no frame of the documented kinds: {frame}"),
    }
}

/// The kinds of frames, one for each run of chunks.
pub fn kinds(frames: &[Value]) -> Vec<&'static str> {
    let mut kinds: Vec<_> = frames.iter().map(kind_of).collect();
    kinds.dedup_by(|a, b| a == b && *a == "chunk");
    kinds
}

/// The replies in these frames, in the order in which they began, by the rule of the documented clients: `start` opens
/// one, `uuid` and `partial` append to it, `stop` ends it.
pub fn replies(frames: &[Value]) -> Vec<Shown> {
    let mut replies: Vec<Shown> = Vec::new();
    for frame in frames {
        let of = |replies: &mut Vec<Shown>, id: &Value| {
            let place = replies.iter().position(|reply| id == reply.stream.as_str());
            place.unwrap_or_else(|| panic!("no start before {frame}"))
        };
        match kind_of(frame) {
            "start" => {
                let stream = frame["start"].as_str().unwrap().to_owned();
                assert!(
                    replies.iter().all(|reply| reply.stream != stream),
                    "{stream} again"
                );
                replies.push(Shown {
                    stream,
                    ..Shown::default()
                });
            }
            "chunk" => {
                let place = of(&mut replies, &frame["uuid"]);
                let partial = frame["partial"].as_str().unwrap();
                assert!(!partial.is_empty());
                assert_eq!(frame["offset"], replies[place].text.len());
                replies[place].text.push_str(partial);
                replies[place].chunks += 1;
            }
            "end" => {
                of(&mut replies, &frame["stop"]);
            }
            _ => {}
        }
    }
    replies
}
