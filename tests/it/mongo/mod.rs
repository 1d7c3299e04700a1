//! What is true of MongoDB alone: the documented documents and indexes, and what a call costs the server.

mod bad_days;
mod bills;
mod commands;
mod cost;
mod counts;
mod deletions;
mod documents;
mod exchanges;
mod indexes;
mod lists_by_number;
mod old_documents;
mod operations;
mod plans;
mod recorder;
mod subscribers;
mod turns;

use std::sync::Arc;

use colloquy::bot::BuiltinBot;
use colloquy::config::{EngineConfig, Limits};
use colloquy::domain::{IdSource, SystemClock};
use colloquy::engine::Engine;
use colloquy::feed::LocalFeed;
use colloquy::service::Service;
use colloquy::store::MongoStore;

/// The service over a store whose commands are recorded, and the feed it listens to.
fn serve(store: Arc<MongoStore>, limits: Limits) -> (Arc<Service>, Arc<LocalFeed>) {
    let clock = Arc::new(SystemClock);
    let feed = Arc::new(LocalFeed::new(1));
    let engine = Engine::new(
        store.clone(),
        feed.clone(),
        Arc::new(BuiltinBot::new(0.0, 0)),
        clock.clone(),
        EngineConfig::default(),
        "owner".to_owned(),
    );
    let ids = IdSource::new(clock.clone(), [1; 8]);
    let service = Service::new(store, feed.clone(), engine, clock, ids, limits, None);
    (Arc::new(service), feed)
}
