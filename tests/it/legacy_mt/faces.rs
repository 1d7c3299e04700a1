//! One chat by every way at once: GraphQL, the documented REST API and the documented socket. Afterwards all of them tell
//! the same of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::SLOW;
use crate::on_every_pair;
use crate::support::follow::{ChatFollower, follow};
use crate::support::mt::{Mt, kind_of};
use crate::support::scratch::Scratch;
use crate::support::server::Server;

on_every_pair! {
    all_faces_agree_on_every_message_its_state_its_text_and_their_order,
}

const PACE: [&str; 4] = ["--builtin-pace", "300", "--builtin-words", "30"];
/// Messages that each of the three who ask for replies sends.
const SENDS: usize = 4;
const LAST: &str = "That is all";

/// What one socket was shown, put together by the rule of `docs/mt-protocol.md`.
#[derive(Default)]
struct View {
    /// The text of each reply, by its message.
    texts: BTreeMap<String, String>,
    /// How each has ended.
    states: BTreeMap<String, String>,
    /// Those that have text, in the order in which it came.
    order: Vec<String>,
    /// Messages that are no replies, with their texts.
    added: BTreeMap<String, String>,
}

impl View {
    fn see(&mut self, frame: &Value) {
        let text = |name: &str| {
            frame[name]
                .as_str()
                .unwrap_or_else(|| panic!("{frame}"))
                .to_owned()
        };
        match kind_of(frame) {
            "start" => {
                self.texts.insert(text("messageId"), String::new());
            }
            "chunk" => {
                let shown = self.texts.get_mut(&text("messageId")).unwrap();
                assert_eq!(frame["offset"], shown.len());
                if shown.is_empty() {
                    self.order.push(text("messageId"));
                }
                shown.push_str(&text("partial"));
            }
            "end" if frame["state"].is_string() => {
                assert_eq!(frame["offset"], self.texts[&text("messageId")].len());
                self.states.insert(text("messageId"), text("state"));
            }
            "new_message" => {
                self.added.insert(text("messageId"), text("message"));
            }
            _ => {}
        }
    }
}

/// A socket with what it was shown.
struct Watched {
    socket: Mt,
    view: View,
}

impl Watched {
    async fn open(server: &Server, chat: &str) -> Self {
        let mut socket = Mt::open(server, chat).await;
        socket.expect_silence().await;
        Self {
            socket,
            view: View::default(),
        }
    }

    async fn next(&mut self) -> Value {
        let frame = self.socket.frame().await;
        self.view.see(&frame);
        frame
    }

    /// The first of the next frames that is meant.
    async fn until(&mut self, is_meant: impl Fn(&Value) -> bool) -> Value {
        loop {
            let frame = self.next().await;
            if is_meant(&frame) {
                return frame;
            }
        }
    }

    /// Sends a message: its reply's id.
    async fn upload(&mut self, text: &str) -> String {
        self.socket.upload(text).await;
        let confirm = self
            .until(|frame| kind_of(frame) == "user confirm" && frame["message"] == text)
            .await;
        confirm["replyId"].as_str().unwrap().to_owned()
    }

    async fn stop(&mut self) {
        self.socket.send(json!({ "mt": "stop" })).await;
        self.until(|frame| kind_of(frame) == "stopped_generation").await;
    }

    async fn until_ended(&mut self, reply: &str) {
        while !self.view.states.contains_key(reply) {
            self.next().await;
        }
    }
}

/// Sends messages over the socket, of whose replies one is stopped in the middle.
async fn by_mt(watched: &mut Watched, name: &str) {
    for n in 0..SENDS {
        let reply = watched.upload(&format!("by {name} {n}")).await;
        if n == 2 {
            // It may be stopped meanwhile by the other one.
            while !watched.view.order.contains(&reply) && !watched.view.states.contains_key(&reply) {
                watched.next().await;
            }
            watched.stop().await;
        }
        watched.until_ended(&reply).await;
    }
}

