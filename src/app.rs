//! The composition root: the only place that names concrete stores, feeds and bots.

pub(crate) mod descent;

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

use descent::Descent;

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
    /// The keys of tokens could not be set up.
    #[error("tokens cannot be proven")]
    Auth(#[from] AuthSetupError),
    /// Who was revoked could not be read, so nobody can be let in.
    #[error("revoked users cannot be read")]
    Revocations(#[source] service::Error),
    /// The faces could not be served.
    #[error("nothing can be served")]
    Serve(#[from] ServeError),
    /// The server has ended, and the store was away: so many replies have kept the text of their last checkpoint, and
    /// are closed by another server or the next one.
    #[error("the ends of {0} replies could not be stored")]
    Unstored(usize),
}

/// Opens the store, with everything it needs set up.
pub async fn open_store(config: &StoreConfig) -> Result<Arc<dyn Store>, StoreError> {
    open_store_counting(config, CountsConfig::default()).await
}

/// [`open_store`], for messages to be counted so.
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

/// Counts everything again that the store keeps sums of. An embedded store must not be open elsewhere.
pub async fn recount(
    config: &StoreConfig,
    progress: &(dyn Fn(RecountProgress) + Send + Sync),
) -> Result<Recounted, StoreError> {
    match config {
        StoreConfig::Embedded(folder) => EmbeddedStore::open(folder).await?.recount(progress).await,
        StoreConfig::Mongo(uri) => MongoStore::connect(uri).await?.recount(progress).await,
    }
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

/// A database of MongoDB for a trial, beside the one that `uri` names; `id` tells it apart from those of other trials.
pub async fn scratch_database(uri: &str, id: &str) -> Result<ScratchDatabase, StoreError> {
    ScratchDatabase::beside(uri, id).await
}

/// Asks a bot's service whether it is there and knows us.
pub async fn probe_service(config: &OpenAiConfig) -> Result<Probed, OpenAiSetupError> {
    OpenAiBot::probe(config).await
}

/// Tries the keys of tokens, and asks where some are published.
pub async fn probe_tokens(config: &AuthConfig) -> Result<KeysProbed, AuthSetupError> {
    auth::probe(config).await
}

/// Looks at the Redis of the feed, and changes nothing.
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

/// Serves on `listeners`, a single one if `/metrics` needs none of its own, until `shutdown` says something: then it drains ([`Config::drain`]), and ends replies and
/// connections in order. Told a second time, it ends them at once. [`futures_util::stream::once`] makes such a stream of
/// any future. `docs/shutdown.md` has the whole course.
pub async fn run(
    config: Config,
    listeners: impl Into<Listeners>,
    shutdown: impl Stream<Item = ()>,
) -> Result<(), RunError> {
    let store = open_store_counting(&config.store, config.counts).await?;
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
    // Where no other server can be, what this one does not generate is left over.
    let left_over = if is_alone { Claim::Alone } else { Claim::Lapsed };
    if is_alone {
        engine.recover(left_over).await?;
    }
    engine.keep_recovering(left_over);
    engine.keep_sweeping();
    engine.heed_wakes();

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
    let descent = Descent {
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
        descent.drain.clone(),
    );
    let going = async { Ok(descent.go(shutdown).await) };
    let ((), left) = tokio::try_join!(descent.serve(serving), going)?;
    match left {
        0 => Ok(()),
        left => Err(RunError::Unstored(left)),
    }
}
