//! Followers of replies and chats, by the documented rule: a snapshot replaces the text, a partial appends to it, the
//! end ends it.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::server::Server;
use super::socket::Socket;

/// What the end of a reply tells of it.
const MESSAGE: &str = "message { id text tokenCount reply { state model reasoning regenerates { id }
    inReplyTo { id text } error { code message }
    receipt { outcome requestedBy offset tokens { tokens isEstimated } upstreamClosedMilliseconds }
    usage { prompt { tokens isEstimated } completion { tokens isEstimated } }
    timings { queuedAt startedAt firstPieceAt upstreamClosedAt finishedAt queuedMilliseconds firstPieceMilliseconds
        totalMilliseconds overheadMilliseconds } } }";

/// Follows a reply to its end: the text that was assembled, and the message of the end.
pub async fn follow(server: &Server, reply: &str) -> (String, Value) {
    let query = format!(
        "subscription ($id: ID!) {{ reply(messageId: $id) {{ __typename
            ... on ReplySnapshot {{ text }} ... on ReplyPartial {{ text }} ... on ReplyFinished {{ {MESSAGE} }} }} }}"
    );
    let mut socket = Socket::acknowledged(server).await;
    socket.subscribe("1", &query, json!({ "id": reply })).await;
    let mut text = String::new();
    loop {
        let mut message = socket.message().await;
        let event = message["payload"]["data"]["reply"].take();
        let piece = event["text"].as_str().unwrap_or_default();
        match event["__typename"].as_str() {
            Some("ReplySnapshot") => text = piece.to_owned(),
            Some("ReplyPartial") => text.push_str(piece),
            Some("ReplyFinished") => {
                socket.expect(json!({ "type": "complete", "id": "1" })).await;
                return (text, event["message"].clone());
            }
            _ => panic!("{message}"),
        }
    }
}

/// One who follows a chat over a socket of its own.
pub struct ChatFollower {
    socket: Socket,
    /// The cursor behind the last event.
    pub cursor: Value,
    /// What was assembled of each reply.
    pub texts: HashMap<String, String>,
}

impl ChatFollower {
    /// Follows a chat from a cursor, or from now.
    pub async fn start(server: &Server, chat: &str, after: &Value) -> Self {
        let query = format!(
            "subscription ($id: ID!, $after: String) {{ chat(id: $id, after: $after) {{ __typename
                ... on ChatResync {{ cursor }}
                ... on MessageAdded {{ cursor added: message {{ id text author reaction }} }}
                ... on MessageUpdated {{ cursor updated: message {{ id text reaction isEdited }} }}
                ... on MessageDeleted {{ cursor messageId }}
                ... on ChatUpdated {{ cursor chat {{ id title }} }}
                ... on ChatDeleted {{ cursor chatId }}
                ... on TypingChanged {{ cursor typing {{ userId isTyping until }} }}
                ... on ReplySnapshot {{ cursor text message {{ id }} }}
                ... on ReplyPartial {{ cursor text messageId }}
                ... on ReplyFinished {{ cursor finished: {MESSAGE} }} }} }}"
        );
        let mut socket = Socket::acknowledged(server).await;
        let variables = json!({ "id": chat, "after": after });
        socket.subscribe("1", &query, variables).await;
        Self {
            socket,
            cursor: after.clone(),
            texts: HashMap::new(),
        }
    }

    /// The next event, or `None` after the last.
    pub async fn next(&mut self) -> Option<Value> {
        let mut message = self.socket.message().await;
        if message["type"] == "complete" {
            return None;
        }
        assert_eq!(message["payload"]["errors"], Value::Null, "{message}");
        let event = message["payload"]["data"]["chat"].take();
        self.cursor = event["cursor"].clone();
        let text = event["text"].as_str().unwrap_or_default();
        match event["__typename"].as_str().unwrap() {
            "ReplySnapshot" => {
                let id = event["message"]["id"].as_str().unwrap();
                self.texts.insert(id.to_owned(), text.to_owned());
            }
            "ReplyPartial" => {
                let id = event["messageId"].as_str().unwrap();
                self.texts.entry(id.to_owned()).or_default().push_str(text);
            }
            _ => {}
        }
        Some(event)
    }

    /// The next event that is no reply's piece, which there must be.
    pub async fn next_but_pieces(&mut self) -> Value {
        loop {
            let event = self.next().await.expect("the subscription ended");
            if event["__typename"] != "ReplyPartial" {
                return event;
            }
        }
    }

    /// The next event, which must be of this type.
    pub async fn expect(&mut self, kind: &str) -> Value {
        let event = self.next_but_pieces().await;
        assert_eq!(event["__typename"], kind, "{event}");
        event
    }
}
