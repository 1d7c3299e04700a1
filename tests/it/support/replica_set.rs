//! A MongoDB replica set of a test's own, whose members die, freeze and come back.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mongodb::bson::{Bson, Document, doc};
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::mongod::free_port;
use super::scratch::from_script;

/// Longer than any start or election takes.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// How long a server is left alone between two questions.
const PAUSE: Duration = Duration::from_millis(50);

/// Each has several processes, and elections are lost where these starve.
static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);

/// A replica set, all of whose members are killed when it is dropped. Its elections take two seconds instead of ten.
pub struct ReplicaSet {
    members: Vec<Member>,
    _turn: SemaphorePermit<'static>,
}

struct Member {
    process: Option<Child>,
    port: u16,
    // Behind the process, which is to end first.
    data: TempDir,
}

impl ReplicaSet {
    /// Starts a set of so many members, and waits until it has a primary and all others follow it.
    pub async fn start(members: usize) -> Self {
        let turn = ONE_AT_A_TIME.acquire().await.unwrap();
        let members = (0..members).map(|_| {
            let mut member = Member {
                process: None,
                port: free_port(),
                data: tempfile::tempdir().unwrap(),
            };
            member.start();
            member
        });
        let set = Self {
            members: members.collect(),
            _turn: turn,
        };
        let hosts = set.members.iter().enumerate();
        let hosts = hosts.map(|(n, member)| doc! { "_id": n as i32, "host": member.host() });
        let config = doc! {
            "_id": "bad-days",
            "members": hosts.collect::<Vec<_>>(),
            "settings": { "electionTimeoutMillis": 2_000, "heartbeatIntervalMillis": 500, "heartbeatTimeoutSecs": 2 },
        };
        let first = set.admin(0).await;
        until("initiated", async || {
            first
                .run_command(doc! { "replSetInitiate": config.clone() })
                .await
                .ok()
                .map(drop)
        })
        .await;
        set.settled().await;
        set
    }

    /// The address of the set.
    pub fn uri(&self) -> String {
        let hosts: Vec<_> = self.members.iter().map(Member::host).collect();
        format!("mongodb://{}/?replicaSet=bad-days", hosts.join(","))
    }

    /// Waits until there is a primary that can write: the number of its member.
    pub async fn primary(&self) -> usize {
        until("elected", async || {
            for (n, member) in self.members.iter().enumerate() {
                if member.process.is_some() && self.is(n, "isWritablePrimary").await {
                    return Some(n);
                }
            }
            None
        })
        .await
    }

    /// Waits until every member has its part.
    async fn settled(&self) {
        self.primary().await;
        until("complete", async || {
            for n in 0..self.members.len() {
                if !self.is(n, "isWritablePrimary").await && !self.is(n, "secondary").await {
                    return None;
                }
            }
            Some(())
        })
        .await;
    }

    async fn is(&self, member: usize, part: &str) -> bool {
        let hello = self.admin(member).await.run_command(doc! { "hello": 1 }).await;
        hello.is_ok_and(|hello| hello.get_bool(part).unwrap_or_default())
    }

    /// Makes the primary give up its part for a while, in favour of another.
    pub async fn step_down(&self) {
        let primary = self.primary().await;
        let command = doc! { "replSetStepDown": 5, "secondaryCatchUpPeriodSecs": 3 };
        self.command(primary, command).await;
    }

    /// Runs a command of administrators on a member.
    pub async fn command(&self, member: usize, command: Document) -> Document {
        self.admin(member).await.run_command(command).await.unwrap()
    }

    /// Kills a member, which gets no chance to put anything in order.
    pub fn kill(&mut self, member: usize) {
        self.members[member].kill();
    }

    /// Starts a member that was killed, on its data.
    pub fn restart(&mut self, member: usize) {
        self.members[member].start();
    }

    /// Keeps a member from doing anything, without closing a connection.
    pub fn freeze(&self, member: usize) {
        self.members[member].signal(Signal::STOP);
    }

    /// Lets a frozen member go on.
    pub fn thaw(&self, member: usize) {
        self.members[member].signal(Signal::CONT);
    }

    /// How many connections a member has from servers of Colloquy.
    pub async fn connections(&self, member: usize) -> usize {
        let current = doc! { "aggregate": 1, "cursor": {}, "pipeline": [
            { "$currentOp": { "allUsers": true, "idleConnections": true } },
            { "$match": { "appName": "colloquy", "connectionId": { "$exists": true } } },
            { "$count": "connections" },
        ] };
        let answer = self.command(member, current).await;
        let batch = answer
            .get_document("cursor")
            .unwrap()
            .get_array("firstBatch")
            .unwrap();
        let count = batch.first().and_then(Bson::as_document);
        count.map_or(0, |count| count.get_i32("connections").unwrap() as usize)
    }

    /// The database of administrators of one member, whichever part that has.
    async fn admin(&self, member: usize) -> Database {
        let port = self.members[member].port;
        let uri = format!("mongodb://127.0.0.1:{port}/?directConnection=true&serverSelectionTimeoutMS=500");
        let options = ClientOptions::parse(uri).await.unwrap();
        Client::with_options(options).unwrap().database("admin")
    }
}

impl Member {
    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn start(&mut self) {
        let process = Command::new(from_script("COLLOQUY_TEST_MONGOD"))
            .args([
                "--replSet",
                "bad-days",
                "--bind_ip",
                "127.0.0.1",
                "--nounixsocket",
                "--quiet",
            ])
            .args(["--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64"])
            .args(["--setParameter", "diagnosticDataCollectionEnabled=false"])
            .args(["--port", &self.port.to_string(), "--dbpath"])
            .arg(self.data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        assert!(self.process.replace(process).is_none());
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // A frozen one is killed like any other.
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.process.as_ref().unwrap()), signal).unwrap();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn until<T>(what: &str, question: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + WAIT_MAX;
    loop {
        if let Some(answer) = question().await {
            return answer;
        }
        assert!(
            Instant::now() < deadline,
            "the replica set was not {what} in time"
        );
        tokio::time::sleep(PAUSE).await;
    }
}
