//! Asks the bot something and prints its answer as it comes:
//! `cargo run --example follow_reply -- http://127.0.0.1:8000 "Tell me about the sea"`

use std::error::Error;
use std::io::Write;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

const TRIES_MAX: usize = 10;
const PAUSE: Duration = Duration::from_secs(1);

const REPLY: &str =
    "subscription ($id: ID!, $after: String) { reply(messageId: $id, after: $after) { __typename
    ... on ReplySnapshot { text cursor } ... on ReplyPartial { text cursor }
    ... on ReplyFinished { message { reply { state } } } } }";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let server = arguments.next().unwrap_or("http://127.0.0.1:8000".to_owned());
    let question = arguments.next().unwrap_or("Tell me about the sea".to_owned());

    let create = "mutation { createChat(input: {title: \"An example\"}) { chat { id } } }";
    let chat = run(&server, create, json!({})).await?["createChat"]["chat"]["id"].take();
    let send = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { reply { id } } }";
    let input = json!({ "input": { "chatId": chat, "text": question } });
    let reply = run(&server, send, input).await?["sendMessage"]["reply"]["id"].take();

    // Whatever cuts the line, the next try goes on after the last cursor.
    let mut cursor = Value::Null;
    let mut tries_left = TRIES_MAX;
    while let Err(error) = follow(&server, &reply, &mut cursor).await {
        eprintln!("\n[{error}]");
        tries_left -= 1;
        if tries_left == 0 {
            return Err(error);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Runs a mutation and returns its data.
async fn run(server: &str, query: &str, variables: Value) -> Result<Value, Box<dyn Error>> {
    let request = reqwest::Client::new().post(format!("{server}/graphql"));
    let body = json!({ "query": query, "variables": variables });
    let mut response: Value = request.json(&body).send().await?.json().await?;
    match response["errors"].as_array() {
        Some(errors) => Err(errors[0]["message"].to_string().into()),
        None => Ok(response["data"].take()),
    }
}

/// Prints a reply from the cursor on, which it keeps up to date, until the reply has ended.
async fn follow(server: &str, reply: &Value, cursor: &mut Value) -> Result<(), Box<dyn Error>> {
    let mut request = format!("{server}/graphql")
        .replacen("http", "ws", 1)
        .into_client_request()?;
    let protocol = HeaderValue::from_static("graphql-transport-ws");
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    let (mut socket, _) = connect_async(request).await?;
    let payload = json!({ "query": REPLY, "variables": { "id": reply, "after": cursor } });
    for message in [
        json!({ "type": "connection_init" }),
        json!({ "type": "subscribe", "id": "1", "payload": payload }),
    ] {
        socket.send(Message::text(message.to_string())).await?;
    }
    while let Some(frame) = socket.next().await {
        let message: Value = match frame? {
            Message::Text(text) => serde_json::from_str(&text)?,
            _ => continue,
        };
        if message["type"] == "error" {
            return Err(message["payload"][0]["message"].to_string().into());
        }
        let event = &message["payload"]["data"]["reply"];
        match event["__typename"].as_str() {
            Some(kind @ ("ReplySnapshot" | "ReplyPartial")) => {
                // What was printed is not the beginning of the text any more: it begins again on a new line.
                if kind == "ReplySnapshot" && !cursor.is_null() {
                    println!();
                }
                print!("{}", event["text"].as_str().unwrap_or_default());
                std::io::stdout().flush()?;
                *cursor = event["cursor"].clone();
            }
            Some("ReplyFinished") => {
                println!("\n[{}]", event["message"]["reply"]["state"]);
                return Ok(());
            }
            _ => {}
        }
    }
    Err("the line was cut".into())
}
