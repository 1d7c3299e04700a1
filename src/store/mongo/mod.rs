//! MongoDB: the documented collections, read as the documented system left them.
//!
//! `chats` and `chat_messages` keep their documented fields and index names; what Colloquy adds are optional fields
//! (see `document.rs`, `moments.rs` and `counts.rs`) and further indexes (see `indexes.rs`). `chat_deletions` holds the
//! chats that were deleted of late (see `deletions.rs`), `usage_ledger` and `usage_bills` what was used (see `bills.rs`),
//! `revocations` the users whose earlier tokens are worth nothing, `health` one document that is written to see whether
//! writes are possible.
//!
//! Nothing here needs a transaction, so a standalone server will do. Every filter on messages names their chat, so that
//! a collection that is sharded by chat answers from one shard; all but two while serving: messages that are asked for
//! by their ids alone, and the search for lapsed leases. `doctor` and the survey also read across chats.

mod aside;
mod bills;
mod bulk;
mod calls;
mod chats;
mod checkpoints;
mod counts;
mod deletions;
mod document;
mod exchanges;
mod fields;
mod history;
mod index_review;
mod indexes;
mod inspect;
mod keeping;
mod keyset;
mod ledger_filling;
mod ledger_look;
mod lists;
mod messages;
mod moments;
mod operation;
mod recount;
mod replies;
mod reply_document;
mod revocations;
mod scratch;
mod search;
mod survey;
mod turns;
mod usage;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mongodb::bson::{RawDocumentBuf, doc};
use mongodb::error::Result as DriverResult;
use mongodb::options::{ClientOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern};
use mongodb::{Client, Database, IndexModel};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use self::calls::{Calls, Documents};
use self::checkpoints::Checkpoints;
use self::inspect::{BILLS, CHATS, DELETIONS, HEALTH, LEDGER, MESSAGES, REVOCATIONS};
use self::operation::{is_duplicate_key, is_no_utf8, run, run_for};
use super::{Store, StoreError};

pub use self::scratch::ScratchDatabase;

/// The database of an address that names none.
const DATABASE_DEFAULT: &str = "colloquy";

/// How long a write waits for the majority, and a call for a server that can take it, unless the address says
/// otherwise. Less than [`ANSWER_TIMEOUT`], so that the caller is told which.
const SERVER_TIMEOUT: Duration = Duration::from_secs(4);

/// How long a connection takes to be made, unless the address says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often each server is looked at, unless the address says otherwise. One that hangs is taken for dead, and the
/// calls that wait for it are let go, after this time and [`CONNECT_TIMEOUT`]: nothing else ends them.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Connections to each server, and calls under way, unless the address says otherwise.
const POOL_SIZE_MAX: u32 = 32;

/// The store on MongoDB. Cloning it is cheap; clones share one connection pool.
#[derive(Clone)]
pub struct MongoStore {
    database: Database,
    chats: Documents,
    messages: Documents,
    deletions: Documents,
    revocations: Documents,
    ledger: Documents,
    bills: Documents,
    health: Documents,
    checkpoints: Checkpoints,
    /// Whether messages are counted each time, whatever is kept.
    counts_live: bool,
    /// Held by the task that moves kept counts on, so that there is one.
    keeping: Arc<Semaphore>,
    /// Enters bills into the ledger for as long as the store is used.
    _entering: Option<Arc<AbortOnDropHandle<()>>>,
}

impl MongoStore {
    /// Connects to the server at `uri`, in the database that its path names or else `colloquy`, and does what
    /// [`MongoStore::setup`] does.
    pub async fn connect(uri: &str) -> Result<Self, StoreError> {
        let (options, database) = read_address(uri).await?;
        Self::connect_with(options, &database).await
    }

