//! The run of Redis: which history of its data all servers continue.
//!
//! A Redis that comes back may have gone back in time: a replica that lagged took over, or an older dump was loaded.
//! Its data does not show it, but its `run_id` or `master_replid` has changed. The two are its *run*. It is asked for
//! with each connection and each heartbeat, all servers agree on it under a key, and a stream of another run is reset.
//! When a server dies, another run begins as well (`scripts.rs`).

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisResult};

use super::RETAINED_MS;
use super::link::is_refusal;
use super::probe::field;
use super::scripts::Run;
use super::shared::Shared;

/// The run of Redis that this server knows.
#[derive(Default)]
pub(super) struct KnownRun {
    name: String,
    /// Whether it was learned over the current connection.
    is_of_connection: bool,
}

impl KnownRun {
    /// There is a new connection, and the Redis at its other end may be another.
    pub(super) fn reconnected(&mut self) {
        self.is_of_connection = false;
    }

    /// Learns the run of Redis, and has the other servers learn it. If Redis does not report it, each connection counts
    /// as another run, because it may be.
    pub(super) async fn learn(
        &mut self,
        shared: &Shared,
        connection: &mut MultiplexedConnection,
    ) -> RedisResult<()> {
        let reported = ask(connection).await?;
        let keeps_known = reported.is_none() && self.is_of_connection;
        let name = reported.unwrap_or_else(|| format!("{}-{}", shared.name, shared.local_position().epoch));
        let run = Run {
            key: &shared.names.run(),
            name: &name,
        };
        let adopt = shared.scripts.adopt(run, keeps_known, RETAINED_MS);
        self.name = adopt.query_async(connection).await?;
        self.is_of_connection = true;
        Ok(())
    }

    /// Fails if Redis has another run by now.
    pub(super) async fn check(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        match ask(connection).await? {
            Some(run) if Some(run.as_str()) != self.name.split('+').next() => {
                Err((ErrorKind::Extension, "this is another run of Redis").into())
            }
            _ => Ok(()),
        }
    }

    /// The run as scripts take it, with the key on which all servers agree.
    pub(super) fn with_key<'a>(&'a self, key: &'a str) -> Run<'a> {
        Run {
            key,
            name: &self.name,
        }
    }
}

/// The run that Redis reports, if this user may ask for it.
async fn ask(connection: &mut MultiplexedConnection) -> RedisResult<Option<String>> {
    let mut info = redis::pipe();
    info.cmd("INFO").arg("server").cmd("INFO").arg("replication");
    let reported: (String, String) = match info.query_async(connection).await {
        Ok(reported) => reported,
        // This user may not be permitted to ask.
        Err(error) if is_refusal(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let (server, replication) = (
        field(&reported.0, "run_id:"),
        field(&reported.1, "master_replid:"),
    );
    Ok(server
        .zip(replication)
        .map(|(run, replication)| format!("{run:.16}{replication:.16}")))
}
