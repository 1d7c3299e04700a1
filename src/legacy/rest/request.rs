//! What is asked: the documented bodies and query strings. The structs describe them in the API description; reading
//! them is lax, so it is by hand.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::Uri;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::coerce;
use super::fault::{Complaint, Fault, Part};
use super::input::Fields;
use super::refusal::Refusal;
use super::wire::User;
use crate::domain::{Author, ChatChange, ChatId, ChatStatus, MessageId, UserId, Viewer};
use crate::service::{MessageEdit, NewChat, NewMessage, NumberedPage, Subject};

/// A chat to make.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body that is read by hand")]
pub struct ChatBody {
    /// Whose it is to be: a number, or a text as identity providers name users. It may be left out where a token is asked
    /// for: then it is whose token it is.
    #[schema(nullable = false)]
    user_id: Option<User>,
    /// What lists show.
    title: String,
    /// The document it is about: 24 hexadecimal digits.
    document_id: Option<String>,
    /// `active` if not given.
    #[schema(default = "active", nullable = false)]
    status: Option<String>,
}

/// What to change of a chat; what is left out or null stays as it is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body that is read by hand")]
pub struct ChatChangeBody {
    /// The new title.
    title: Option<String>,
    /// The new status.
    status: Option<String>,
}

/// A message to store.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body that is read by hand")]
pub struct MessageBody {
    /// What it says.
    message: String,
    /// Whether the bot wrote it.
    #[schema(default = false, nullable = false)]
    is_bot: Option<bool>,
    /// What sort of content it is.
    #[serde(rename = "type")]
    #[schema(default = "text")]
    kind: Option<String>,
    /// The reaction to it.
    reaction: Option<String>,
    /// How many tokens it has.
    token: Option<i64>,
    /// Whether it was edited.
    #[schema(default = false, nullable = false)]
    is_edited: Option<bool>,
}

/// What to change of a message; what is left out or null stays as it is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body that is read by hand")]
pub struct MessageChangeBody {
    /// The new text. It marks the message as edited, unless `is_edited` says otherwise.
    message: Option<String>,
    /// The new reaction.
    reaction: Option<String>,
    /// Whether it was edited.
    is_edited: Option<bool>,
}

/// Which page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes a query string that is read by hand")]
pub struct PageQuery {
    /// From 1 on.
    #[param(minimum = 1, default = 1)]
    page: Option<u64>,
    /// How many items a page has: 20 chats or 50 messages if not given.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u64>,
}

/// Which reaction.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes a query string that is read by hand")]
pub struct ReactionQuery {
    /// Any text, usually an emoji.
    reaction: String,
}

/// The chat of a body.
pub fn chat(mut body: Fields, viewer: &Viewer) -> Result<NewChat, Refusal> {
    let user_id = match body.text("user_id") {
        Some(text) if viewer.is_called(text) => Some(UserId::Text(text.to_owned())),
        // Late clients name nobody: their token does.
        _ if viewer.subject().is_some() => body.given("user_id", coerce::user_id),
        _ => body.required("user_id", coerce::user_id),
    };
    let document_id = body.optional("document_id", coerce::document_id).flatten();
    // A name of the documented system for something that Colloquy does not keep.
    body.optional("training_doc_id", coerce::text);
    let title = body.required("title", coerce::text);
    let status = body.given("status", coerce::text).map(ChatStatus);
    let new = title.map(|title| NewChat {
        user_id,
        document_id,
        title,
        status,
    });
    body.finish(new)
}

/// The change of a chat.
pub fn chat_change(mut body: Fields) -> Result<ChatChange, Refusal> {
    let title = body.optional("title", coerce::text);
    let status = body.optional("status", coerce::text).map(ChatStatus);
    body.finish(Some(ChatChange { title, status }))
}