    /// Connects as `options` say, with the durability of Colloquy whatever they say, and does what
    /// [`MongoStore::setup`] does.
    pub async fn connect_with(mut options: ClientOptions, database: &str) -> Result<Self, StoreError> {
        let majority = WriteConcern::builder()
            .w(mongodb::options::Acknowledgment::Majority)
            .journal(true);
        options.write_concern = Some(majority.w_timeout(SERVER_TIMEOUT).build());
        options.read_concern = Some(ReadConcern::majority());
        options.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));

        let calls = Calls::new(*options.max_pool_size.get_or_insert(POOL_SIZE_MAX));
        let client = make_client(options)?;
        let database = client.database(database);
        let documents = |name| Documents::new(database.collection(name), &calls);
        let mut store = Self {
            chats: documents(CHATS),
            messages: documents(MESSAGES),
            deletions: documents(DELETIONS),
            revocations: documents(REVOCATIONS),
            ledger: documents(LEDGER),
            bills: documents(BILLS),
            health: documents(HEALTH),
            checkpoints: Checkpoints::default(),
            counts_live: false,
            keeping: Arc::new(Semaphore::new(1)),
            _entering: None,
            database,
        };
        store.warn_of_standalone().await?;
        store.setup().await?;
        let entering = tokio::spawn(store.clone().keep_entering());
        store._entering = Some(Arc::new(AbortOnDropHandle::new(entering)));
        Ok(store)
    }

    /// The same store, but that counts all messages of a chat each time: for a database that another program goes on
    /// writing to.
    pub fn counting_live(mut self) -> Self {
        self.counts_live = true;
        self
    }

    /// Creates the indexes that are missing. To repeat it is harmless.
    pub async fn setup(&self) -> Result<(), StoreError> {
        let store = self.clone();
        run_for(operation::SETUP_TIMEOUT, async move {
            store.chats.bare.create_indexes(indexes::of_chats()).await?;
            store.index_messages().await?;
            for (name, indexes) in indexes::of_ours() {
                let collection = store.database.collection::<RawDocumentBuf>(name);
                collection.create_indexes(indexes).await?;
            }
            Ok(())
        })
        .await
    }

    /// Creates the indexes of the messages. That of their words alone may be impossible, and is then done without: one
    /// broken document must not keep all others from being served.
    async fn index_messages(&self) -> DriverResult<()> {
        let is_of_words = |index: &IndexModel| {
            let options = index.options.as_ref();
            options.is_some_and(|options| options.name.as_deref() == Some(indexes::WORDS))
        };
        let (words, others): (Vec<_>, Vec<_>) = indexes::of_messages().into_iter().partition(is_of_words);
        self.messages.bare.create_indexes(others).await?;
        match self.messages.bare.create_indexes(words).await {
            Err(error) if is_no_utf8(&error) => {
                tracing::error!(
                    "messages cannot be searched: the text of one is no UTF-8, so MongoDB cannot index them"
                );
                Ok(())
            }
            made => made.map(drop),
        }
    }

    /// A standalone server keeps one copy of everything and cannot elect another.
    async fn warn_of_standalone(&self) -> Result<(), StoreError> {
        let database = self.database.clone();
        let hello = run(async move { database.run_command(doc! { "hello": 1 }).await }).await?;
        // A member of a replica set tells the set's name, a router says `isdbgrid`.
        if !hello.contains_key("setName") && !hello.contains_key("msg") {
            tracing::warn!("MongoDB is a standalone server: what it stores is as durable as its one disk");
        }
        Ok(())
    }
}

/// How to connect to the server at `uri`, and the database that its path names or else `colloquy`.
async fn read_address(uri: &str) -> Result<(ClientOptions, String), StoreError> {
    let uri = uri.to_owned();
    let options = run(async move { ClientOptions::parse(uri).await })
        .await
        .map_err(|error| match error {
            StoreError::Failed(_) => StoreError::Failed("the address of MongoDB cannot be read".into()),
            passing => passing,
        })?;
    let database = options
        .default_database
        .clone()
        .unwrap_or_else(|| DATABASE_DEFAULT.to_owned());
    Ok((options, database))
}

/// A client that knows who it is and does not wait for ever.
fn make_client(mut options: ClientOptions) -> Result<Client, StoreError> {
    options.app_name = Some("colloquy".to_owned());
    options.server_selection_timeout.get_or_insert(SERVER_TIMEOUT);
    options.connect_timeout.get_or_insert(CONNECT_TIMEOUT);
    options.heartbeat_freq.get_or_insert(LOOK_EVERY);
    options.max_pool_size.get_or_insert(POOL_SIZE_MAX);
    Client::with_options(options).map_err(operation::store_error)
}

#[async_trait]
impl Store for MongoStore {
    async fn ping(&self) -> Result<(), StoreError> {
        // As durable as any other write, or else a server that refuses writes passes for one that serves.
        let written = self.health.write(|health| async move {
            let update = vec![doc! { "$set": { "written_at": "$$NOW" } }];
            let written = health.update_one(doc! { "_id": "ping" }, update).upsert(true);
            match written.await {
                // Another server made it at the same moment.
                Err(error) if is_duplicate_key(&error) => Ok(()),
                written => written.map(drop),
            }
        });
        written.await
    }

    async fn close(&self) -> Result<(), StoreError> {
        // Or else the driver ends its sessions in a task that the end of the runtime makes panic.
        self.database.client().clone().shutdown().immediate(true).await;
        Ok(())
    }
}
