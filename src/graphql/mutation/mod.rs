//! The mutations: verb, then noun, each with an input and a payload of its own.

mod chats;
mod messages;
mod replies;
mod users;

use async_graphql::MergedObject;

use chats::ChatMutation;
use messages::MessageMutation;
use replies::ReplyMutation;
use users::UserMutation;

/// What can be changed.
#[derive(MergedObject, Default)]
pub struct Mutation(ChatMutation, MessageMutation, ReplyMutation, UserMutation);
