//! The MongoDB that benchmarks are given.

use mongodb::{Client, Database};

/// A database of a benchmark's own.
pub struct Scratch {
    /// What `--store` takes.
    pub uri: String,
    name: String,
}

impl Scratch {
    /// A new one, or `None` if there is no MongoDB: `make bench` starts one.
    #[expect(
        clippy::disallowed_methods,
        reason = "how the script hands on what it started"
    )]
    pub fn new() -> Option<Self> {
        let uri = std::env::var("COLLOQUY_TEST_MONGODB_URI").ok()?;
        let mut random = [0; 8];
        getrandom::fill(&mut random).unwrap();
        let name = format!("colloquy_bench_{:016x}", u64::from_le_bytes(random));
        let (server, options) = uri.split_once('?').unwrap_or((&uri, ""));
        let uri = format!("{}/{name}?{options}", server.trim_end_matches('/'));
        Some(Self { uri, name })
    }

    /// The bare database.
    pub async fn database(&self) -> Database {
        let client = Client::with_uri_str(&self.uri).await.unwrap();
        client.database(&self.name)
    }

    /// Removes it.
    pub async fn remove(self) {
        self.database().await.drop().await.unwrap();
    }
}
