//! The composition root: the only place that names concrete stores, feeds and bots.

pub(crate) mod shutdown;

use std::sync::Arc;

use futures_util::Stream;
use tokio_util::task::AbortOnDropHandle;

use crate::auth::{self, AuthSetupError, Authenticator, KeysProbed};
use crate::bot::{Bot, BuiltinBot, OpenAiBot, OpenAiSetupError, Probed};
use crate::config::{
    AuthConfig, BotConfig, Config, CountsConfig, FeedConfig, OpenAiConfig, RedisConfig, StoreConfig,
};
use crate::domain::{Clock, IdSource, SystemClock};
use crate::drain::Drain;
use crate::engine::Engine;
use crate::feed::{Feed, LocalFeed, RedisFeed, RedisFeedError, RedisProbed};
pub use crate::http::Listeners;
use crate::http::{self, ServeError};
use crate::service::{self, Service};
use crate::store::inspection::{StoreInspection, SurveyProgress, Surveyed};
use crate::store::recount::{RecountProgress, Recounted};
use crate::store::{Claim, EmbeddedStore, MeteredStore, MongoStore, ScratchDatabase, Store, StoreError};
use crate::telemetry::recorder;

use shutdown::Shutdown;

/// Why the server could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store could not be opened.
    #[error("the store could not be opened")]
    Store(#[from] StoreError),
    /// The machine has no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(getrandom::Error),
    /// The feed could not be set up.
    #[error("the feed could not be set up")]
    Feed(#[from] RedisFeedError),
    /// The bot could not be set up.
    #[error("the bot could not be set up")]
    Bot(#[from] OpenAiSetupError),
    /// The JWT keys could not be set up.
    #[error("tokens cannot be proven")]
    Auth(#[from] AuthSetupError),
    /// The revoked users could not be read, so no token can be accepted.
    #[error("revoked users cannot be read")]
    Revocations(#[source] service::Error),
    /// The APIs could not be served.
    #[error("nothing can be served")]
    Serve(#[from] ServeError),
    /// The server has ended while the store was unavailable: this many replies keep the text of their last checkpoint,
    /// and another server or the next start closes them.
    #[error("the ends of {0} replies could not be stored")]
    Unstored(usize),
}

/// Opens the store, with everything it needs set up.
pub async fn open_store(config: &StoreConfig) -> Result<Arc<dyn Store>, StoreError> {
    open_store_counting(config, CountsConfig::default()).await
}

/// [`open_store`], with this way of counting messages.
pub async fn open_store_counting(
    config: &StoreConfig,
    counts: CountsConfig,
) -> Result<Arc<dyn Store>, StoreError> {
    let store: Arc<dyn Store> = match (config, counts) {
        (StoreConfig::Embedded(folder), _) => Arc::new(EmbeddedStore::open(folder).await?),
        (StoreConfig::Mongo(uri), CountsConfig::Kept) => Arc::new(MongoStore::connect(uri).await?),
        (StoreConfig::Mongo(uri), CountsConfig::Live) => {
            Arc::new(MongoStore::connect(uri).await?.counting_live())
        }
    };
    Ok(Arc::new(MeteredStore::new(store)))
}

/// Recomputes every count that the store keeps. No other process may have an embedded store open.
pub async fn recount(
    config: &StoreConfig,
    progress: &(dyn Fn(RecountProgress) + Send + Sync),
) -> Result<Recounted, StoreError> {
    match config {
        StoreConfig::Embedded(folder) => {
            // To open it would make it.
            if let Ok(None) = EmbeddedStore::inspect(folder).await?.version {
                let nothing = format!("there is no store in {}", folder.display());
                return Err(StoreError::Failed(nothing.into()));
            }
            EmbeddedStore::open(folder).await?.recount(progress).await
        }
        StoreConfig::Mongo(uri) => {
            let store = MongoStore::connect(uri).await?;
            let recounted = store.recount(progress).await;
            store.close().await.and(recounted)
        }
    }
}

/// Inspects the store without changing it.
pub async fn inspect_store(config: &StoreConfig) -> Result<StoreInspection, StoreError> {
    Ok(match config {
        StoreConfig::Embedded(folder) => StoreInspection::Folder(EmbeddedStore::inspect(folder).await?),
        StoreConfig::Mongo(uri) => StoreInspection::Mongo(MongoStore::inspect(uri).await),
    })
}

/// Reads every document of a MongoDB database without changing any.
pub async fn survey_database(uri: &str, progress: &(dyn Fn(SurveyProgress) + Send + Sync)) -> Surveyed {
    MongoStore::survey(uri, progress).await
}

/// A MongoDB database for a trial run, next to the one that `uri` names; `id` keeps it apart from those of other
/// trials.
pub async fn scratch_database(uri: &str, id: &str) -> Result<ScratchDatabase, StoreError> {
    ScratchDatabase::beside(uri, id).await
}

/// Checks that a bot's upstream answers and accepts the API key.
pub async fn probe_service(config: &OpenAiConfig) -> Result<Probed, OpenAiSetupError> {
    OpenAiBot::probe(config).await
}

/// Loads the JWT keys, and fetches those that are published.
pub async fn probe_tokens(config: &AuthConfig) -> Result<KeysProbed, AuthSetupError> {
    auth::probe(config).await
}

/// Inspects the Redis of the feed without changing it.
pub async fn probe_feed(config: &RedisConfig) -> Result<RedisProbed, RedisFeedError> {
    RedisFeed::probe(&config.url).await
}

/// The feed of the server called `name`.
async fn open_feed(config: &FeedConfig, name: &str, seed: u64) -> Result<Arc<dyn Feed>, RedisFeedError> {
    Ok(match config {
        FeedConfig::Local => Arc::new(LocalFeed::new(seed)),
        FeedConfig::Redis(shared) => {
            Arc::new(RedisFeed::connect(&shared.url, &shared.prefix, name, seed).await?)
        }
    })
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

/// Serves on `listeners` (a single one if `/metrics` needs none of its own) until the first item of `shutdown`; then
/// drains ([`Config::drain`]), and ends replies and connections in order. A second item ends them at once.
/// [`futures_util::stream::once`] makes such a stream of any future. `docs/shutdown.md` describes the whole sequence.
pub async fn run(
    config: Config,
    listeners: impl Into<Listeners>,
    shutdown: impl Stream<Item = ()>,
) -> Result<(), RunError> {
    let store = open_store_counting(&config.store, config.counts).await?;
    // One process owns the embedded store, so at a start nobody generates the replies that it holds as streaming.
    let is_alone = matches!(config.store, StoreConfig::Embedded(_));
    run_on(store, is_alone, config, listeners, shutdown).await
}

/// [`run`] over an open store; `is_alone` says that no other process uses it.
pub async fn run_on(
    store: Arc<dyn Store>,
    is_alone: bool,
    config: Config,
    listeners: impl Into<Listeners>,
    shutdown: impl Stream<Item = ()>,
) -> Result<(), RunError> {
    let _recorder = AbortOnDropHandle::new(tokio::spawn(recorder::keep_up()));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(RunError::Random)?;
    let ids = IdSource::new(clock.clone(), seed);
    let owner = ids.next().to_string();
    let bot = make_bot(&config.bot)?;
    let feed = open_feed(&config.feed, &owner, u64::from_ne_bytes(seed)).await?;
    let engine = Engine::new(
        store.clone(),
        feed.clone(),
        bot,
        clock.clone(),
        config.engine,
        owner,
    );
    // Without other servers, every streaming reply that this one does not generate is abandoned.
    let left_over = if is_alone { Claim::Alone } else { Claim::Lapsed };
    if is_alone {
        engine.recover(left_over).await?;
    }
    engine.keep_recovering(left_over);
    engine.keep_sweeping();
    engine.watch_stop_requests();

    let authenticator = config.auth.as_ref();
    let authenticator = authenticator
        .map(|auth| Authenticator::new(auth, clock.clone()))
        .transpose()?;
    let service = Service::new(
        store,
        feed,
        engine.clone(),
        clock,
        ids,
        config.limits,
        authenticator,
    );
    service.learn_revocations().await.map_err(RunError::Revocations)?;
    let service = Arc::new(service);
    let _watch = {
        let service = service.clone();
        AbortOnDropHandle::new(tokio::spawn(async move { service.keep_watch().await }))
    };
    let sequence = Shutdown {
        engine,
        service: service.clone(),
        drain: Drain::new(!is_alone),
        grace: config.drain,
    };
    let serving = http::serve(
        listeners.into(),
        service,
        config.legacy,
        config.browsers,
        config.trusted_documents,
        sequence.drain.clone(),
    );
    let going = async { Ok(sequence.run(shutdown).await) };
    let ((), left) = tokio::try_join!(sequence.serve(serving), going)?;
    match left {
        0 => Ok(()),
        left => Err(RunError::Unstored(left)),
    }
}
