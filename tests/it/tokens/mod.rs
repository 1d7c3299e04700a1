//! Who is let in, for how long, and how often.

mod forged;
mod keys;
mod origins;
mod published;
mod rates;
mod sessions;

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::tokens::SECRET;

/// A server that believes tokens of [`SECRET`].
fn server(scratch: &Scratch, arguments: &[&str]) -> Server {
    Server::start_in(scratch, arguments, &[("COLLOQUY_JWT_SECRET", SECRET)])
}

/// Sends a request with a token.
async fn send(server: &Server, token: &str, query: &str, variables: Value) -> Response {
    let request = reqwest::Client::new().post(server.at("/graphql"));
    let request = request.json(&json!({ "query": query, "variables": variables }));
    request.bearer_auth(token).send().await.unwrap()
}

/// Asks who the caller is.
async fn ask(server: &Server, token: &str) -> Response {
    send(server, token, "{ viewer { userId } }", Value::Null).await
}

/// The data of an answer without errors.
async fn data(server: &Server, token: &str, query: &str, variables: Value) -> Value {
    let mut answer: Value = send(server, token, query, variables).await.json().await.unwrap();
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    answer["data"].take()
}

/// The code of the first error of an answer.
async fn code(server: &Server, token: &str, query: &str, variables: Value) -> String {
    let answer: Value = send(server, token, query, variables).await.json().await.unwrap();
    let code = answer["errors"][0]["extensions"]["code"].as_str();
    code.unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// A chat of the token's user.
async fn chat(server: &Server, token: &str) -> String {
    let query = r#"mutation { createChat(input: {title: "A chat"}) { chat { id } } }"#;
    let made = data(server, token, query, Value::Null).await;
    made["createChat"]["chat"]["id"].as_str().unwrap().to_owned()
}

const SEND: &str =
    "mutation ($chat: ID!) { sendMessage(input: {chatId: $chat, text: \"Hello\"}) { reply { id } } }";

/// A reply in a chat.
async fn reply(server: &Server, token: &str, chat: &str) -> String {
    let sent = data(server, token, SEND, json!({ "chat": chat })).await;
    sent["sendMessage"]["reply"]["id"].as_str().unwrap().to_owned()
}

/// A socket that was let in by a token.
async fn socket(server: &Server, token: &str) -> Socket {
    let mut socket = Socket::open(server).await;
    let payload = json!({ "authorization": format!("Bearer {token}") });
    socket
        .send(json!({ "type": "connection_init", "payload": payload }))
        .await;
    socket.expect(json!({ "type": "connection_ack" })).await;
    socket
}

const FOLLOW: &str = "subscription ($id: ID!) { reply(messageId: $id) { __typename
    ... on ReplySnapshot { text } ... on ReplyPartial { text } } }";

/// The user that a token is believed to be of; the status where it is not believed.
async fn user(server: &Server, token: &str) -> Result<Value, StatusCode> {
    let response = ask(server, token).await;
    let status = response.status();
    let mut body: Value = response.json().await.unwrap();
    match status {
        StatusCode::OK => Ok(body["data"]["viewer"]["userId"].take()),
        status => Err(status),
    }
}