/// The message of a body, which is the same for every chat: where it names one, the path counts.
pub fn message(mut body: Fields) -> Result<impl FnOnce(ChatId) -> NewMessage, Refusal> {
    let text = body.required("message", coerce::text);
    let is_bot = body.given("is_bot", coerce::flag).unwrap_or_default();
    let reaction = body.optional("reaction", coerce::text);
    let token_count = body.optional("token", coerce::integer);
    let kind = body.optional("type", coerce::text);
    let is_edited = body.given("is_edited", coerce::flag).unwrap_or_default();
    let text = body.finish(text)?;
    Ok(move |chat_id| NewMessage {
        chat_id,
        author: Author::from_is_bot(is_bot),
        text,
        kind,
        token_count,
        reaction,
        is_edited,
        client_key: None,
    })
}

/// The change of a message.
pub fn message_edit(mut body: Fields) -> Result<MessageEdit, Refusal> {
    let text = body.optional("message", coerce::text);
    let reaction = body.optional("reaction", coerce::text);
    let is_edited = body.optional("is_edited", coerce::flag);
    body.finish(Some(MessageEdit {
        text,
        reaction,
        is_edited,
    }))
}

/// The page of a query string; `size` items if it names no number.
pub fn page(uri: &Uri, size: usize, size_max: usize) -> Result<NumberedPage, Refusal> {
    let mut query = Fields::of_query(uri);
    let page = query.bounded("page", 1, i64::MAX);
    let limit = query.bounded("limit", 1, i64::try_from(size_max).unwrap_or(i64::MAX));
    query.finish(Some(NumberedPage {
        number: page.map_or(1, i64::unsigned_abs),
        size: limit
            .and_then(|limit| usize::try_from(limit).ok())
            .unwrap_or(size),
    }))
}

/// The reaction of a query string.
pub fn reaction(uri: &Uri) -> Result<String, Refusal> {
    let mut query = Fields::of_query(uri);
    let reaction = query.required("reaction", coerce::text);
    query.finish(reaction)
}

/// Both parts of a request, or the faults of both together.
pub fn both<A, B>(first: Result<A, Refusal>, second: Result<B, Refusal>) -> Result<(A, B), Refusal> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (Err(Refusal::Invalid(mut faults)), Err(Refusal::Invalid(more))) => {
            faults.extend(more);
            Err(Refusal::Invalid(faults))
        }
        (Err(refusal), _) | (_, Err(refusal)) => Err(refusal),
    }
}

/// A path with a chat's id in it.
pub type ChatPath = Result<Path<String>, PathRejection>;
/// A path with a chat's and a message's id in it.
pub type MessagePath = Result<Path<(String, String)>, PathRejection>;

/// The chat of a path. What is no id is no chat.
pub fn chat_id(path: ChatPath) -> Result<ChatId, Refusal> {
    let id = path.ok().and_then(|Path(id)| ChatId::parse(&id).ok());
    id.ok_or_else(|| Refusal::not_found(Subject::Chat))
}

/// The chat and the message of a path. What is no id is no chat, or no message.
pub fn message_id(path: MessagePath) -> Result<(ChatId, MessageId), Refusal> {
    let Ok(Path((chat, message))) = path else {
        return Err(Refusal::not_found(Subject::Chat));
    };
    let chat = ChatId::parse(&chat).map_err(|_| Refusal::not_found(Subject::Chat))?;
    let message = MessageId::parse(&message).map_err(|_| Refusal::not_found(Subject::Message))?;
    Ok((chat, message))
}

/// The user of a path: the viewer if it is their id, else a number where it is one.
pub fn user_id(path: ChatPath, viewer: &Viewer) -> Result<UserId, Refusal> {
    let invalid = |complaint: &Complaint, input: Value| {
        Refusal::Invalid(vec![Fault::of_field(Part::Path, "user_id", complaint, input)])
    };
    let Path(user) = path.map_err(|_| invalid(&Complaint::StringType, Value::Null))?;
    if viewer.is_called(&user) {
        return Ok(UserId::Text(user));
    }
    coerce::user_id_in(&user).map_err(|complaint| invalid(&complaint, user.into()))
}
