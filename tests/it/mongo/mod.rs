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
use colloquy::config::Limits;
use colloquy::domain::SystemClock;
use colloquy::feed::LocalFeed;
use colloquy::service::Service;
use colloquy::store::MongoStore;

use crate::support::parts::Parts;

/// The service over a store whose commands are recorded, and the feed it listens to.
fn serve(store: Arc<MongoStore>, limits: Limits) -> (Arc<Service>, Arc<LocalFeed>) {
    let clock = Arc::new(SystemClock);
    let parts = Parts::over(store, clock, BuiltinBot::new(0.0, 0), limits, None);
    (parts.service, parts.feed)
}
