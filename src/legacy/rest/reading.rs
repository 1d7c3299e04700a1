//! Bodies and query strings, read as the routes read them and without anything being done: no store, no network, no
//! clock. What is refused is given as the body of the answer 422.

use axum::http::{HeaderMap, Uri};
use serde_json::{Value, json};

use super::input::Fields;
use super::refusal::Refusal;
use super::request;
use crate::domain::{ChatChange, ChatId, Viewer};
use crate::service::{MessageEdit, NewChat, NewMessage, NumberedPage};

/// The body of `POST /chat/`, said to be JSON, of a caller whom nobody asked for a token.
pub fn new_chat(body: &[u8]) -> Result<NewChat, Value> {
    let body = fields(body).map_err(told)?;
    request::chat(body, &Viewer::Anonymous).map_err(told)
}

/// The body of `PUT /chat/{chat_id}`.
pub fn chat_change(body: &[u8]) -> Result<ChatChange, Value> {
    fields(body).and_then(request::chat_change).map_err(told)
}

/// The body of `POST /chat/{chat_id}/messages`.
pub fn new_message(chat: ChatId, body: &[u8]) -> Result<NewMessage, Value> {
    let posted = fields(body).and_then(request::message).map_err(told)?;
    Ok(posted(chat))
}

/// The body of `PUT /chat/{chat_id}/messages/{message_id}`.
pub fn message_edit(body: &[u8]) -> Result<MessageEdit, Value> {
    fields(body).and_then(request::message_edit).map_err(told)
}

/// The page of a list whose pages have `size` items unless the query string says otherwise, and at most `size_max`.
pub fn page(uri: &Uri, size: usize, size_max: usize) -> Result<NumberedPage, Value> {
    request::page(uri, size, size_max).map_err(told)
}

/// The reaction of `POST /chat/{chat_id}/messages/{message_id}/reaction`.
pub fn reaction(uri: &Uri) -> Result<String, Value> {
    request::reaction(uri).map_err(told)
}

/// A body without a content type counts as JSON.
fn fields(body: &[u8]) -> Result<Fields, Refusal> {
    Fields::of_body(&HeaderMap::new(), body)
}

fn told(refusal: Refusal) -> Value {
    match refusal {
        Refusal::Invalid(faults) => json!({ "detail": faults }),
        // Not from reading: these are said by those who take the body and do what it asks for.
        Refusal::TooLarge => json!({ "detail": "Request body too large" }),
        Refusal::Service(error) => json!({ "detail": error.to_string() }),
    }
}
