//! Servers behind nginx that are restarted one after the other while people talk: nothing is lost or doubled, and all
//! that clients notice is that they connect again.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{SEND, messages};
use crate::examples;
use crate::support::loopback::own_address;
use crate::support::nginx::Nginx;
use crate::support::program::node;
use crate::support::redis::Redis;
use crate::support::scratch::{Scratch, from_script};
use crate::support::server::Server;

/// Chats in which somebody talks all the while.
const CHATS: usize = 4;
const SERVERS: usize = 3;
const STEADY: [&str; 4] = ["--builtin-pace", "50", "--builtin-words", "60"];

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_loses_nothing() {
    roll(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_of_servers_that_share_a_feed_loses_nothing() {
    let redis = Redis::start();
    roll(&redis.arguments().each_ref().map(String::as_str)).await;
}

/// Restarts two servers one after the other, and then three.
async fn roll(arguments: &[&str]) {
    let scratch = Scratch::mongo().await;
    let addresses: Vec<_> = (0..SERVERS).map(|_| own_address()).collect();
    let fleet = Fleet {
        scratch: &scratch,
        arguments: [&STEADY, arguments].concat(),
    };
    let nginx = Nginx::start(&addresses).await;
    let mut servers = vec![fleet.start(&addresses[0]).await, fleet.start(&addresses[1]).await];
    // Without a feed of its own a server is not told what happens on the others.
    let load = Load::start(&nginx, !arguments.is_empty());
    let is_over = CancellationToken::new();
    let others = others(&nginx.url, &is_over);
    let rolling = async {
        for size in [SERVERS - 1, SERVERS] {
            while servers.len() < size {
                servers.push(fleet.start(&addresses[servers.len()]).await);
            }
            for (n, address) in addresses.iter().enumerate().take(size) {
                let server = servers.remove(n);
                server.tell_to_stop();
                let (status, log) = server.ended().await;
                assert!(status.success() && !log.contains("\"ERROR\""), "{log}");
                servers.insert(n, fleet.start(address).await);
            }
        }
        is_over.cancel();
        load.end().await
    };
    let (report, conversations) = tokio::join!(rolling, others);
    assert_eq!(report["errors"], json!([]));
    nothing_is_lost_or_doubled(&servers[0], &report).await;
    let replies = replies_by_prompt(&servers[0]).await;
    // It was worth while.
    let closes = report["closes"].as_array().unwrap();
    assert!(
        closes.iter().filter(|code| **code == 1012).count() > SERVERS,
        "{report}"
    );
    assert!(conversations.iter().all(|conversations| conversations.len() > 1));
    for (text, shown) in conversations.into_iter().flatten() {
        let reply = &replies[&text];
        assert_eq!(reply["reply"]["state"], "COMPLETE");
        // A text that another server knew less of was begun again; the last is whole.
        let whole = format!("{}\n", reply["text"].as_str().unwrap());
        assert!(shown.ends_with(&whole), "{shown}\nis not\n{whole}");
    }
    drop(servers);
    scratch.remove().await;
}

/// Many at once, without keys: while one is answered, the turn of the servers goes on, so the proxy may ask the same one
/// again.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_on_its_way_down_refuses_is_done_by_another() {
    const CLIENTS: usize = 16;
    let scratch = Scratch::mongo().await;
    let addresses: Vec<_> = (0..2).map(|_| own_address()).collect();
    let fleet = Fleet {
        scratch: &scratch,
        arguments: vec!["--builtin-pace", "0", "--limit", "prompts-per-minute=1000000"],
    };
    let nginx = Nginx::start(&addresses).await;
    let goes = fleet.start(&addresses[0]).await;
    let stays = fleet.start(&addresses[1]).await;
    let is_over = CancellationToken::new();
    let url = format!("{}/graphql", nginx.url);
    let talking = join_all((0..CLIENTS).map(async |n| {
        let (client, mut answers) = (reqwest::Client::new(), Vec::new());
        let chat = stays.create_chat(&format!("chat {n}")).await;
        while !is_over.is_cancelled() {
            let body =
                json!({ "query": SEND, "variables": { "input": { "chatId": chat, "text": "Hello" } } });
            let answer = client.post(&url).json(&body).send().await.unwrap();
            let (status, body) = (answer.status().as_u16(), answer.json::<Value>().await.unwrap());
            answers.push((
                status,
                body["errors"][0]["extensions"]["code"]
                    .as_str()
                    .map(str::to_owned),
            ));
        }
        answers
    }));
    let going = async {
        goes.tell_to_stop();
        let ended = goes.ended().await;
        is_over.cancel();
        ended
    };
    let (answers, (status, log)) = tokio::join!(talking, going);
    assert!(status.success(), "{log}");
    let answers: Vec<_> = answers.into_iter().flatten().collect();
    // It was worth while: the server did refuse.
    assert!(log.contains("\"http.status\":503"), "{log}");
    let is_told = |(status, code): &&(u16, Option<String>)| {
        *status != 200 || code.as_ref().is_some_and(|code| code == "SHUTTING_DOWN")
    };
    let told: Vec<_> = answers.iter().filter(is_told).collect();
    assert!(told.is_empty(), "{} of {}: {told:?}", told.len(), answers.len());
    drop(stays);
    scratch.remove().await;
}

struct Fleet<'a> {
    scratch: &'a Scratch,
    arguments: Vec<&'a str>,
}

impl Fleet<'_> {
    /// Starts a server, and waits until it would be sent to.
    async fn start(&self, address: &str) -> Server {
        let server = Server::start_at(address, self.scratch, &self.arguments, &[]);
        let answer = reqwest::get(server.at("/health/ready")).await.unwrap();
        assert_eq!(answer.status(), 200);
        server
    }
}

