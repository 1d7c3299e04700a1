//! Routes of chats.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;

use super::Rest;
use super::caller::Caller;
use super::input::Fields;
use super::refusal::{Detail, Faults, Refusal};
use super::request::{self, ChatBody, ChatChangeBody, ChatPath, PageQuery};
use super::wire::{Chat, ChatCreated, ChatPage, Done, FullChat, Message};

/// Make a chat.
#[utoipa::path(post, path = "/chat/", tag = "Chats", operation_id = "create_chat", request_body = ChatBody,
    responses((status = 200, description = "The chat is made", body = ChatCreated),
        (status = 413, description = "Too large", body = Detail),
        (status = 422, description = "Invalid", body = Faults)))]
pub async fn create(
    State(rest): State<Rest>,
    Caller(viewer): Caller,
    body: Fields,
) -> Result<Json<ChatCreated>, Refusal> {
    let new = request::chat(body, &viewer)?;
    let chat = rest.service.create_chat(&viewer, new).await?;
    Ok(Json(chat.id.into()))
}

/// A user's chats, the last made first.
#[utoipa::path(get, path = "/chat/user/{user_id}", tag = "Chats", operation_id = "list_chats",
    params(("user_id" = String, Path, description = "A number, or a text"), PageQuery),
    responses((status = 200, description = "A page of them", body = ChatPage),
        (status = 422, description = "Invalid", body = Faults)))]
pub async fn of_user(
    State(rest): State<Rest>,
    Caller(viewer): Caller,
    uri: Uri,
    path: ChatPath,
) -> Result<Json<ChatPage>, Refusal> {
    let user = request::user_id(path, &viewer);
    let limits = rest.service.limits();
    let page = request::page(&uri, limits.chats_page_size, limits.page_size_max);
    // Faults of the path and of the query string are told together.
    let (user, page) = request::both(user, page)?;
    let chats = rest.service.chats_by_number(&viewer, user, page).await?;
    let list = chats.items.into_iter();
    Ok(Json(ChatPage {
        chats: list.map(|chat| Chat::new(chat, rest.dates)).collect(),
        total: chats.total,
        page: page.number,
        limit: page.size,
    }))
}

/// A chat.
#[utoipa::path(get, path = "/chat/{chat_id}", tag = "Chats", operation_id = "get_chat",
    params(("chat_id" = String, Path, description = "24 hexadecimal digits")),
    responses((status = 200, description = "The chat", body = Chat),
        (status = 404, description = "There is none", body = Detail)))]
pub async fn show(
    State(rest): State<Rest>,
    Caller(viewer): Caller,
    path: ChatPath,
) -> Result<Json<Chat>, Refusal> {
    let id = request::chat_id(path)?;
    let chat = rest.service.chat(&viewer, id).await?;
    Ok(Json(Chat::new(chat, rest.dates)))
}

/// Change a chat's title or status.
#[utoipa::path(put, path = "/chat/{chat_id}", tag = "Chats", operation_id = "update_chat",
    request_body = ChatChangeBody,
    params(("chat_id" = String, Path, description = "24 hexadecimal digits")),
    responses((status = 200, description = "Changed, or nothing to change", body = Done),
        (status = 404, description = "There is none", body = Detail),
        (status = 413, description = "Too large", body = Detail),
        (status = 422, description = "Invalid", body = Faults)))]
pub async fn update(
    State(rest): State<Rest>,
    Caller(viewer): Caller,
    path: ChatPath,
    body: Fields,
) -> Result<Json<Done>, Refusal> {
    let change = request::chat_change(body)?;
    let id = request::chat_id(path)?;
    let is_changed = rest.service.edit_chat(&viewer, id, &change).await?;
    Ok(Json(match is_changed {
        true => Done::because("Chat updated successfully"),
        false => Done::nothing(),
    }))
}

/// Delete a chat with its messages.
#[utoipa::path(delete, path = "/chat/{chat_id}", tag = "Chats", operation_id = "delete_chat",
    params(("chat_id" = String, Path, description = "24 hexadecimal digits")),
    responses((status = 200, description = "Deleted", body = Done),
        (status = 404, description = "There is none", body = Detail)))]
pub async fn delete(
    State(rest): State<Rest>,
    Caller(viewer): Caller,
    path: ChatPath,
) -> Result<Json<Done>, Refusal> {
    let id = request::chat_id(path)?;
    rest.service.delete_chat(&viewer, id).await?;
    Ok(Json(Done::because("Chat deleted successfully")))
}

/// A chat with its messages, the oldest first.
#[utoipa::path(get, path = "/chat/{chat_id}/full", tag = "Chats", operation_id = "get_full_chat",
    params(("chat_id" = String, Path, description = "24 hexadecimal digits"), PageQuery),
    responses((status = 200, description = "The chat and a page of its messages", body = FullChat),
        (status = 404, description = "There is none", body = Detail),
        (status = 422, description = "Invalid", body = Faults)))]
pub async fn full(
    State(rest): State<Rest>,
    Caller(viewer): Caller,
    uri: Uri,
    path: ChatPath,
) -> Result<Json<FullChat>, Refusal> {
    let limits = rest.service.limits();
    let page = request::page(&uri, limits.messages_page_size, limits.page_size_max)?;
    let id = request::chat_id(path)?;
    let (chat, messages) = rest.service.chat_with_messages(&viewer, id, page).await?;
    Ok(Json(FullChat {
        chat: Chat::new(chat, rest.dates),
        messages: Message::list(messages.items, rest.dates),
        total_messages: messages.total,
    }))
}
