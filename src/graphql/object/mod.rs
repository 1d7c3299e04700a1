//! The types of the schema.

mod at_hand;
mod chat;
mod event;
mod message;
mod node;
mod reply;
mod usage;
mod viewer;

use std::sync::Arc;

use async_graphql::OutputType;
use async_graphql::connection::{Connection, Edge};

use crate::domain::{Page, PageRequest, Position};

pub use at_hand::AtOnce;
pub(super) use chat::page_size;
pub use chat::{Chat, ChatFilter};
pub use event::{ChatEvent, ReplyEvent, TypingState};
pub use message::{Author, Message};
pub use node::Node;
pub use reply::StopReceipt;
pub use usage::UsageReport;
pub use viewer::Viewer;

/// A page as the GraphQL Cursor Connections specification shapes it.
fn connection<T, O: OutputType + async_graphql::ObjectType>(
    page: Page<T>,
    request: &PageRequest,
    position: impl Fn(&T) -> Position,
    node: impl Fn(T) -> O,
) -> Connection<String, O> {
    // In the direction of reading the page knows; in the other, whoever named a bound came from there.
    let (has_previous, has_next) = match request.backward {
        false => (request.after.is_some(), page.has_more),
        true => (page.has_more, request.before.is_some()),
    };
    let mut connection = Connection::new(has_previous, has_next);
    connection.edges.extend(
        page.items
            .into_iter()
            .map(|item| Edge::new(position(&item).encode(), node(item))),
    );
    connection
}

/// A page of chats.
pub fn chat_connection(page: Page<crate::domain::Chat>, request: &PageRequest) -> Connection<String, Chat> {
    connection(
        page,
        request,
        |chat| Position {
            at: chat.updated_at,
            id: chat.id.0,
        },
        Chat,
    )
}

/// A page of messages.
pub fn message_connection(
    page: Page<Arc<crate::domain::Message>>,
    request: &PageRequest,
) -> Connection<String, AtOnce<Message>> {
    connection(
        page,
        request,
        |message| Position {
            at: message.created_at,
            id: message.id.0,
        },
        |message| AtOnce(message.into()),
    )
}
