//! GraphQL as a client sees it, over real sockets.

mod bad_input;
mod chats;
mod http;
mod replies;
mod websocket;
