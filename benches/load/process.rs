//! The processes that are measured: started, looked at, ended.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::data::Data;

/// A running process that has said where it listens. It is killed when it is dropped.
pub struct Process {
    child: Child,
    /// `127.0.0.1:` and its port.
    pub address: String,
}

/// The CPU time that each thread of a process has used so far.
pub struct Cpu(HashMap<i32, u64>);

/// As many sockets as the machine lets one process have, here and in what is started from here.
pub fn allow_many_sockets() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let most = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, most).unwrap();
}

impl Process {
    /// The server on the MongoDB, as it is shipped, but for the limits that hold off a single user who asks like
    /// thousands.
    pub fn server(program: &Path, data: &Data, upstream: &Self) -> Self {
        let mut command = Command::new(program);
        command.args([
            "--store",
            &data.uri,
            "--bot",
            "openai",
            "--openai-model",
            "scripted",
        ]);
        command.args(["--openai-base-url", &format!("http://{}/v1", upstream.address)]);
        for limit in [
            "operations-per-minute=10000000",
            "requests-per-minute=10000000",
            "prompts-per-minute=1000000",
            "replies-per-user=100000",
            "streams-per-user=1000000",
            "streams-per-address=1000000",
        ] {
            command.args(["--limit", limit]);
        }
        Self::start(&mut command)
    }

    /// The server on an embedded store in this folder, with nothing said besides.
    pub fn embedded(program: &Path, folder: &Path) -> Self {
        Self::start(Command::new(program).arg("--store").arg(folder))
    }

    /// The thinnest program that does the same.
    pub fn baseline(data: &Data, upstream: &Self) -> Self {
        let mut command = this_program();
        command.args([
            "baseline",
            "--mongodb",
            &data.uri,
            "--upstream",
            &upstream.address,
        ]);
        Self::start(&mut command)
    }

    /// The scripted service, which counts its microseconds from `origin`.
    pub fn upstream(origin: u64) -> Self {
        Self::start(this_program().args(["upstream", "--origin", &origin.to_string()]))
    }

    fn start(command: &mut Command) -> Self {
        let mut child = command
            .env_remove("OPENAI_API_KEY")
            .env_remove("RUST_LOG")
            .args(["--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let address = line
            .split_whitespace()
            .find_map(|word| word.strip_prefix("http://"));
        let address = address.expect("the process did not start").to_owned();
        Self { child, address }
    }

    /// The CPU time that it has used so far.
    pub fn cpu(&self) -> Cpu {
        cpu_of(i32::try_from(self.child.id()).unwrap())
    }

    /// The bytes of memory that are resident, those of its program file among them.
    pub fn resident(&self) -> u64 {
        let process = procfs::process::Process::new(i32::try_from(self.child.id()).unwrap()).unwrap();
        process.status().unwrap().vmrss.unwrap() * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended by itself needs no end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Cpu {
    /// What was used since `earlier`. What a thread used that has ended in between is lost: a server's own do not end.
    pub fn since(&self, earlier: &Self) -> Duration {
        let threads = self.0.iter();
        let used = threads.map(|(id, used)| used - earlier.0.get(id).copied().unwrap_or_default());
        Duration::from_nanos(used.sum())
    }
}

/// The CPU time that the driver has used so far.
pub fn own_cpu() -> Cpu {
    cpu_of(i32::try_from(std::process::id()).unwrap())
}

fn cpu_of(pid: i32) -> Cpu {
    let tasks = procfs::process::Process::new(pid).unwrap().tasks().unwrap();
    // A thread may end while one looks.
    let used = tasks.filter_map(|task| {
        let task = task.ok()?;
        Some((task.tid, task.schedstat().ok()?.sum_exec_runtime))
    });
    Cpu(used.collect())
}

fn this_program() -> Command {
    Command::new(std::env::current_exe().unwrap())
}
