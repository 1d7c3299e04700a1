//! What clients see when MongoDB has a bad day, and that all is well when the day is over. Servers are processes as
//! users start them, and so are the members of the replica set, which are killed, frozen and locked.

mod crowds;
mod elections;
mod leases;
mod outage;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::crash::read_all;
use crate::support::server::Server;
use crate::support::socket::Socket;

/// The longest that any call may take, whatever has become of the database.
const ANSWER_MAX: Duration = Duration::from_secs(12);
/// The longest that a server may take to find a database that is back.
const RECOVERY_MAX: Duration = Duration::from_secs(15);
/// Longer than anything else takes.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// How long a client waits before it sends the same again.
const RETRY_AFTER: Duration = Duration::from_millis(200);

const CREATE: &str =
    "mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }";

/// Sends a GraphQL request, which must be answered in time.
async fn ask(server: &Server, query: &str, variables: Value) -> Value {
    let begun = Instant::now();
    let response = server.request(query, variables).await;
    assert!(begun.elapsed() < ANSWER_MAX, "{:?}", begun.elapsed());
    response
}

/// Stores a message, however often it takes: its id.
async fn create(server: &Server, chat: &str, key: &str, text: &str) -> String {
    let input = json!({ "input": { "chatId": chat, "clientKey": key, "text": text } });
    loop {
        let mut response = ask(server, CREATE, input.clone()).await;
        if let Value::String(id) = response["data"]["createMessage"]["message"]["id"].take() {
            return id;
        }
        assert_eq!(
            response["errors"][0]["extensions"]["code"], "UNAVAILABLE",
            "{response}"
        );
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// What has become of the server, as its orchestrator sees it.
async fn readiness(server: &Server) -> u16 {
    let begun = Instant::now();
    let status = reqwest::get(server.at("/health/ready")).await.unwrap().status();
    assert!(begun.elapsed() < ANSWER_MAX, "{:?}", begun.elapsed());
    status.as_u16()
}

/// Waits until the server can serve again, which it must find out by itself.
async fn until_ready(server: &Server) {
    let begun = Instant::now();
    while readiness(server).await != 200 {
        assert!(begun.elapsed() < RECOVERY_MAX, "the server did not recover");
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// Clients that write, each in a chat of its own, one message after the other.
struct Writers {
    server: Arc<Server>,
    chats: Vec<String>,
    acknowledged: watch::Sender<usize>,
    enough: CancellationToken,
    tasks: Vec<JoinHandle<Vec<(String, String)>>>,
}

impl Writers {
    async fn start(server: &Arc<Server>, count: usize) -> Self {
        let mut writers = Self {
            server: server.clone(),
            chats: Vec::new(),
            acknowledged: watch::Sender::new(0),
            enough: CancellationToken::new(),
            tasks: Vec::new(),
        };
        for n in 0..count {
            let chat = server.create_chat(&format!("chat {n}")).await;
            writers.tasks.push(tokio::spawn(write(
                server.clone(),
                chat.clone(),
                writers.acknowledged.clone(),
                writers.enough.clone(),
            )));
            writers.chats.push(chat);
        }
        writers
    }

    /// Waits until so many more messages were acknowledged.
    async fn go_on(&self, count: usize) {
        let goal = *self.acknowledged.borrow() + count;
        let mut acknowledged = self.acknowledged.subscribe();
        acknowledged.wait_for(|now| *now >= goal).await.unwrap();
    }

    /// Ends them, and looks whether each message that was acknowledged is there, and nothing else.
    async fn check(self) {
        self.enough.cancel();
        let acknowledged = join_all(self.tasks).await.into_iter().flat_map(Result::unwrap);
        let acknowledged: HashMap<_, _> = acknowledged.collect();
        assert_eq!(acknowledged.len(), *self.acknowledged.borrow());
        let mut stored = HashMap::new();
        for chat in &self.chats {
            read_all(&self.server, chat, &mut stored).await;
        }
        assert_eq!(stored, acknowledged);
    }
}

async fn write(
    server: Arc<Server>,
    chat: String,
    count: watch::Sender<usize>,
    enough: CancellationToken,
) -> Vec<(String, String)> {
    let mut acknowledged = Vec::new();
    while !enough.is_cancelled() {
        let text = format!("संदेश {} of {chat}", acknowledged.len());
        let key = format!("key-{}", acknowledged.len());
        acknowledged.push((create(&server, &chat, &key, &text).await, text));
        count.send_modify(|count| *count += 1);
    }
    acknowledged
}

/// One who watches a reply on the server that makes it, over one socket that never breaks.
struct Viewer {
    shown: watch::Receiver<String>,
    task: JoinHandle<Value>,
}

impl Viewer {
    async fn of(server: &Server, reply: &str) -> Self {
        const REPLY: &str = "subscription ($id: ID!) { reply(messageId: $id) {
            ... on ReplySnapshot { snapshot: text } ... on ReplyPartial { partial: text }
            ... on ReplyFinished { message { text reply { state } } } } }";
        let mut socket = Socket::acknowledged(server).await;
        socket.subscribe("1", REPLY, json!({ "id": reply })).await;
        let (show, shown) = watch::channel(String::new());
        let task = tokio::spawn(async move {
            loop {
                let mut message = socket.message().await;
                let mut event = message["payload"]["data"]["reply"].take();
                if event["message"].is_object() {
                    return event["message"].take();
                }
                show.send_modify(|text| match event["snapshot"].as_str() {
                    Some(whole) => whole.clone_into(text),
                    None => text.push_str(event["partial"].as_str().unwrap()),
                });
            }
        });
        Self { shown, task }
    }

    /// Waits until it was shown more than now.
    async fn sees_more(&mut self) {
        let length = self.shown.borrow().len();
        let more = self.shown.wait_for(|text| text.len() > length);
        tokio::time::timeout(WAIT_MAX, more).await.unwrap().unwrap();
    }

    /// Waits until so many words were shown.
    async fn sees_words(&mut self, words: usize) {
        let all = self
            .shown
            .wait_for(|text| text.split_whitespace().count() >= words);
        tokio::time::timeout(WAIT_MAX, all).await.unwrap().unwrap();
    }

    /// Waits until the reply is complete, and returns its text, which must be what was shown.
    async fn end(self) -> String {
        let message = self.task.await.unwrap();
        assert_eq!(message["reply"]["state"], "COMPLETE", "{message}");
        let text = message["text"].as_str().unwrap();
        assert_eq!(*self.shown.borrow(), text);
        text.to_owned()
    }
}

/// Waits until a reply is stored as complete: its text.
async fn stored(server: &Server, reply: &str) -> String {
    const MESSAGE: &str = "query ($id: ID!) { message(id: $id) { text reply { state } } }";
    let begun = Instant::now();
    loop {
        let data = server.data(MESSAGE, json!({ "id": reply })).await;
        match data["message"]["reply"]["state"].as_str().unwrap() {
            "COMPLETE" => return data["message"]["text"].as_str().unwrap().to_owned(),
            "STREAMING" => {}
            state => panic!("{state}"),
        }
        assert!(begun.elapsed() < WAIT_MAX, "the end was not stored");
        tokio::time::sleep(RETRY_AFTER).await;
    }
}
