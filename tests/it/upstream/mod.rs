//! The bot behind an OpenAI-compatible service, against scripted ones.

mod faults;
mod llama;
mod prompt;
mod splits;
mod stop;

use serde_json::{Value, json};

use crate::support::follow::follow;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::upstream::Upstream;

/// What makes the bot lose patience soon.
const IMPATIENT: [&str; 4] = [
    "--upstream-first-piece-timeout-ms",
    "2000",
    "--upstream-stall-timeout-ms",
    "1500",
];

/// A server whose bot asks this service.
fn server(scratch: &Scratch, upstream: &Upstream, arguments: &[&str], variables: &[(&str, &str)]) -> Server {
    server_at(&upstream.base_url(), scratch, arguments, variables)
}

/// A server whose bot asks the service at this address.
fn server_at(base_url: &str, scratch: &Scratch, arguments: &[&str], variables: &[(&str, &str)]) -> Server {
    let own = [
        "--bot",
        "openai",
        "--openai-base-url",
        base_url,
        "--openai-model",
        "a-model",
    ];
    Server::start_in(scratch, &[&own, arguments].concat(), variables)
}

/// Asks a question in a chat of its own and follows the reply to its end.
async fn ask(server: &Server, question: &str) -> (String, Value) {
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, question).await;
    follow(server, &reply).await
}

/// Follows a reply until its text begins so.
async fn wait_for_text(server: &Server, reply: &str, text: &str) {
    const REPLY: &str = "subscription ($id: ID!) { reply(messageId: $id) {
        ... on ReplySnapshot { text } ... on ReplyPartial { text } } }";
    let mut socket = Socket::acknowledged(server).await;
    socket.subscribe("1", REPLY, json!({ "id": reply })).await;
    let mut read = String::new();
    while !read.starts_with(text) {
        let message = socket.message().await;
        let part = message["payload"]["data"]["reply"]["text"].as_str();
        read.push_str(part.unwrap_or_else(|| panic!("{read}: {message}")));
    }
}
