//! The messages of a client of graphql-ws.

use serde_json::{Value, json};

use super::Outcome::{Done, NotFound, Unauthenticated as NoToken};
use super::line::{Line, payload};
use super::{Face, Outcome, Row, Visit, meaning};
use crate::access::guarded::{Answer, Guarded};

/// Where the caller's token is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum GraphqlWs {
    /// In the header of the handshake.
    Handshake,
    /// In the payload of a message, as browsers have to do it.
    Message,
}

const FOLLOW: &str = "subscription { chat(id: \"CHAT\") { __typename } }";

/// Owner, other, service, anonymous, expired, forged. A socket whose handshake brings no token is opened: a message may
/// bring one.
#[rustfmt::skip]
pub const ROWS_BY_HANDSHAKE: &[Row] = &[
    ("ConnectionInit", "", [Done, Done, Done, NoToken, NoToken, NoToken]),
    ("Subscribe", FOLLOW, [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("Ping", "", [Done, Done, Done, Done, NoToken, NoToken]),
    ("Pong", "", [Done, Done, Done, Done, NoToken, NoToken]),
    ("Complete", "", [Done, Done, Done, Done, NoToken, NoToken]),
];

/// Owner, other, service, anonymous, expired, forged.
#[rustfmt::skip]
pub const ROWS_BY_MESSAGE: &[Row] = &[
    ("ConnectionInit", "", [Done, Done, Done, NoToken, NoToken, NoToken]),
    ("Subscribe", FOLLOW, [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    // On the owner's socket, which goes on with a token of the owner's alone; without one it is a ping.
    ("Ping", "", [Done, NoToken, NoToken, Done, NoToken, NoToken]),
    // These say and do nothing, before anybody said who they are.
    ("Pong", "", [Done, Done, Done, Done, Done, Done]),
    ("Complete", "", [Done, Done, Done, Done, Done, Done]),
];

impl GraphqlWs {
    /// Opens a socket that is acknowledged, by the way that the caller's token goes.
    pub async fn acknowledged(self, server: &Guarded, token: Option<&str>) -> Result<Line, Answer> {
        let mut line = self.open(server, token).await?;
        match self.acknowledge(&mut line, token).await {
            answer if answer.status == 101 => Ok(line),
            refusal => Err(refusal),
        }
    }

    async fn open(self, server: &Guarded, token: Option<&str>) -> Result<Line, Answer> {
        let token = token.filter(|_| self == Self::Handshake);
        Line::open(server, "/graphql", Some("graphql-transport-ws"), token).await
    }

    async fn acknowledge(self, line: &mut Line, token: Option<&str>) -> Answer {
        let payload = payload(token.filter(|_| self == Self::Message));
        line.send(json!({ "type": "connection_init", "payload": payload }))
            .await;
        line.receive().await
    }

    async fn visit(self, server: &Guarded, visit: &Visit<'_>) -> Result<Answer, Answer> {
        if visit.row.0 == "Subscribe" {
            let mut line = self.acknowledged(server, visit.token).await?;
            line.send(subscribe(&visit.things.fill(visit.row.1))).await;
            return Ok(line.receive().await);
        }
        if visit.row.0 == "Ping" && self == Self::Message {
            let mut line = self.acknowledged(server, Some(visit.owner)).await?;
            line.send(json!({ "type": "ping", "payload": payload(visit.token) }))
                .await;
            return Ok(line.receive().await);
        }
        let mut line = self.open(server, visit.token).await?;
        let message = match visit.row.0 {
            "ConnectionInit" => return Ok(self.acknowledge(&mut line, visit.token).await),
            "Ping" => return Ok(answer_to_ping(&mut line).await),
            "Pong" => json!({ "type": "pong", "payload": payload(visit.token) }),
            "Complete" => json!({ "type": "complete", "id": "1" }),
            other => panic!("no way to send {other}"),
        };
        line.send(message).await;
        Ok(answer_to_ping(&mut line).await)
    }
}

async fn answer_to_ping(line: &mut Line) -> Answer {
    line.send(json!({ "type": "ping" })).await;
    line.receive().await
}

/// A message that starts an operation.
pub fn subscribe(query: &str) -> Value {
    json!({ "type": "subscribe", "id": "1", "payload": { "query": query } })
}

/// What the first message on a socket means, or that it was not opened, or closed.
pub fn outcome_of_socket(answer: &Answer) -> Outcome {
    match (answer.status, answer.body.as_str()) {
        (401, _) if answer.asks_for_a_token() && answer.body.contains("\"UNAUTHENTICATED\"") => NoToken,
        (4403, "Forbidden") => NoToken,
        (101, _) => {
            let message = answer.json();
            let code = message["payload"][0]["extensions"]["code"].as_str();
            match (message["type"].as_str(), code.and_then(meaning)) {
                (Some("error"), Some(outcome)) => outcome,
                (Some("next"), None) if message["payload"].get("errors").is_none() => Done,
                (Some("connection_ack" | "pong"), None) => Done,
                _ => panic!("{answer:?}"),
            }
        }
        _ => panic!("{answer:?}"),
    }
}

impl Face for GraphqlWs {
    fn rows(&self) -> Vec<Row> {
        match self {
            Self::Handshake => ROWS_BY_HANDSHAKE.to_vec(),
            Self::Message => ROWS_BY_MESSAGE.to_vec(),
        }
    }

    async fn ask(&self, server: &Guarded, visit: &Visit<'_>) -> Answer {
        let answered = self.visit(server, visit).await;
        answered.unwrap_or_else(|refusal| refusal)
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        outcome_of_socket(answer)
    }
}
