//! Prompts.

use serde_json::json;

use super::server::Server;

/// Sends a message and returns the id of the reply.
pub async fn send(server: &Server, chat: &str, text: &str) -> String {
    let query = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { reply { id } } }";
    let variables = json!({ "input": { "chatId": chat, "text": text } });
    let data = server.data(query, variables).await;
    data["sendMessage"]["reply"]["id"].as_str().unwrap().to_owned()
}
