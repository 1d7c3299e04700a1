//! `kill -9`: what was acknowledged is there afterwards, and what was under way ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::on_every_pair;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::socket::Socket;

/// Clients that write at once.
const CLIENTS: usize = 10;
/// Acknowledgements after which the server is killed, in the middle of the writes that follow.
const ACKNOWLEDGED_MIN: usize = 300;

on_every_pair! {
    every_acknowledged_message_outlives_a_kill,
    replies_outlive_twenty_kills_but_for_their_last_second,
}

async fn every_acknowledged_message_outlives_a_kill(scratch: &Scratch) {
    let server = Arc::new(Server::start(scratch));
    let mut chats = Vec::new();
    for n in 0..CLIENTS {
        chats.push(server.create_chat(&format!("chat {n}")).await);
    }
    let count = Arc::new(AtomicUsize::new(0));
    let enough = Arc::new(Notify::new());
    let clients: Vec<_> = chats
        .iter()
        .map(|chat| {
            tokio::spawn(write_until_dead(
                server.clone(),
                chat.clone(),
                count.clone(),
                enough.clone(),
            ))
        })
        .collect();
    enough.notified().await;
    server.kill_now();
    let acknowledged = join_all(clients).await.into_iter().flat_map(Result::unwrap);
    let acknowledged: HashMap<String, String> = acknowledged.collect();
    assert!(acknowledged.len() >= ACKNOWLEDGED_MIN);
    drop(server);

    let server = Server::start(scratch);
    let mut stored = HashMap::new();
    for chat in &chats {
        read_all(&server, chat, &mut stored).await;
    }
    for (id, text) in &acknowledged {
        assert_eq!(stored.get(id), Some(text), "{id}");
    }
    // Beyond them at most what each client had under way.
    assert!(
        stored.len() <= acknowledged.len() + CLIENTS,
        "{} of {}",
        stored.len(),
        acknowledged.len()
    );
}

/// Writes messages until the server is gone: the ids and texts that were acknowledged.
async fn write_until_dead(
    server: Arc<Server>,
    chat: String,
    count: Arc<AtomicUsize>,
    enough: Arc<Notify>,
) -> Vec<(String, String)> {
    let create = "mutation ($input: CreateMessageInput!) { createMessage(input: $input) { message { id } } }";
    let mut acknowledged = Vec::new();
    loop {
        let text = format!("संदेश {}", acknowledged.len());
        let input = json!({ "input": { "chatId": chat, "text": text } });
        let Ok(mut response) = server.try_request(create, input).await else {
            return acknowledged;
        };
        let Value::String(id) = response["data"]["createMessage"]["message"]["id"].take() else {
            panic!("{response}");
        };
        acknowledged.push((id, text));
        if count.fetch_add(1, Ordering::Relaxed) + 1 == ACKNOWLEDGED_MIN {
            enough.notify_one();
        }
    }
}

/// Adds the messages of a chat to `stored`: the text of each by its id.
pub async fn read_all(server: &Server, chat: &str, stored: &mut HashMap<String, String>) {
    let page = "query ($id: ID!, $after: String) { chat(id: $id) { messages(first: 100, after: $after) {
        nodes { id text } pageInfo { hasNextPage endCursor } } } }";
    let mut after = Value::Null;
    loop {
        let mut data = server.data(page, json!({ "id": chat, "after": after })).await;
        let messages = data["chat"]["messages"].take();
        for message in messages["nodes"].as_array().unwrap() {
            let text = |name: &str| message[name].as_str().unwrap().to_owned();
            stored.insert(text("id"), text("text"));
        }
        after = messages["pageInfo"]["endCursor"].clone();
        if messages["pageInfo"]["hasNextPage"] == false {
            return;
        }
    }
}

/// Kills of one store: so many servers at a time, each so often.
const LANES: usize = 4;
const KILLS_PER_LANE: usize = 5;
/// What a kill may take of the text that was shown.
const LOST_MAX: Duration = Duration::from_secs(1);

async fn replies_outlive_twenty_kills_but_for_their_last_second(scratch: &Scratch) {
    let lanes = (0..LANES).map(|lane| kill_in_the_middle_again_and_again(scratch.beside(), lane));
    join_all(lanes).await;
}

