//! A WebSocket on which a reply is told.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::server::Server;

const FOLLOW: &str = "subscription ($id: ID!) { reply(messageId: $id) { __typename
    ... on ReplySnapshot { text cursor } ... on ReplyPartial { text cursor }
    ... on ReplyFinished { message { text reply { state } } } } }";

/// A client's end of a socket.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Follows a reply over a socket of its own.
pub async fn follow(server: &Server, reply: &str) -> Socket {
    let mut request = server
        .url
        .replacen("http", "ws", 1)
        .into_client_request()
        .unwrap();
    let subprotocol = HeaderValue::from_static("graphql-transport-ws");
    request
        .headers_mut()
        .insert("sec-websocket-protocol", subprotocol);
    let (mut socket, _) = connect_async(request).await.unwrap();
    say(&mut socket, json!({ "type": "connection_init" })).await;
    let payload = json!({ "query": FOLLOW, "variables": { "id": reply } });
    assert_eq!(hear(&mut socket).await["type"], "connection_ack");
    say(
        &mut socket,
        json!({ "type": "subscribe", "id": "1", "payload": payload }),
    )
    .await;
    socket
}

async fn say(socket: &mut Socket, message: Value) {
    socket.send(Message::text(message.to_string())).await.unwrap();
}

async fn hear(socket: &mut Socket) -> Value {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// What is told next.
pub async fn next_event(socket: &mut Socket) -> Value {
    let mut message = hear(socket).await;
    assert_eq!(message["type"], "next", "{message}");
    message["payload"]["data"]["reply"].take()
}
