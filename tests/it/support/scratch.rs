//! A place of its own for each test, in any store.

use std::sync::Arc;

use colloquy::app;
use colloquy::config::StoreConfig;
use colloquy::domain::SystemClock;
use colloquy::store::{MemoryStore, Store};
use mongodb::options::ClientOptions;
use tempfile::TempDir;

use super::make;
use super::redis::Redis;

/// Where a test's chats are kept, a folder or a database that nobody else uses; and the Redis by which its servers tell
/// each other what happens, if they do.
pub struct Scratch {
    place: Place,
    redis: Option<Redis>,
}

enum Place {
    Embedded(TempDir),
    Mongo { uri: String, database: String },
    Memory(Arc<MemoryStore>),
}

impl Scratch {
    /// A new folder for the embedded store.
    pub async fn embedded() -> Self {
        Self::at(Place::Embedded(tempfile::tempdir().unwrap()))
    }

    /// A new store in memory. No server can be started on it, and opening it again gives the same store.
    pub async fn memory() -> Self {
        Self::at(Place::Memory(Arc::new(MemoryStore::new(Arc::new(SystemClock)))))
    }

    /// A new database of the MongoDB that the tests were given.
    pub async fn mongo() -> Self {
        Self::on_mongod(&mongodb_uri())
    }

    /// A new database of the server at `uri`.
    pub fn on_mongod(uri: &str) -> Self {
        let database = format!("colloquy_test_{}", make::id());
        Self::at(Place::Mongo {
            uri: with_database(uri, &database),
            database,
        })
    }

    /// [`Scratch::mongo`], and a Redis.
    pub async fn mongo_and_redis() -> Self {
        Self::mongo().await.with_redis()
    }

    /// The same place, and a Redis.
    pub fn with_redis(self) -> Self {
        Self {
            redis: Some(Redis::start()),
            ..self
        }
    }

    fn at(place: Place) -> Self {
        Self { place, redis: None }
    }

    /// Another place of the same store.
    pub fn beside(&self) -> Self {
        match &self.place {
            Place::Embedded(_) => Self::at(Place::Embedded(tempfile::tempdir().unwrap())),
            Place::Mongo { uri, .. } => Self {
                redis: self.redis.as_ref().map(|_| Redis::start()),
                ..Self::on_mongod(uri)
            },
            Place::Memory(_) => panic!("a store in memory has no neighbour"),
        }
    }

    /// What `--store` takes.
    pub fn address(&self) -> String {
        match &self.place {
            Place::Embedded(folder) => folder.path().join("data").to_str().unwrap().to_owned(),
            Place::Mongo { uri, .. } => uri.clone(),
            Place::Memory(_) => panic!("a store in memory has no address"),
        }
    }

    /// The store itself, if it is the one in memory.
    pub fn in_memory(&self) -> Option<&MemoryStore> {
        match &self.place {
            Place::Memory(store) => Some(store),
            Place::Embedded(_) | Place::Mongo { .. } => None,
        }
    }

    /// What a server here is told of its feed.
    pub fn feed_arguments(&self) -> Vec<String> {
        let arguments = self.redis.as_ref().map(Redis::arguments);
        arguments.into_iter().flatten().collect()
    }

    /// Whether what happens is told by way of a Redis.
    pub fn has_redis(&self) -> bool {
        self.redis.is_some()
    }

    /// The Redis, where there is one.
    pub fn redis(&self) -> &Redis {
        self.redis.as_ref().unwrap()
    }

    /// The Redis, to be killed and started again.
    pub fn redis_mut(&mut self) -> &mut Redis {
        self.redis.as_mut().unwrap()
    }

    /// Opens the store that is kept here. The embedded one can be open once at a time.
    pub async fn open(&self) -> Arc<dyn Store> {
        if let Place::Memory(store) = &self.place {
            return store.clone();
        }
        let config = StoreConfig::parse(&self.address()).unwrap();
        app::open_store(&config).await.unwrap()
    }

    /// The bare database.
    pub async fn database(&self) -> mongodb::Database {
        let (options, database) = self.client_options().await;
        mongodb::Client::with_options(options)
            .unwrap()
            .database(&database)
    }

    /// How to connect, and the database's name.
    pub async fn client_options(&self) -> (ClientOptions, String) {
        match &self.place {
            Place::Embedded(_) | Place::Memory(_) => panic!("this test is about MongoDB"),
            Place::Mongo { uri, database } => (ClientOptions::parse(uri).await.unwrap(), database.clone()),
        }
    }

    /// Deletes the place. A test that fails leaves its database behind, to be looked at.
    pub async fn remove(self) {
        if let Place::Mongo { .. } = &self.place {
            self.database().await.drop().await.unwrap();
        }
    }
}

/// What `make test` says under this name.
pub fn from_script(name: &str) -> String {
    variable(name).unwrap_or_else(|| panic!("{name} is not set; run the tests with `make test`"))
}

/// How many of something are tried: `few` in an ordinary run, and as many times that as `make tries TIMES=N` says.
pub fn tries(few: usize) -> usize {
    let times = variable("COLLOQUY_TEST_TIMES").map_or(1, |times| times.parse().unwrap());
    few * times
}

#[expect(
    clippy::disallowed_methods,
    reason = "how the scripts hand on what they started or fetched"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The address of the MongoDB for tests.
pub fn mongodb_uri() -> String {
    from_script("COLLOQUY_TEST_MONGODB_URI")
}

/// Puts a database's name into the path of a connection string.
fn with_database(uri: &str, database: &str) -> String {
    let (server, options) = uri.split_once('?').unwrap_or((uri, ""));
    let (scheme, rest) = server.split_once("://").unwrap();
    let hosts = rest.split_once('/').map_or(rest, |(hosts, _)| hosts);
    // Credentials are looked up in the database of the path unless another is named.
    let options = if hosts.contains('@') && !options.contains("authSource") {
        format!("authSource=admin&{options}")
    } else {
        options.to_owned()
    };
    format!("{scheme}://{hosts}/{database}?{options}")
}

/// Declares cases that take a `&Scratch`, each run on both stores, and over Redis besides.
#[macro_export]
macro_rules! on_every_pair {
    ($($case:ident),+ $(,)?) => {
        $crate::on_both_stores!($($case),+);
        $crate::on_both_stores!(@of mongo_and_redis, $($case),+);
    };
}

/// Declares cases that take a `&Scratch` and need nothing but a store, each run on all three.
#[macro_export]
macro_rules! on_every_store {
    ($($case:ident),+ $(,)?) => {
        $crate::on_both_stores!($($case),+);
        $crate::on_both_stores!(@of memory, $($case),+);
    };
}

/// Declares cases that take a `&Scratch`, each run on both stores that last.
#[macro_export]
macro_rules! on_both_stores {
    ($($case:ident),+ $(,)?) => {
        $crate::on_both_stores!(@of mongo, $($case),+);
        $crate::on_both_stores!(@of embedded, $($case),+);
    };
    (@of $place:ident, $($case:ident),+) => {
        mod $place {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    let scratch = $crate::support::scratch::Scratch::$place().await;
                    super::$case(&scratch).await;
                    scratch.remove().await;
                }
            )+
        }
    };
}
