//! `colloquy chat`, as a process of its own against servers of their own.

mod piped;
mod terminal;

use std::process::Command;

use serde_json::{Value, json};

use crate::support::server::Server;

/// The client, to be started.
fn client(arguments: &[&str]) -> Command {
    let mut client = Command::new(env!("CARGO_BIN_EXE_colloquy"));
    client.arg("chat").args(arguments);
    for variable in ["NO_COLOR", "COLLOQUY_TOKEN", "COLLOQUY_TOKEN_FILE"] {
        client.env_remove(variable);
    }
    client
}

/// The messages of the only chat there is.
async fn messages(server: &Server) -> Vec<Value> {
    let query = "{ chats { nodes { id title messages(first: 100) {
        nodes { id author text reaction reply { state regenerates { id } } } } } } }";
    let data = server.data(query, json!({})).await;
    let chats = data["chats"]["nodes"].as_array().unwrap();
    assert_eq!(chats.len(), 1, "{data}");
    chats[0]["messages"]["nodes"].as_array().unwrap().clone()
}

/// The texts of the bot's messages, each with a line's end.
fn replies(messages: &[Value]) -> String {
    let replies = messages.iter().filter(|message| message["author"] == "BOT");
    replies
        .map(|message| format!("{}\n", message["text"].as_str().unwrap()))
        .collect()
}