async fn kill_in_the_middle_again_and_again(scratch: Scratch, lane: usize) {
    let start = || Server::start_with(&scratch, &["--builtin-pace", "40", "--builtin-words", "100000"]);
    let mut server = start();
    let chat = server.create_chat("A chat").await;
    for kill in 0..KILLS_PER_LANE {
        let reply = server.send(&chat, "नमस्ते दुनिया 🌍").await;
        let mut viewer = ReplyViewer::new(&reply);
        // At another moment between two checkpoints each time.
        let watched = Duration::from_millis(1_300 + 137 * (lane * KILLS_PER_LANE + kill) as u64 % 1_000);
        let shown = viewer.watch(&server, watched).await;
        let killed_at = Instant::now();
        server.kill();

        server = start();
        let message = viewer.follow_to_the_end(&server).await;
        assert_eq!(message["reply"]["state"], "INTERRUPTED");
        let stored = message["text"].as_str().unwrap();
        // The viewer was put right, also where it had been shown more than was stored.
        assert_eq!(viewer.text, stored);
        let lost_max = lost_max(&shown);
        let (_, kept) = shown.iter().rfind(|(at, _)| killed_at - *at >= lost_max).unwrap();
        assert!(!kept.is_empty());
        assert!(
            stored.starts_with(kept),
            "{} bytes were stored, and {} shown a second before",
            stored.len(),
            kept.len()
        );
    }
    drop(server);
    scratch.remove().await;
}

/// What a kill may take of what was shown so: where the machine stood still, the server did too, and the viewer saw it.
fn lost_max(shown: &[(Instant, String)]) -> Duration {
    let gaps = shown.windows(2).map(|pair| pair[1].0 - pair[0].0);
    LOST_MAX + gaps.max().unwrap_or_default()
}

/// One who watches a reply over a socket that breaks.
struct ReplyViewer {
    reply: String,
    text: String,
    cursor: Value,
}

impl ReplyViewer {
    fn new(reply: &str) -> Self {
        Self {
            reply: reply.to_owned(),
            text: String::new(),
            cursor: Value::Null,
        }
    }

    async fn subscribe(&self, server: &Server) -> Socket {
        const REPLY: &str = "subscription ($id: ID!, $after: String) { reply(messageId: $id, after: $after) {
            ... on ReplySnapshot { snapshot: text cursor } ... on ReplyPartial { partial: text cursor }
            ... on ReplyFinished { message { text reply { state } } cursor } } }";
        let mut socket = Socket::acknowledged(server).await;
        let variables = json!({ "id": self.reply, "after": self.cursor });
        socket.subscribe("1", REPLY, variables).await;
        socket
    }

    /// Applies an event; the message, if it is the end.
    fn apply(&mut self, mut message: Value) -> Option<Value> {
        let event = message["payload"]["data"]["reply"].take();
        if let Some(whole) = event["snapshot"].as_str() {
            whole.clone_into(&mut self.text);
        }
        self.text.push_str(event["partial"].as_str().unwrap_or_default());
        self.cursor = event["cursor"].clone();
        event["message"].is_object().then(|| event["message"].clone())
    }

    /// Watches for some time from its first piece on, and until that must be stored: what was shown when.
    async fn watch(&mut self, server: &Server, time: Duration) -> Vec<(Instant, String)> {
        let mut socket = self.subscribe(server).await;
        while self.text.is_empty() {
            assert_eq!(self.apply(socket.message().await), None);
        }
        let mut shown = vec![(Instant::now(), self.text.clone())];
        let begun = shown[0].0;
        loop {
            let until = begun + time.max(lost_max(&shown));
            let Ok(message) = tokio::time::timeout_at(until.into(), socket.message()).await else {
                return shown;
            };
            assert_eq!(self.apply(message), None);
            shown.push((Instant::now(), self.text.clone()));
        }
    }

    /// Goes on behind what it has: the message of the end.
    async fn follow_to_the_end(&mut self, server: &Server) -> Value {
        let mut socket = self.subscribe(server).await;
        loop {
            if let Some(message) = self.apply(socket.message().await) {
                return message;
            }
        }
    }
}