/// Sends messages over GraphQL, and follows each reply to its end.
async fn by_graphql(server: &Server, chat: &str) -> Vec<(String, Value)> {
    let mut told = Vec::new();
    for n in 0..SENDS {
        let reply = server.send(chat, &format!("by GraphQL {n}")).await;
        told.push(follow(server, &reply).await);
    }
    told
}

/// A call of the REST API that must succeed.
async fn rest(server: &Server, method: &str, path: &str, body: Option<Value>) -> Value {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = reqwest::Client::new().request(method, server.at(path));
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.json().await.unwrap()
}

/// Writes, edits, reacts and deletes over REST: the message that is deleted.
async fn by_rest(server: &Server, chat: &str) -> String {
    let path = format!("/chat/{chat}/messages");
    let mut ids = Vec::new();
    for n in 0..6 {
        let body = json!({ "message": format!("by REST {n}"), "is_bot": n % 2 == 1 });
        let made = rest(server, "POST", &path, Some(body)).await;
        ids.push(made["message_id"].as_str().unwrap().to_owned());
    }
    let at = |n: usize, rest: &str| format!("{path}/{}{rest}", ids[n]);
    let edit = json!({ "message": "edited by REST" });
    rest(server, "PUT", &at(0, ""), Some(edit)).await;
    rest(server, "POST", &at(1, "/reaction?reaction=%F0%9F%91%8D"), None).await;
    rest(server, "POST", &at(2, "/reaction?reaction=x"), None).await;
    rest(server, "DELETE", &at(2, "/reaction"), None).await;
    rest(server, "DELETE", &at(3, ""), None).await;
    rest(server, "PUT", &at(4, ""), Some(json!({ "is_edited": true }))).await;
    ids.remove(3)
}

async fn all_faces_agree_on_every_message_its_state_its_text_and_their_order(scratch: &Scratch) {
    let server = Server::start_with(scratch, &PACE);
    let body = json!({ "user_id": 1, "title": "By every way" });
    let made = rest(&server, "POST", "/chat/", Some(body)).await;
    let chat = made["chat_id"].as_str().unwrap().to_owned();
    let mut follower = ChatFollower::start(&server, &chat, &Value::Null).await;
    follower.expect("ChatResync").await;
    let mut sockets = [
        Watched::open(&server, &chat).await,
        Watched::open(&server, &chat).await,
        Watched::open(&server, &chat).await,
    ];
    let [early, late, _] = &mut sockets;
    let (told, deleted, ..) = tokio::join!(
        by_graphql(&server, &chat),
        by_rest(&server, &chat),
        by_mt(early, "early"),
        by_mt(late, "late"),
    );
    let replies = 3 * SENDS;
    let last = json!({ "message": LAST });
    rest(&server, "POST", &format!("/chat/{chat}/messages"), Some(last)).await;
    for socket in &mut sockets {
        while socket.view.states.len() < replies || !socket.view.added.values().any(|text| text == LAST) {
            socket.next().await;
        }
    }
    let mut finished = 0;
    while finished < replies {
        let event = follower.next().await.unwrap();
        finished += usize::from(event["__typename"] == "ReplyFinished");
    }
    let stored = agreed(&server, &chat).await;
    for socket in &sockets {
        compare(&socket.view, &stored, replies, &deleted);
    }
    for (text, message) in &told {
        let stored = stored.iter().find(|it| it["id"] == message["id"]).unwrap();
        assert_eq!(
            (&stored["text"], &stored["reply"]["state"]),
            (&json!(text), &message["reply"]["state"])
        );
    }
    for message in stored.iter().filter(|it| is_reply(it)) {
        let shown = follower.texts.get(message["id"].as_str().unwrap());
        assert_eq!(message["text"], shown.map(String::as_str).unwrap_or_default());
    }
    // 12 prompts with their replies, five of the six by REST, and the last.
    assert_eq!(stored.len(), 2 * replies + 6);

    // One more server on the same chat, whose replies are long enough to be stopped for certain.
    tokio::task::spawn_blocking(move || server.stop()).await.unwrap();
    let server = Server::start_with(scratch, &SLOW);
    assert_eq!(agreed(&server, &chat).await, stored);
    let mut socket = Watched::open(&server, &chat).await;
    let begun_by_graphql = server.send(&chat, "Stop this by mt").await;
    socket.until(|frame| kind_of(frame) == "chunk").await;
    socket.stop().await;
    let begun_by_mt = socket.upload("Stop this by GraphQL").await;
    socket
        .until(|frame| kind_of(frame) == "chunk" && frame["messageId"] == begun_by_mt)
        .await;
    let stop = "mutation ($id: ID!) { stopReply(input: {messageId: $id}) { message { id } } }";
    server.data(stop, json!({ "id": begun_by_mt })).await;
    socket.until_ended(&begun_by_mt).await;
    let react = format!("/chat/{chat}/messages/{begun_by_mt}/reaction?reaction=x");
    rest(&server, "POST", &react, None).await;
    let stored = agreed(&server, &chat).await;
    let ids = [begun_by_graphql, begun_by_mt];
    assert_eq!(socket.view.order, ids);
    for (stored, id) in [&stored[stored.len() - 3], &stored[stored.len() - 1]]
        .into_iter()
        .zip(&ids)
    {
        assert_eq!(
            (&stored["id"], &stored["text"]),
            (&json!(id), &json!(socket.view.texts[id]))
        );
        assert_eq!(stored["reply"]["state"], "STOPPED");
        assert_eq!(socket.view.states[id], "STOPPED");
        assert_ne!(stored["text"], "");
    }
}

