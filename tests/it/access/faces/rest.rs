//! The documented REST API.

use super::Outcome::{Done, Forbidden, NotFound, Nothing, Unauthenticated as NoToken};
use super::line::Line;
use super::{Face, Outcome, Row, Visit};
use crate::access::guarded::{Answer, Guarded};

/// The routes below a prefix.
pub struct Rest {
    pub prefix: &'static str,
}

const STATUS: &str = "get /chat/ws/{chat_id}/status";

/// Owner, other, service, anonymous, expired, forged. What is asked for is a body or a query string.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    ("post /chat/", r#"{"title": "New"}"#, [Done, Done, Done, NoToken, NoToken, NoToken]),
    ("post /chat/", r#"{"title": "New", "user_id": "OWNER"}"#, [Done, Forbidden, Done, NoToken, NoToken, NoToken]),
    ("get /chat/user/{user_id}", "", [Done, Forbidden, Done, NoToken, NoToken, NoToken]),
    ("get /chat/{chat_id}", "", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("put /chat/{chat_id}", r#"{"title": "New"}"#, [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("put /chat/{chat_id}", "{}", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("delete /chat/{chat_id}", "", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("get /chat/{chat_id}/full", "", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("get /chat/{chat_id}/messages", "", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("post /chat/{chat_id}/messages", r#"{"message": "New"}"#, [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("get /chat/{chat_id}/messages/{message_id}", "", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("put /chat/{chat_id}/messages/{message_id}", r#"{"message": "New"}"#, [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("put /chat/{chat_id}/messages/{message_id}", "{}", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("delete /chat/{chat_id}/messages/{message_id}", "", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("post /chat/{chat_id}/messages/{message_id}/reaction", "?reaction=x", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("delete /chat/{chat_id}/messages/{message_id}/reaction", "", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    // The owner is connected.
    (STATUS, "", [Done, Nothing, Done, NoToken, NoToken, NoToken]),
];

impl Face for Rest {
    fn rows(&self) -> Vec<Row> {
        ROWS.to_vec()
    }

    async fn ask(&self, server: &Guarded, visit: &Visit<'_>) -> Answer {
        let (operation, sent, _) = *visit.row;
        let (method, path) = operation.split_once(' ').unwrap();
        let mut path = format!("{}{}", self.prefix, visit.things.fill(path));
        let sent = visit.things.fill(sent);
        let is_query = sent.starts_with('?');
        if is_query {
            path.push_str(&sent);
        }
        let mut request = server.request(method, &path, visit.token);
        if !is_query && !sent.is_empty() {
            request = request.header("content-type", "application/json").body(sent);
        }
        let _owners = match operation == STATUS {
            true => {
                let path = visit.things.fill("/chat/ws/CHAT");
                Some(Line::open(server, &path, None, Some(visit.owner)).await.unwrap())
            }
            false => None,
        };
        server.answer(request).await.without_time()
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        match (answer.status, answer.body.as_str()) {
            (200, _) if answer.json()["connection_count"] == 0 => {
                assert_eq!(answer.json()["is_active"], false);
                Nothing
            }
            (200, _) => Done,
            (401, r#"{"detail":"Not authenticated"}"#) if answer.asks_for_a_token() => NoToken,
            (403, r#"{"detail":"Access denied: You can only access your own chats"}"#) => Forbidden,
            (404, r#"{"detail":"Chat not found"}"#) => NotFound,
            _ => panic!("{answer:?}"),
        }
    }
}

/// Whether a route leads by way of a chat to a message in it.
pub fn leads_to_a_message(row: &Row) -> bool {
    row.0.contains("{message_id}")
}
