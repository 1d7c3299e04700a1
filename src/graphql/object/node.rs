//! The interface `Node`.

use async_graphql::{ID, Interface};

use super::{Chat, Message};

/// Anything that has an id of its own (GraphQL Global Object Identification).
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Names the object."))]
pub enum Node {
    /// A chat.
    Chat(Chat),
    /// A message.
    Message(Message),
}
