//! What the client asks of a server: one document each.

use graphql_client::GraphQLQuery;

use crate::cli::client::{DateTime, ReplyState, UserId, operations};

operations! {
    /// Whom the server takes the caller for.
    Viewer = "src/cli/chat/documents/viewer.graphql";
    /// A new chat.
    CreateChat = "src/cli/chat/documents/create_chat.graphql";
    /// A chat with its latest messages.
    OpenChat = "src/cli/chat/documents/open_chat.graphql";
    /// The chats last written in.
    Chats = "src/cli/chat/documents/chats.graphql";
    /// A message that asks for a reply.
    SendMessage = "src/cli/chat/documents/send_message.graphql";
    /// Another reply in place of one.
    RegenerateReply = "src/cli/chat/documents/regenerate_reply.graphql";
    /// The end of a reply under way.
    StopReply = "src/cli/chat/documents/stop_reply.graphql";
    /// A reaction to a message.
    AddReaction = "src/cli/chat/documents/add_reaction.graphql";
    /// The end of a chat.
    DeleteChat = "src/cli/chat/documents/delete_chat.graphql";
    /// A reply as it grows.
    FollowReply = "src/cli/chat/documents/follow_reply.graphql";
}
