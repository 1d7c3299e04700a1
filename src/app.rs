//! The composition root: the only place that names concrete stores, feeds and bots.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::bot::{Bot, BuiltinBot, OpenAiBot, OpenAiSetupError, Probed};
use crate::config::{BotConfig, Config, OpenAiConfig, StoreConfig};
use crate::domain::tokens::load_vocabulary;
use crate::domain::{Clock, IdSource, SystemClock, Timestamp};
use crate::engine::Engine;
use crate::feed::{Feed, LocalFeed};
pub use crate::http::Listeners;
use crate::http::{self, ServeError};
use crate::service::Service;
use crate::store::inspection::{StoreInspection, SurveyProgress, Surveyed};
use crate::store::{EmbeddedStore, MeteredStore, MongoStore, Store, StoreError};
use crate::telemetry::recorder;

/// How long open connections may take to end once the server is told to.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(10);

/// Why the server could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store could not be opened.
    #[error("the store could not be opened")]
    Store(#[from] StoreError),
    /// The machine has no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(getrandom::Error),
    /// The bot could not be set up.
    #[error("the bot could not be set up")]
    Bot(#[from] OpenAiSetupError),
    /// The faces could not be served.
    #[error("nothing can be served")]
    Serve(#[from] ServeError),
}

/// Opens the store, with everything it needs set up.
pub async fn open_store(config: &StoreConfig) -> Result<Arc<dyn Store>, StoreError> {
    let store: Arc<dyn Store> = match config {
        StoreConfig::Embedded(folder) => Arc::new(EmbeddedStore::open(folder).await?),
        StoreConfig::Mongo(uri) => Arc::new(MongoStore::connect(uri).await?),
    };
    Ok(Arc::new(MeteredStore::new(store)))
}

/// Looks at the store, and changes nothing.
pub async fn inspect_store(config: &StoreConfig) -> Result<StoreInspection, StoreError> {
    Ok(match config {
        StoreConfig::Embedded(folder) => StoreInspection::Folder(EmbeddedStore::inspect(folder).await?),
        StoreConfig::Mongo(uri) => StoreInspection::Mongo(MongoStore::inspect(uri).await),
    })
}

/// Looks at every document of a MongoDB database, and changes nothing.
pub async fn survey_database(uri: &str, progress: &(dyn Fn(SurveyProgress) + Send + Sync)) -> Surveyed {
    MongoStore::survey(uri, progress).await
}

/// Asks a bot's service whether it is there and knows us.
pub async fn probe_service(config: &OpenAiConfig) -> Result<Probed, OpenAiSetupError> {
    OpenAiBot::probe(config).await
}

fn make_bot(config: &BotConfig) -> Result<Arc<dyn Bot>, OpenAiSetupError> {
    Ok(match config {
        BotConfig::Builtin(config) => {
            let bot = BuiltinBot::new(config.pieces_per_second, config.words_min);
            Arc::new(
                bot.with_faults(config.faults.clone())
                    .heeding_faults(config.takes_message_faults),
            )
        }
        BotConfig::OpenAi(config) => Arc::new(OpenAiBot::new(config)?),
    })
}

/// Serves on `listeners`, a single one if `/metrics` needs none of its own, until `shutdown` completes, then ends replies and connections in order.
pub async fn run(
    config: Config,
    listeners: impl Into<Listeners>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), RunError> {
    let store = open_store(&config.store).await?;
    // One process owns the embedded store: whatever streams in it, nobody generates any more.
    let is_alone = matches!(config.store, StoreConfig::Embedded(_));
    run_on(store, is_alone, config, listeners, shutdown).await
}

/// [`run`] over a store that is open already; `is_alone` says that no other process uses it.
pub async fn run_on(
    store: Arc<dyn Store>,
    is_alone: bool,
    config: Config,
    listeners: impl Into<Listeners>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), RunError> {
    let _recorder = AbortOnDropHandle::new(tokio::spawn(recorder::keep_up()));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(RunError::Random)?;
    let ids = IdSource::new(clock.clone(), seed);
    let owner = ids.next().to_string();
    let bot = make_bot(&config.bot)?;
    let feed: Arc<dyn Feed> = Arc::new(LocalFeed::new(u64::from_ne_bytes(seed)));
    // The first message should not wait for it.
    tokio::task::spawn_blocking(load_vocabulary);
    let engine = Engine::new(
        store.clone(),
        feed.clone(),
        bot,
        clock.clone(),
        config.engine,
        owner,
    );
    let orphaned_before = if is_alone {
        Timestamp::from_millis(i64::MAX)
    } else {
        clock.now()
    };
    engine.recover(orphaned_before).await?;
    engine.keep_recovering();

    let service = Arc::new(Service::new(
        store,
        feed,
        engine.clone(),
        clock,
        ids,
        config.limits,
    ));
    let going_away = CancellationToken::new();
    let told = going_away.clone();
    tokio::spawn(async move {
        shutdown.await;
        told.cancel();
    });
    let serving = http::serve(
        listeners.into(),
        service,
        config.legacy,
        config.trusted_documents,
        going_away.clone(),
    );
    let end = async {
        going_away.cancelled().await;
        engine.shut_down().await;
        tokio::time::sleep(DRAIN_WAIT_MAX).await;
    };
    tokio::pin!(end);
    tokio::select! {
        served = serving => {
            served?;
            engine.shut_down().await;
        }
        () = &mut end => tracing::warn!("some connections did not end in time"),
    }
    Ok(())
}
