//! Prompts that are sent while servers die, are told to end, and while the store stands still: each is stored if and
//! only if its reply is, and every reply ends.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::TryStreamExt;
use futures_util::future::join_all;
use mongodb::bson::{Document, doc, oid::ObjectId};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::SEND;
use crate::support::mongod::Mongod;
use crate::support::scratch::{Scratch, tries};
use crate::support::server::Server;

/// Prompts in an ordinary run, of each kind of trouble.
const PROMPTS_FEW: usize = 100;
/// Those who send at once.
const SENDERS: usize = 10;
/// Prompts of one chat: fewer than may be under way.
const PROMPTS_OF_A_CHAT: usize = 5;
/// How long a sender waits before the next prompt, and before the same again.
const PAUSE_MS: std::ops::Range<u64> = 20..150;
/// How long the store stands still: longer than a server waits for it, and shorter than a lease.
const FROZEN: Duration = Duration::from_secs(7);
/// Prompts between two blows.
const BLOW_EVERY: usize = 30;
/// The longest that a reply may be under way once nobody sends any more and nothing is in the way: one of a dead server is
/// closed within 15 s, and up to seven of living servers wait behind it for their turns, each for a second or two.
const END_MAX: Duration = Duration::from_secs(30);
const ARGUMENTS: [&str; 4] = ["--builtin-pace", "100", "--builtin-words", "60"];

/// What came of a prompt, as its sender knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Acknowledged,
    /// The server said that it did not take it.
    Refused,
    /// The server died, or could not say.
    Unknown,
}

/// Servers that come and go, and what was sent to them.
struct Trial {
    scratch: Scratch,
    servers: Mutex<Vec<Arc<Server>>>,
    gone: Mutex<Vec<Arc<Server>>>,
    begun: AtomicUsize,
    settled: watch::Sender<usize>,
}

impl Trial {
    fn start(scratch: Scratch, servers: usize) -> Arc<Self> {
        let servers = (0..servers).map(|_| Arc::new(Server::start_with(&scratch, &ARGUMENTS)));
        Arc::new(Self {
            servers: Mutex::new(servers.collect()),
            scratch,
            gone: Mutex::default(),
            begun: AtomicUsize::new(0),
            settled: watch::Sender::new(0),
        })
    }

    fn any(&self, rng: &mut Rng) -> Arc<Server> {
        let servers = self.servers.lock().unwrap();
        servers[rng.usize(..servers.len())].clone()
    }

    /// Sends so many prompts, one after the other: what came of each text. One who insists sends again, under the same
    /// key, what was not acknowledged.
    async fn send(self: Arc<Self>, mut rng: Rng, insists: bool, goal: usize) -> HashMap<String, Outcome> {
        let mut outcomes = HashMap::new();
        let mut chat = String::new();
        loop {
            let n = self.begun.fetch_add(1, Ordering::Relaxed);
            if n >= goal {
                return outcomes;
            }
            if outcomes.len() % PROMPTS_OF_A_CHAT == 0 {
                chat = self.create_chat(&mut rng).await;
            }
            let text = format!("Prompt {n}");
            let input = json!({ "input": { "chatId": chat, "text": text, "clientKey": format!("key-{n}") } });
            let outcome = loop {
                pause(&mut rng).await;
                let outcome = self.send_once(&mut rng, input.clone()).await;
                if outcome == Outcome::Acknowledged || !insists {
                    break outcome;
                }
            };
            outcomes.insert(text, outcome);
            self.settled.send_modify(|settled| *settled += 1);
        }
    }

    async fn send_once(&self, rng: &mut Rng, input: Value) -> Outcome {
        let Ok(answer) = self.any(rng).try_request(SEND, input).await else {
            return Outcome::Unknown;
        };
        match answer["errors"][0]["extensions"]["code"].as_str() {
            None => Outcome::Acknowledged,
            Some("UNAVAILABLE") => Outcome::Unknown,
            Some(_) => Outcome::Refused,
        }
    }

    async fn create_chat(&self, rng: &mut Rng) -> String {
        let create = r#"mutation { createChat(input: { title: "A chat" }) { chat { id } } }"#;
        loop {
            if let Ok(mut answer) = self.any(rng).try_request(create, json!({})).await
                && let Value::String(id) = answer["data"]["createChat"]["chat"]["id"].take()
            {
                return id;
            }
            pause(rng).await;
        }
    }