/// People who talk, as one program.
struct Load {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Load {
    fn start(nginx: &Nginx, is_shared: bool) -> Self {
        let mut process = node("rolling.js")
            .args([&nginx.url, &CHATS.to_string()])
            .args(is_shared.then_some("shared"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut begun = String::new();
        output.read_line(&mut begun).unwrap();
        assert_eq!(begun, "begun\n");
        Self { process, output }
    }

    /// Lets them finish their sentences: what they have to report.
    async fn end(mut self) -> Value {
        drop(self.process.stdin.take());
        let ended = tokio::task::spawn_blocking(move || {
            let mut report = String::new();
            self.output.read_line(&mut report).unwrap();
            assert!(self.process.wait().unwrap().success(), "{report}");
            serde_json::from_str(&report).unwrap()
        });
        ended.await.unwrap()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What was said to a program, and what it showed in the end.
type Conversation = (String, String);

/// Other programs, each of which says something and follows the reply, again and again.
async fn others(url: &str, is_over: &CancellationToken) -> Vec<Vec<Conversation>> {
    let programs = [
        examples::typescript("apollo.ts"),
        examples::typescript("urql-sse.ts"),
        examples::python(),
    ];
    let examples = programs.into_iter().enumerate();
    let examples = examples.map(|(n, command)| converse(n, command, url, is_over));
    let (mut conversations, documented) = tokio::join!(join_all(examples), converse_by_frames(url, is_over));
    conversations.push(documented);
    conversations
}

async fn converse(n: usize, command: Command, url: &str, is_over: &CancellationToken) -> Vec<Conversation> {
    let mut conversations = Vec::new();
    while !is_over.is_cancelled() {
        let text = format!("program {n}.{} समुद्र 🌊", conversations.len());
        let shown = examples::run(same(&command), &[url, &text]).await;
        conversations.push((text, shown));
    }
    conversations
}

/// The documented socket, in a chat of its own each time.
async fn converse_by_frames(url: &str, is_over: &CancellationToken) -> Vec<Conversation> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/mt_client.py");
    let mut python = Command::new(from_script("COLLOQUY_TEST_WEBSOCKETS_PYTHON"));
    python.arg(script);
    let client = reqwest::Client::new();
    let create =
        json!({ "query": "mutation { createChat(input: { title: \"By frames\" }) { chat { id } } }" });
    let mut conversations = Vec::new();
    while !is_over.is_cancelled() {
        let created = client.post(format!("{url}/graphql")).json(&create).send().await;
        let created: Value = created.unwrap().json().await.unwrap();
        let chat = created["data"]["createChat"]["chat"]["id"].as_str().unwrap();
        let text = format!("frames {} समुद्र 🌊", conversations.len());
        let address = url.replacen("http", "ws", 1);
        let shown = examples::run(same(&python), &[&address, chat, &text]).await;
        conversations.push((text, shown));
    }
    conversations
}

/// The same command once more, to be given other arguments.
fn same(command: &Command) -> Command {
    let mut same = Command::new(command.get_program());
    same.args(command.get_args());
    same.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    if let Some(folder) = command.get_current_dir() {
        same.current_dir(folder);
    }
    same
}

/// Each message that was acknowledged is there once, and each reply has ended as it was seen.
async fn nothing_is_lost_or_doubled(server: &Server, report: &Value) {
    let list = |name: &str| report[name].as_array().unwrap().clone();
    let acknowledged = [list("messages"), list("written")].concat();
    let mut by_chat: HashMap<&str, Vec<&Value>> = HashMap::new();
    for message in &acknowledged {
        by_chat
            .entry(message["chat"].as_str().unwrap())
            .or_default()
            .push(message);
    }
    assert_eq!(by_chat.len(), CHATS + 1);
    let mut replies = HashMap::new();
    for (chat, acknowledged) in by_chat {
        let stored = messages(server, chat).await;
        let (prompts, answers): (Vec<_>, Vec<_>) = stored
            .into_iter()
            .partition(|message| message["author"] == "USER");
        // Each text is its own, so that one stored twice would be one too many; and the order is that of the saying.
        let of = |message: &Value| (message["id"].clone(), message["text"].clone());
        let prompts: Vec<_> = prompts.iter().map(of).collect();
        let expected: Vec<_> = acknowledged.iter().map(|message| of(message)).collect();
        assert_eq!(prompts, expected);
        replies.extend(answers.into_iter().map(|reply| (reply["id"].clone(), reply)));
    }
    let seen = list("replies");
    assert!(seen.len() > CHATS, "{report}");
    assert_eq!(seen.len(), replies.len());
    for reply in seen {
        let stored = &replies[&reply["id"]];
        assert_eq!(stored["text"], reply["text"]);
        assert_eq!(
            (&stored["reply"]["state"], &reply["state"]),
            (&json!("COMPLETE"), &json!("COMPLETE"))
        );
    }
}

/// The replies of all chats in which one thing was said.
async fn replies_by_prompt(server: &Server) -> HashMap<String, Value> {
    let list = "{ chats(first: 100) { nodes { messages(first: 3) { nodes { text reply { state } } } }
        pageInfo { hasNextPage } } }";
    let data = server.data(list, json!({})).await;
    assert_eq!(data["chats"]["pageInfo"]["hasNextPage"], false);
    let chats = data["chats"]["nodes"].as_array().unwrap().iter();
    let conversations =
        chats.filter_map(
            |chat| match chat["messages"]["nodes"].as_array().unwrap().as_slice() {
                [prompt, reply] => Some((prompt["text"].as_str().unwrap().to_owned(), reply.clone())),
                _ => None,
            },
        );
    conversations.collect()
}
