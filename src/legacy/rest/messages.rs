//! Routes of messages and of reactions to them.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;

use super::Rest;
use super::caller::Caller;
use super::fault::Part;
use super::input::Fields;
use super::refusal::{Detail, Faults, Refusal};
use super::request::{self, ChatPath, MessageBody, MessageChangeBody, MessagePath, PageQuery, ReactionQuery};
use super::wire::{Done, Message, MessageCreated};

/// A chat's messages, the oldest first.
#[utoipa::path(get, path = "/chat/{chat_id}/messages", tag = "Messages", operation_id = "list_messages",
    params(("chat_id" = String, Path, description = "24 hexadecimal digits"), PageQuery),
    responses((status = 200, description = "A page of them", body = Vec<Message>),
        (status = 404, description = "There is no such chat", body = Detail),
        (status = 422, description = "Invalid", body = Faults)))]
pub async fn of_chat(
    State(rest): State<Rest>,
    Caller(viewer): Caller,
    uri: Uri,
    path: ChatPath,
) -> Result<Json<Vec<Message>>, Refusal> {
    let limits = rest.service.limits();
    let page = request::page(&uri, limits.messages_page_size, limits.page_size_max)?;
    let id = request::chat_id(path)?;
    let messages = rest.service.messages_by_number(&viewer, id, page).await?;
    Ok(Json(Message::list(messages, rest.dates)))
}

/// Store a message, which asks for no reply.
#[utoipa::path(post, path = "/chat/{chat_id}/messages", tag = "Messages", operation_id = "create_message",
    request_body = MessageBody,
    params(("chat_id" = String, Path, description = "24 hexadecimal digits")),
    responses((status = 200, description = "Stored", body = MessageCreated),
        (status = 404, description = "There is no such chat", body = Detail),
        (status = 413, description = "Too large", body = Detail),
        (status = 422, description = "Invalid", body = Faults)))]
pub async fn create(
    State(rest): State<Rest>,
    Caller(viewer): Caller,
    path: ChatPath,
    body: Fields,
) -> Result<Json<MessageCreated>, Refusal> {
    let posted = request::message(body)?;
    let posted = posted(request::chat_id(path)?);
    let message = rest.service.post_message(&viewer, posted).await?;
    Ok(Json(message.id.into()))
}

/// A message.
#[utoipa::path(get, path = "/chat/{chat_id}/messages/{message_id}", tag = "Messages",
    operation_id = "get_message",
    params(("chat_id" = String, Path, description = "24 hexadecimal digits"),
        ("message_id" = String, Path, description = "24 hexadecimal digits")),
    responses((status = 200, description = "The message", body = Message),
        (status = 404, description = "There is none in this chat", body = Detail)))]
pub async fn show(
    State(rest): State<Rest>,
    Caller(viewer): Caller,
    path: MessagePath,
) -> Result<Json<Message>, Refusal> {
    let (chat, id) = request::message_id(path)?;
    let message = rest.service.message_of_chat(&viewer, chat, id).await?;
    Ok(Json(Message::new(message, rest.dates)))
}

/// Change a message's text, reaction or edited mark.
#[utoipa::path(put, path = "/chat/{chat_id}/messages/{message_id}", tag = "Messages",
    operation_id = "update_message", request_body = MessageChangeBody,
    params(("chat_id" = String, Path, description = "24 hexadecimal digits"),
        ("message_id" = String, Path, description = "24 hexadecimal digits")),
    responses((status = 200, description = "Changed, or nothing to change", body = Done),
        (status = 404, description = "There is none in this chat", body = Detail),
        (status = 409, description = "A reply is still being written", body = Detail),
        (status = 413, description = "Too large", body = Detail),
        (status = 422, description = "Invalid", body = Faults)))]
pub async fn update(
    State(rest): State<Rest>,
    Caller(viewer): Caller,
    path: MessagePath,
    body: Fields,
) -> Result<Json<Done>, Refusal> {
    let edit = request::message_edit(body)?;
    let (chat, id) = request::message_id(path)?;
    let changed = rest.service.edit_message(&viewer, chat, id, edit).await?;
    Ok(Json(match changed {
        Some(_) => Done::because("Message updated successfully"),
        None => Done::nothing(),
    }))
}

/// Delete a message.
#[utoipa::path(delete, path = "/chat/{chat_id}/messages/{message_id}", tag = "Messages",
    operation_id = "delete_message",
    params(("chat_id" = String, Path, description = "24 hexadecimal digits"),
        ("message_id" = String, Path, description = "24 hexadecimal digits")),
    responses((status = 200, description = "Deleted", body = Done),
        (status = 404, description = "There is none in this chat", body = Detail)))]
pub async fn delete(
    State(rest): State<Rest>,
    Caller(viewer): Caller,
    path: MessagePath,
) -> Result<Json<Done>, Refusal> {
    let (chat, id) = request::message_id(path)?;
    rest.service.delete_message_of_chat(&viewer, chat, id).await?;
    Ok(Json(Done::because("Message deleted successfully")))
}

/// Give a message its one reaction.
#[utoipa::path(post, path = "/chat/{chat_id}/messages/{message_id}/reaction", tag = "Messages",
    operation_id = "add_reaction",
    params(("chat_id" = String, Path, description = "24 hexadecimal digits"),
        ("message_id" = String, Path, description = "24 hexadecimal digits"), ReactionQuery),
    responses((status = 200, description = "Given", body = Done),
        (status = 404, description = "There is none in this chat", body = Detail),
        (status = 422, description = "Invalid", body = Faults)))]
pub async fn add_reaction(
    State(rest): State<Rest>,
    Caller(viewer): Caller,
    uri: Uri,
    path: MessagePath,
) -> Result<Json<Done>, Refusal> {
    let reaction = request::reaction(&uri)?;
    let (chat, id) = request::message_id(path)?;
    let reacted = rest.service.react(&viewer, chat, id, Some(reaction)).await;
    reacted.map_err(|error| Refusal::by_service(error, Part::Query))?;
    Ok(Json(Done::because("Reaction added successfully")))
}

/// Take a message's reaction away.
#[utoipa::path(delete, path = "/chat/{chat_id}/messages/{message_id}/reaction", tag = "Messages",
    operation_id = "remove_reaction",
    params(("chat_id" = String, Path, description = "24 hexadecimal digits"),
        ("message_id" = String, Path, description = "24 hexadecimal digits")),
    responses((status = 200, description = "Taken away", body = Done),
        (status = 404, description = "There is none in this chat", body = Detail)))]
pub async fn remove_reaction(
    State(rest): State<Rest>,
    Caller(viewer): Caller,
    path: MessagePath,
) -> Result<Json<Done>, Refusal> {
    let (chat, id) = request::message_id(path)?;
    rest.service.react(&viewer, chat, id, None).await?;
    Ok(Json(Done::because("Reaction removed successfully")))
}
