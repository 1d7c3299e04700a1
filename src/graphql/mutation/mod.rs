//! The mutations: verb, then noun, each with an input and a payload of its own.

mod chats;
mod messages;
mod replies;

use async_graphql::MergedObject;

use chats::ChatMutation;
use messages::MessageMutation;
use replies::ReplyMutation;

/// What can be changed.
#[derive(MergedObject, Default)]
pub struct Mutation(ChatMutation, MessageMutation, ReplyMutation);
