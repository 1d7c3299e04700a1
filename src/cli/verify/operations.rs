//! What the trial's clients ask of the servers: one document each.

use graphql_client::GraphQLQuery;

use crate::cli::client::{DateTime, ReplyState, operations};

operations! {
    /// Whether anybody answers.
    Viewer = "src/cli/verify/documents/viewer.graphql";
    /// A new chat.
    CreateChat = "src/cli/verify/documents/create_chat.graphql";
    /// A message that nobody answers.
    CreateMessage = "src/cli/verify/documents/create_message.graphql";
    /// A message that asks for a reply.
    SendMessage = "src/cli/verify/documents/send_message.graphql";
    /// The end of a message.
    DeleteMessage = "src/cli/verify/documents/delete_message.graphql";
    /// The end of a chat.
    DeleteChat = "src/cli/verify/documents/delete_chat.graphql";
    /// What a server has of something that was deleted.
    FindTraces = "src/cli/verify/documents/find_traces.graphql";
    /// The end of a reply under way.
    StopReply = "src/cli/verify/documents/stop_reply.graphql";
    /// Somebody types.
    SetTyping = "src/cli/verify/documents/set_typing.graphql";
    /// A reply as it grows.
    FollowReply = "src/cli/verify/documents/follow_reply.graphql";
    /// What happens in a chat.
    FollowChat = "src/cli/verify/documents/follow_chat.graphql";
    /// What is stored in a chat.
    ReadChat = "src/cli/verify/documents/read_chat.graphql";
}
