//! The frames of a client of the documented socket.

use serde_json::{Value, json};

use super::Outcome::{Done, NotFound, Nothing, Unauthenticated as NoToken};
use super::line::Line;
use super::{Face, Outcome, Row, Visit};
use crate::access::guarded::{Answer, Guarded};
use crate::support::mt::kind_of;

/// Where the caller's token is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mt {
    /// In the header of the handshake.
    Header,
    /// In the query string of its address, as browsers have to do it.
    Address,
}

/// Owner, other, service, anonymous, expired, forged. The chat is the address's; that frames name it as well, as late
/// clients' do, makes no difference.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    ("Upload", r#"{"mt": "message_upload", "message": "New", "userId": "1", "timezone": "UTC", "selectedLanguage": "en", "chatId": "CHAT"}"#, [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("Stop", r#"{"mt": "stop", "chatId": "CHAT"}"#, [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    // Whether anything is said of it tells whether there is a chat.
    ("Unknown", r#"{"mt": "unheard of", "chatId": "CHAT"}"#, [Nothing, NotFound, Nothing, NoToken, NoToken, NoToken]),
];

impl Mt {
    /// Opens a socket of a chat, with more in the query string.
    pub async fn open(
        self,
        server: &Guarded,
        chat: &str,
        token: Option<&str>,
        more: &str,
    ) -> Result<Line, Answer> {
        match (self, token) {
            (Self::Address, Some(token)) => {
                let path = format!("/chat/ws/{chat}?token={token}{more}");
                Line::open(server, &path, None, None).await
            }
            _ => {
                let path = format!("/chat/ws/{chat}?{more}");
                Line::open(server, &path, None, token).await
            }
        }
    }
}

impl Face for Mt {
    fn rows(&self) -> Vec<Row> {
        ROWS.to_vec()
    }

    async fn ask(&self, server: &Guarded, visit: &Visit<'_>) -> Answer {
        let mut line = match self.open(server, &visit.things.chat, visit.token, "").await {
            Ok(line) => line,
            Err(refusal) => return refusal,
        };
        let frame: Value = serde_json::from_str(&visit.things.fill(visit.row.1)).unwrap();
        line.send(frame).await;
        // Refused by whoever took the frame before, so that something comes also where that is ignored.
        line.send(json!([])).await;
        loop {
            let answer = line.receive().await;
            let kind = kind_of(&answer.json());
            if [
                "chat_access_denied",
                "user confirm",
                "stopped_generation",
                "error",
            ]
            .contains(&kind)
            {
                return answer.without_time();
            }
        }
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        match answer.status {
            401 if answer.asks_for_a_token() && answer.body == r#"{"detail":"Not authenticated"}"# => NoToken,
            101 => match kind_of(&answer.json()) {
                "chat_access_denied" => NotFound,
                "user confirm" | "stopped_generation" => Done,
                "error" if answer.json()["message"] == "Error processing message" => Nothing,
                _ => panic!("{answer:?}"),
            },
            _ => panic!("{answer:?}"),
        }
    }
}