    /// Kills one server, tells the next one to end, and so on, each replaced at once.
    async fn strike(self: Arc<Self>, mut rng: Rng, goal: usize) {
        let mut settled = self.settled.subscribe();
        for blow in 1.. {
            let next = blow * BLOW_EVERY;
            if next >= goal {
                return;
            }
            settled.wait_for(|settled| *settled >= next).await.unwrap();
            let fresh = Arc::new(Server::start_with(&self.scratch, &ARGUMENTS));
            let struck = {
                let mut servers = self.servers.lock().unwrap();
                let place = rng.usize(..servers.len());
                std::mem::replace(&mut servers[place], fresh)
            };
            match blow % 2 {
                0 => struck.tell_to_stop(),
                _ => struck.kill_now(),
            }
            self.gone.lock().unwrap().push(struck);
        }
    }

    /// Has prompts sent while something is done to the servers: what came of each.
    async fn run(self: &Arc<Self>, seed: u64, trouble: impl Future<Output = ()>) -> HashMap<String, Outcome> {
        let goal = tries(PROMPTS_FEW);
        let senders = (0..SENDERS).map(|n| {
            let rng = Rng::with_seed(seed + n as u64);
            tokio::spawn(self.clone().send(rng, n % 2 == 0, goal))
        });
        let senders: Vec<_> = senders.collect();
        trouble.await;
        let outcomes = join_all(senders).await.into_iter().flat_map(Result::unwrap);
        outcomes.collect()
    }

    /// Waits until every reply has ended, and holds what is stored against what the senders know: the states of the
    /// replies.
    async fn judge(&self, outcomes: &HashMap<String, Outcome>) -> HashMap<ObjectId, String> {
        let messages = self
            .scratch
            .database()
            .await
            .collection::<Document>("chat_messages");
        let deadline = Instant::now() + END_MAX;
        while messages
            .count_documents(doc! { "reply.state": "STREAMING" })
            .await
            .unwrap()
            > 0
        {
            assert!(Instant::now() < deadline, "replies have no end");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let stored: Vec<_> = messages.find(doc! {}).await.unwrap().try_collect().await.unwrap();
        let (replies, prompts): (Vec<_>, Vec<_>) = stored
            .iter()
            .partition(|message| message.get_bool("is_bot").unwrap());
        let texts: Vec<_> = prompts
            .iter()
            .map(|prompt| prompt.get_str("message").unwrap())
            .collect();
        let distinct: HashSet<_> = texts.iter().copied().collect();
        assert_eq!(distinct.len(), texts.len(), "a prompt is stored twice");
        for (text, outcome) in outcomes {
            let is_stored = distinct.contains(text.as_str());
            match outcome {
                Outcome::Acknowledged => assert!(is_stored, "{text} was acknowledged and is not stored"),
                Outcome::Refused => assert!(!is_stored, "{text} was refused and is stored"),
                Outcome::Unknown => {}
            }
        }
        let named = prompts
            .iter()
            .map(|prompt| prompt.get_object_id("reply_id").unwrap());
        let named: HashSet<_> = named.collect();
        let states = replies.iter().map(|reply| {
            let state = reply.get_document("reply").unwrap().get_str("state").unwrap();
            (reply.get_object_id("_id").unwrap(), state.to_owned())
        });
        let states: HashMap<_, _> = states.collect();
        assert_eq!(named, states.keys().copied().collect(), "prompts and replies");
        states
    }
}

async fn pause(rng: &mut Rng) {
    tokio::time::sleep(Duration::from_millis(rng.u64(PAUSE_MS))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_has_a_reply_that_ends_whichever_server_dies() {
    let trial = Trial::start(Scratch::mongo_and_redis().await, 3);
    let striking = trial.clone().strike(Rng::with_seed(2), tries(PROMPTS_FEW));
    let outcomes = trial.run(1, striking).await;
    assert_eq!(outcomes.len(), tries(PROMPTS_FEW));
    trial.judge(&outcomes).await;
    trial.servers.lock().unwrap().clear();
    Arc::into_inner(trial).unwrap().scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_stands_still_ends_no_reply_of_a_server_that_lives() {
    let mongod = Mongod::start().await;
    let scratch = Scratch::on_mongod(&mongod.uri("owner", "")).with_redis();
    let trial = Trial::start(scratch, 2);
    let goal = tries(PROMPTS_FEW);
    let freezing = async {
        let mut settled = trial.settled.subscribe();
        for next in (goal / 10..goal).step_by(PROMPTS_FEW) {
            settled.wait_for(|settled| *settled >= next).await.unwrap();
            mongod.freeze();
            tokio::time::sleep(FROZEN).await;
            mongod.thaw();
        }
    };
    let outcomes = trial.run(11, freezing).await;
    let states = trial.judge(&outcomes).await;
    let dead = states.values().filter(|state| *state != "COMPLETE").count();
    assert_eq!(dead, 0, "of {} replies", states.len());
}
