//! GraphQL as a client sees it, over real sockets.

mod bad_input;
mod chat_events;
mod chats;
mod documents;
mod graphiql;
mod http;
mod limits;
mod peers;
mod prompts;
mod replies;
mod search;
mod transports;
mod usage;
mod websocket;
