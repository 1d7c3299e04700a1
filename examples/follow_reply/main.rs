//! Says something and prints the reply as it comes, over a WebSocket:
//! `cargo run --example follow_reply -- http://127.0.0.1:8000 "Tell me about the sea"`

mod patience;
mod reply;
mod screen;

use std::error::Error;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use patience::Patience;
use reply::Reply;
use screen::Screen;

const CREATE_CHAT: &str =
    "mutation CreateChat($input: CreateChatInput!) { createChat(input: $input) { chat { id } } }";
const SEND_MESSAGE: &str =
    "mutation SendMessage($input: SendMessageInput!) { sendMessage(input: $input) { reply { id } } }";
// The end does not ask for the text, which has been assembled by then.
const REPLY: &str =
    "subscription Reply($id: ID!, $after: String) { reply(messageId: $id, after: $after) { __typename
    ... on ReplySnapshot { text cursor } ... on ReplyPartial { text cursor }
    ... on ReplyFinished { cursor message { reply { state } } } } }";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let server = arguments.next().unwrap_or("http://127.0.0.1:8000".to_owned());
    let question = arguments.next().unwrap_or("Tell me about the sea".to_owned());

    let chat = json!({ "title": "From Rust" });
    let chat = run(&server, CREATE_CHAT, &chat).await?["createChat"]["chat"]["id"].take();
    // The key makes it safe to send again what may have arrived.
    let message = json!({ "chatId": chat, "text": question, "clientKey": random_key()? });
    let mut patience = Patience::default();
    let id = loop {
        match run(&server, SEND_MESSAGE, &message).await {
            Ok(mut sent) => break sent["sendMessage"]["reply"]["id"].take(),
            Err(failure) => patience.spend(failure).await?,
        }
    };

    let mut reply = Reply::default();
    let mut screen = Screen::default();
    let mut patience = Patience::default();
    while reply.state.is_none() {
        let followed = follow(&server, &id, &mut reply, |text| {
            patience.renew();
            screen.show(text)
        });
        if let Err(failure) = followed.await {
            patience.spend(failure).await?;
        }
    }
    println!();
    eprintln!("[{}]", reply.state.unwrap_or_default());
    Ok(())
}

/// A name that nobody else gives to a message.
fn random_key() -> Result<String, Box<dyn Error>> {
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|error| error.to_string())?;
    Ok(hex::encode(key))
}

/// The token, where the server asks for one.
#[expect(
    clippy::disallowed_methods,
    reason = "it is no argument, which everybody on the machine could read"
)]
fn credential() -> Option<String> {
    let token = std::env::var("COLLOQUY_TOKEN").ok()?;
    Some(format!("Bearer {token}"))
}

/// Runs a mutation and returns its data.
async fn run(server: &str, query: &str, input: &Value) -> Result<Value, Box<dyn Error>> {
    let mut request = reqwest::Client::new().post(format!("{server}/graphql"));
    if let Some(credential) = credential() {
        request = request.header("authorization", credential);
    }
    let body = json!({ "query": query, "variables": { "input": input } });
    let mut response: Value = request.json(&body).send().await?.json().await?;
    match response["errors"].as_array() {
        Some(errors) => Err(errors[0]["message"].to_string().into()),
        None => Ok(response["data"].take()),
    }
}

/// Follows a reply from its cursor on, as far as one connection goes.
async fn follow(
    server: &str,
    id: &Value,
    reply: &mut Reply,
    mut show: impl FnMut(&str) -> std::io::Result<()>,
) -> Result<(), Box<dyn Error>> {
    let mut request = format!("{server}/graphql")
        .replacen("http", "ws", 1)
        .into_client_request()?;
    let protocol = HeaderValue::from_static("graphql-transport-ws");
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    let (mut socket, _) = connect_async(request).await?;
    let payload = json!({ "query": REPLY, "variables": { "id": id, "after": reply.cursor } });
    for message in [
        json!({ "type": "connection_init", "payload": { "authorization": credential() } }),
        json!({ "type": "subscribe", "id": "1", "payload": payload }),
    ] {
        socket.send(Message::text(message.to_string())).await?;
    }
    while let Some(frame) = socket.next().await {
        let message: Value = match frame? {
            Message::Text(text) => serde_json::from_str(&text)?,
            _ => continue,
        };
        match message["type"].as_str() {
            Some("next") => {
                reply.apply(&message["payload"]["data"]["reply"]);
                show(&reply.text)?;
            }
            Some("error") => return Err(message["payload"][0]["message"].to_string().into()),
            Some("complete") => return Ok(()),
            // What acknowledges the connection, and what keeps it alive.
            _ => {}
        }
    }
    Err("the line was cut".into())
}
