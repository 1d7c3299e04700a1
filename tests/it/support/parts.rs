//! The service and what it stands on, put together in this process.

use std::sync::Arc;

use colloquy::auth::Authenticator;
use colloquy::bot::BuiltinBot;
use colloquy::config::{EngineConfig, Limits};
use colloquy::domain::{Clock, IdSource};
use colloquy::engine::Engine;
use colloquy::feed::LocalFeed;
use colloquy::service::Service;
use colloquy::store::Store;

/// The parts of one server.
pub struct Parts {
    pub service: Arc<Service>,
    pub engine: Arc<Engine>,
    pub feed: Arc<LocalFeed>,
}

impl Parts {
    /// Puts them together over a store.
    pub fn over(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        bot: BuiltinBot,
        limits: Limits,
        authenticator: Option<Authenticator>,
    ) -> Self {
        let feed = Arc::new(LocalFeed::new(1));
        let engine = Engine::new(
            store.clone(),
            feed.clone(),
            Arc::new(bot),
            clock.clone(),
            EngineConfig::default(),
            "owner".to_owned(),
        );
        let ids = IdSource::new(clock.clone(), [1; 8]);
        let service = Service::new(
            store,
            feed.clone(),
            engine.clone(),
            clock,
            ids,
            limits,
            authenticator,
        );
        Self {
            service: Arc::new(service),
            engine,
            feed,
        }
    }
}
