//! One server as a process of its own, which is told things by signals.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::bot::request::base_url;
use super::error::VerifyError;
use super::operations::{Viewer, viewer};
use crate::cli::client::{Server, ServerError};

/// How long a server may take until it answers.
const START_MAX: Duration = Duration::from_secs(60);
/// The pause between two looks at whether it does.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long one look may take.
const LOOK_MAX: Duration = Duration::from_secs(10);
/// How much of a log's end is told.
const LAST_WORDS_BYTES_MAX: u64 = 2_048;

/// How servers are started.
pub struct Launch {
    /// This program.
    pub program: PathBuf,
    /// What to say to it.
    pub arguments: Vec<String>,
    /// What may hold a password, which arguments are no place for.
    pub secrets: Vec<(String, String)>,
    /// The variables that would change how it serves, and are not to.
    pub unset: Vec<String>,
    /// Where the bot listens.
    pub bot: SocketAddr,
    /// How many were started.
    pub starts: AtomicUsize,
}

/// A running server. It is killed when it is dropped.
pub struct Process {
    child: Child,
    pid: Pid,
    /// Where it listens.
    pub address: SocketAddr,
}

/// What a signal did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Told {
    /// Ends it at once.
    Kill,
    /// Asks it to end.
    Terminate,
    /// Stops the time for it.
    Freeze,
    /// Lets it go on.
    Thaw,
}

impl Launch {
    /// Starts the server of a number, whose log is added to a file, and waits until it answers.
    pub async fn start(&self, server: usize, log: &Path) -> Result<Process, VerifyError> {
        let start = self.starts.fetch_add(1, Ordering::Relaxed);
        let file = OpenOptions::new().create(true).append(true).open(log)?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .args(["--openai-base-url", &base_url(self.bot, server, start)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .kill_on_drop(true)
            // A Ctrl-C is for this process alone, which ends its servers in order.
            .process_group(0);
        for name in &self.unset {
            command.env_remove(name);
        }
        if std::env::var_os("RUST_LOG").is_none() {
            command.env("RUST_LOG", "warn");
        }
        command.envs(self.secrets.iter().cloned());
        let mut child = command.spawn()?;
        let failed = |reason: String| VerifyError::Start {
            reason,
            last_words: last_words(log),
        };
        match tokio::time::timeout(START_MAX, first_answer(&mut child)).await {
            Ok(Ok(address)) => match child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
                Some(pid) => Ok(Process { child, pid, address }),
                None => Err(failed("it ended at once".to_owned())),
            },
            Ok(Err(reason)) => Err(failed(reason)),
            Err(_) => Err(failed(format!(
                "it did not answer within {} s",
                START_MAX.as_secs()
            ))),
        }
    }
}

/// Where it listens, once it answers.
async fn first_answer(child: &mut Child) -> Result<SocketAddr, String> {
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        let read = BufReader::new(stdout).read_line(&mut line).await;
        read.map_err(|error| error.to_string())?;
    }
    let address = line
        .split_whitespace()
        .find_map(|word| word.strip_prefix("http://")?.parse().ok());
    let Some(address) = address else {
        let status = child.wait().await;
        return Err(status.map_or_else(|error| error.to_string(), |status| status.to_string()));
    };
    let server = Server::local(address, LOOK_MAX).map_err(|error| error.to_string())?;
    while server.ask::<Viewer>(viewer::Variables {}).await.is_err() {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(status.to_string());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(address)
}

impl Process {
    /// Tells it something. One that has ended hears nothing.
    pub fn tell(&self, what: Told) -> std::io::Result<()> {
        let signal = match what {
            Told::Kill => Signal::KILL,
            Told::Terminate => Signal::TERM,
            Told::Freeze => Signal::STOP,
            Told::Thaw => Signal::CONT,
        };
        // The number is its own for as long as nobody has waited for its end.
        if self.child.id().is_some() {
            kill_process(self.pid, signal)?;
        }
        Ok(())
    }

    /// It, for a client.
    pub fn server(&self) -> Result<Server, ServerError> {
        Server::local(self.address, LOOK_MAX)
    }

    /// Waits for its end.
    pub async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }
}

/// The end of a log.
pub fn last_words(log: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = std::fs::File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS_BYTES_MAX)))?;
        let mut end = Vec::new();
        file.take(LAST_WORDS_BYTES_MAX).read_to_end(&mut end)?;
        Ok(String::from_utf8_lossy(&end).into_owned())
    };
    read().unwrap_or_else(|error| error.to_string())
}