/// The chat's messages, of which GraphQL and both lists of REST tell the same in the same order.
async fn agreed(server: &Server, chat: &str) -> Vec<Value> {
    let query = "query ($id: ID!) { chat(id: $id) { messages(first: 100) { nodes {
        id text author type reaction isEdited tokenCount reply { state inReplyTo { id } } } } } }";
    let mut data = server.data(query, json!({ "id": chat })).await;
    let messages = data["chat"]["messages"].take();
    let nodes = messages["nodes"].as_array().unwrap();
    let as_rest = |node: &Value| {
        json!([
            node["id"],
            node["text"],
            node["author"] == "BOT",
            node["type"],
            node["reaction"],
            node["isEdited"]
        ])
    };
    let fields = ["_id", "message", "is_bot", "type", "reaction", "is_edited"];
    let of_rest = |message: &Value| Value::from(fields.map(|field| message[field].clone()).to_vec());
    let list = rest(server, "GET", &format!("/chat/{chat}/messages?limit=100"), None).await;
    let list = list.as_array().unwrap();
    assert_eq!(
        nodes.iter().map(as_rest).collect::<Vec<_>>(),
        list.iter().map(of_rest).collect::<Vec<_>>()
    );
    let full = rest(server, "GET", &format!("/chat/{chat}/full?limit=100"), None).await;
    assert_eq!(full["messages"].as_array().unwrap(), list);
    assert_eq!(full["total_messages"], list.len());
    nodes.clone()
}

/// Whether it was asked for, and not just stored as the bot's.
fn is_reply(message: &Value) -> bool {
    !message["reply"]["inReplyTo"].is_null()
}

/// What a socket was shown is what is stored, but for what REST changed afterwards.
fn compare(view: &View, stored: &[Value], replies: usize, deleted: &str) {
    let id = |message: &Value| message["id"].as_str().unwrap().to_owned();
    let (bots, others): (Vec<_>, Vec<_>) = stored.iter().partition(|message| is_reply(message));
    assert_eq!(bots.len(), replies);
    for message in &bots {
        assert_eq!(message["text"], view.texts[&id(message)], "{message}");
        assert_eq!(message["reply"]["state"], view.states[&id(message)], "{message}");
    }
    let with_text = bots.iter().filter(|message| message["text"] != "");
    assert_eq!(
        view.order,
        with_text.map(|message| id(message)).collect::<Vec<_>>()
    );
    let mut added: BTreeSet<_> = view.added.keys().cloned().collect();
    assert!(added.remove(deleted));
    assert_eq!(added, others.iter().map(|message| id(message)).collect());
    for message in others.iter().filter(|message| message["isEdited"] == false) {
        assert_eq!(message["text"], view.added[&id(message)]);
    }
}
