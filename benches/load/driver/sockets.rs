//! Sockets on which replies are asked for and followed, in whatever protocol.

use std::borrow::Cow;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::clock;
use crate::process::Process;
use crate::upstream::{Question, pieces};

const SEND: &str = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { reply { id } } }";
const FOLLOW: &str = "subscription ($id: ID!) { reply(messageId: $id) { __typename
    ... on ReplySnapshot { text cursor } ... on ReplyPartial { text cursor } ... on ReplyFinished { message { reply { state error { code } } } } } }";
const LISTEN: &str = "subscription ($id: ID!) { chat(id: $id) { __typename ... on ChatResync { cursor } } }";

/// How long after a refusal a prompt is sent again.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// A client's end of a socket.
pub struct Socket(WebSocketStream<TcpStream>);

/// A piece of a reply, as it came.
#[derive(Clone, Copy)]
pub struct Came {
    /// When, in microseconds of the shared clock.
    pub at: u64,
    /// How long after the service had sent it, in microseconds.
    pub after: u64,
}

/// What is said in a frame, as far as it matters.
enum Said<'a> {
    Text(Cow<'a, str>),
    End,
    Other,
}

/// Every field that any of the protocols has for what matters.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: Option<&'a str>,
    #[serde(borrow)]
    payload: Option<Payload<'a>>,
    #[serde(borrow)]
    partial: Option<Cow<'a, str>>,
    stop: Option<&'a str>,
}

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    reply: Option<Event<'a>>,
}

#[derive(Deserialize)]
struct Event<'a> {
    __typename: &'a str,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
}

impl<'a> Said<'a> {
    fn read(frame: &'a str) -> Self {
        let frame: Frame = serde_json::from_str(frame).unwrap_or_else(|_| panic!("{frame}"));
        let event = frame.payload.and_then(|payload| payload.data.reply);
        match event.map(|event| (event.__typename, event.text)) {
            Some(("ReplyFinished", _)) => Self::End,
            Some((_, Some(text))) => Self::Text(text),
            _ if frame.stop.is_some() || frame.kind == Some("complete") => Self::End,
            _ => frame.partial.map_or(Self::Other, Self::Text),
        }
    }
}

impl Socket {
    /// A socket that speaks GraphQL and was let in.
    pub async fn graphql(of: &Process) -> Self {
        let mut socket = Self::open(of, "/graphql", Some("graphql-transport-ws")).await;
        socket.say(&json!({ "type": "connection_init" })).await;
        socket.hear().await;
        socket
    }

    /// A socket that speaks the documented frames.
    pub async fn mt(of: &Process, chat: &str) -> Self {
        Self::open(of, &format!("/chat/ws/{chat}"), None).await
    }

    /// A socket of the baseline that hands one reply on.
    pub async fn relay(of: &Process) -> Self {
        Self::open(of, "/relay", None).await
    }

    /// A socket of the baseline that is told whatever others asked.
    pub async fn broadcast(of: &Process) -> Self {
        let mut socket = Self::open(of, "/broadcast", None).await;
        socket.hear().await;
        socket
    }

    async fn open(of: &Process, path: &str, subprotocol: Option<&'static str>) -> Self {
        let stream = TcpStream::connect(&of.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut request = format!("ws://{}{path}", of.address)
            .into_client_request()
            .unwrap();
        if let Some(subprotocol) = subprotocol {
            let subprotocol = HeaderValue::from_static(subprotocol);
            request
                .headers_mut()
                .insert("sec-websocket-protocol", subprotocol);
        }
        Self(client_async(request, stream).await.unwrap().0)
    }

    /// Sends a prompt and returns the id of the reply. Where the store cannot keep up, it is sent again, as clients do.
    pub async fn send_message(&mut self, chat: &str, question: Question) -> String {
        loop {
            if let Some(reply) = self.try_to_send(chat, question).await {
                return reply;
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    async fn try_to_send(&mut self, chat: &str, question: Question) -> Option<String> {
        let input = json!({ "chatId": chat, "text": question.text(), "clientKey": chat });
        let variables = json!({ "input": input });
        self.subscribe("send", SEND, variables).await;
        let mut next: Value = serde_json::from_str(&self.hear().await).unwrap();
        // That it is complete.
        self.hear().await;
        match next["payload"]["data"]["sendMessage"]["reply"]["id"].take() {
            Value::String(id) => Some(id),
            _ if next["payload"]["errors"][0]["extensions"]["code"] == "UNAVAILABLE" => None,
            _ => panic!("{next}"),
        }
    }

    /// Follows a reply.
    pub async fn follow(&mut self, reply: &str) {
        self.subscribe("1", FOLLOW, json!({ "id": reply })).await;
    }

    /// Follows a chat, and waits until that is confirmed.
    pub async fn listen(&mut self, chat: &str) {
        self.subscribe("1", LISTEN, json!({ "id": chat })).await;
        let first = self.hear().await;
        assert!(first.contains("ChatResync"), "{first}");
    }

    /// Uploads a prompt as documented.
    pub async fn upload(&mut self, question: Question) {
        self.say(&json!({
            "mt": "message_upload", "message": question.text(), "userId": "8", "timezone": "UTC",
            "selectedLanguage": "en",
        }))
        .await;
    }

    /// Asks the relay.
    pub async fn ask(&mut self, question: Question) {
        self.0.send(Message::text(question.text())).await.unwrap();
    }

    async fn subscribe(&mut self, id: &str, document: &str, variables: Value) {
        let payload = json!({ "query": document, "variables": variables });
        self.say(&json!({ "type": "subscribe", "id": id, "payload": payload }))
            .await;
    }

    async fn say(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn hear(&mut self) -> Utf8Bytes {
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Text(text) => return text,
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Reads a reply to its end. Each piece must be the one behind the last, from the first to the last asked for.
    pub async fn read(mut self, question: Question, origin: u64) -> Vec<Came> {
        let mut came = Vec::with_capacity(question.pieces.try_into().unwrap());
        loop {
            let frame = self.hear().await;
            let at = clock::now();
            match Said::read(&frame) {
                Said::Text(text) => {
                    for (number, sent_at) in pieces(&text) {
                        assert_eq!(
                            usize::try_from(number).unwrap(),
                            came.len(),
                            "lost, doubled or out of order"
                        );
                        let after = (at - origin).saturating_sub(sent_at);
                        came.push(Came { at, after });
                    }
                }
                Said::End => {
                    let told = u32::try_from(came.len()).unwrap();
                    assert_eq!(told, question.pieces, "lost: {frame}");
                    return came;
                }
                Said::Other => {}
            }
        }
    }
}
