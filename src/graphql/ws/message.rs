//! The messages of the protocol document, as JSON.

use async_graphql::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::graphql::GraphqlRequest;

/// What a client sends.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ClientMessage {
    ConnectionInit {
        #[serde(default)]
        payload: Option<Map<String, Value>>,
    },
    Ping {
        #[serde(default)]
        payload: Option<Map<String, Value>>,
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

/// Whether a frame is a message of the protocol, with a payload that can be read: for whoever tries what that does to
/// anything.
pub fn is_message(frame: &str) -> bool {
    serde_json::from_str::<ClientMessage>(frame).is_ok()
}

/// What the server sends.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ServerMessage<'a> {
    ConnectionAck,
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Map<String, Value>>,
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

impl ServerMessage<'_> {
    /// As it goes over the line.
    pub(super) fn encode(&self) -> String {
        // Maps with string keys and finite numbers only: there is nothing that JSON cannot hold.
        serde_json::to_string(self).unwrap_or_default()
    }
}
