//! Queries and mutations over HTTP.

use serde_json::{Value, json};

use super::Outcome::{Done, Forbidden, NotFound, Nothing, Unauthenticated as NoToken, Unsuitable};
use super::{Face, Outcome, Row, Visit, meaning};
use crate::access::guarded::{Answer, Guarded};

/// How a document is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Graphql {
    /// By POST: anything.
    Post,
    /// By GET: queries alone.
    Get,
}

/// Owner, other, service, anonymous, expired, forged.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    ("Query.node", "{ node(id: \"CHAT\") { id } }", [Done, Nothing, Done, NoToken, NoToken, NoToken]),
    ("Query.node", "{ node(id: \"MESSAGE\") { id } }", [Done, Nothing, Done, NoToken, NoToken, NoToken]),
    ("Query.node", "{ node(id: \"REPLY\") { id } }", [Done, Nothing, Done, NoToken, NoToken, NoToken]),
    ("Query.viewer", "{ viewer { userId } }", [Done, Done, Done, NoToken, NoToken, NoToken]),
    ("Query.chat", "{ chat(id: \"CHAT\") { title } }", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    // Their own, of which others have none.
    ("Query.chats", "{ chats { nodes { title } } }", [Done, Nothing, Nothing, NoToken, NoToken, NoToken]),
    ("Query.chats", "{ chats(userId: \"OWNER\") { nodes { title } } }", [Done, Forbidden, Done, NoToken, NoToken, NoToken]),
    ("Query.message", "{ message(id: \"MESSAGE\") { text } }", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("Query.message", "{ message(id: \"REPLY\") { text } }", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("Query.searchMessages", "{ searchMessages(query: \"xyzzy\") { nodes { text } } }", [Done, Nothing, Nothing, NoToken, NoToken, NoToken]),
    ("Query.searchMessages", "{ searchMessages(query: \"xyzzy\", chatId: \"CHAT\") { nodes { text } } }", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("Query.searchMessages", "{ searchMessages(query: \"xyzzy\", userId: \"OWNER\") { nodes { text } } }", [Done, Forbidden, Done, NoToken, NoToken, NoToken]),
    ("Query.searchMessages", "{ searchMessages(query: \"xyzzy\", userId: \"OWNER\", chatId: \"CHAT\") { nodes { text } } }", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("Query.usage", "{ usage { rows { tokens } } }", [Done, Nothing, Nothing, NoToken, NoToken, NoToken]),
    ("Query.usage", "{ usage(userId: \"OWNER\") { rows { tokens } } }", [Done, Forbidden, Done, NoToken, NoToken, NoToken]),
    ("Mutation.createChat", "mutation { createChat(input: {title: \"New\"}) { chat { id } } }", [Done, Done, Done, NoToken, NoToken, NoToken]),
    ("Mutation.createChat", "mutation { createChat(input: {title: \"New\", userId: \"OWNER\"}) { chat { id } } }", [Done, Forbidden, Done, NoToken, NoToken, NoToken]),
    ("Mutation.updateChat", "mutation { updateChat(input: {id: \"CHAT\", title: \"New\"}) { chat { title } } }", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("Mutation.deleteChat", "mutation { deleteChat(input: {id: \"CHAT\"}) { deletedChatId } }", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("Mutation.createMessage", "mutation { createMessage(input: {chatId: \"CHAT\", text: \"New\"}) { message { id } } }", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("Mutation.updateMessage", "mutation { updateMessage(input: {id: \"MESSAGE\", text: \"New\"}) { message { text } } }", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("Mutation.deleteMessage", "mutation { deleteMessage(input: {id: \"MESSAGE\"}) { chat { id } } }", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("Mutation.addReaction", "mutation { addReaction(input: {messageId: \"MESSAGE\", reaction: \"x\"}) { message { text } } }", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("Mutation.removeReaction", "mutation { removeReaction(input: {messageId: \"MESSAGE\"}) { message { text } } }", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("Mutation.sendMessage", "mutation { sendMessage(input: {chatId: \"CHAT\", text: \"New\"}) { reply { id } } }", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("Mutation.regenerateReply", "mutation { regenerateReply(input: {messageId: \"REPLY\"}) { reply { id } } }", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("Mutation.stopReply", "mutation { stopReply(input: {messageId: \"REPLY\"}) { receipt { outcome } } }", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    // That a message is no reply is told only to those who may know that there is one.
    ("Mutation.regenerateReply", "mutation { regenerateReply(input: {messageId: \"MESSAGE\"}) { reply { id } } }", [Unsuitable, NotFound, Unsuitable, NoToken, NoToken, NoToken]),
    ("Mutation.stopReply", "mutation { stopReply(input: {messageId: \"MESSAGE\"}) { receipt { outcome } } }", [Unsuitable, NotFound, Unsuitable, NoToken, NoToken, NoToken]),
    ("Mutation.setTyping", "mutation { setTyping(input: {chatId: \"CHAT\", isTyping: true}) { typing { userId } } }", [Done, NotFound, Done, NoToken, NoToken, NoToken]),
    ("Mutation.revokeUser", "mutation { revokeUser(input: {userId: \"OWNER\"}) { userId } }", [Forbidden, Forbidden, Done, NoToken, NoToken, NoToken]),
];

impl Face for Graphql {
    fn rows(&self) -> Vec<Row> {
        let is_sent = |row: &&Row| *self == Self::Post || row.0.starts_with("Query.");
        ROWS.iter().filter(is_sent).copied().collect()
    }

    async fn ask(&self, server: &Guarded, visit: &Visit<'_>) -> Answer {
        let query = visit.things.fill(visit.row.1);
        let request = match self {
            Self::Post => {
                let request = server.request("post", "/graphql", visit.token);
                request.json(&json!({ "query": query }))
            }
            Self::Get => {
                let request = server.request("get", "/graphql", visit.token);
                request.query(&[("query", query)])
            }
        };
        server.answer(request).await
    }

    fn outcome(&self, answer: &Answer) -> Outcome {
        let body = answer.json();
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        let code = errors.first().map(|error| error["extensions"]["code"].as_str());
        match code.map(|code| code.and_then(meaning)) {
            Some(Some(Outcome::Unauthenticated)) if answer.asks_for_a_token() => NoToken,
            Some(Some(outcome)) if answer.status == 200 && outcome != NoToken => {
                let fields = body["data"]
                    .as_object()
                    .into_iter()
                    .flat_map(|data| data.values());
                assert!(fields.into_iter().all(Value::is_null), "{answer:?}");
                outcome
            }
            None if answer.status == 200 => shown(&body["data"]),
            _ => panic!("{answer:?}"),
        }
    }
}

/// Whether there is anything in the one field of some data.
fn shown(data: &Value) -> Outcome {
    let field = data.as_object().unwrap().values().next().unwrap();
    let list = field.get("nodes").or(field.get("rows"));
    let is_empty = list.and_then(Value::as_array).is_some_and(Vec::is_empty);
    match field.is_null() || is_empty {
        true => Nothing,
        false => Done,
    }
}
