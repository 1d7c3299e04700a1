//! Trouble: servers that are hurt or shut down, and a feed that restarts.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::time::sleep;

use super::history::{ENDED, ENDED_HURT, ENDED_UNSTORED, Note};
use super::world::{Server, World};
use crate::app::shutdown::Shutdown;

pub fn hurt(world: &World, slot: usize, what: &str, how: impl FnOnce(&Server)) {
    let server = world.server(slot);
    world.note(Note::Server {
        server: server.gate.run,
        what: what.to_owned(),
    });
    how(&server);
}

/// The feed is away for a moment, for each server until another one, and comes back with less than it had.
pub fn restart_feed(world: &World, is_old: bool) {
    let what = if is_old { "restarts old" } else { "restarts empty" };
    world.note(Note::Feed { what });
    for slot in 0..world.server_count() {
        let away = world.roll(|rng| if rng.bool() { 0 } else { rng.u64(0..5_000) });
        world.server(slot).gate.cut_from_feed(Duration::from_millis(away));
    }
    world.broker.restart(is_old);
}

/// A shutdown signal: the server goes down as the product does, connections and all. A second one ends it at once.
pub async fn shut_down(world: &Arc<World>, slot: usize, grace: Duration) {
    let server = world.server(slot);
    if server.gate.is_dead() {
        return;
    }
    world.note(Note::Server {
        server: server.gate.run,
        what: "is told to end".to_owned(),
    });
    if server.drain.has_begun() {
        server.again.notify_one();
        return;
    }
    let shutdown = Shutdown {
        engine: server.engine.clone(),
        service: server.service.clone(),
        drain: server.drain.clone(),
        grace,
    };
    let signals = stream::iter([()]).chain(stream::once(server.again.notified()));
    // As `http::serve`: requests that are on their way are taken, and what was taken is answered.
    let last_request = world.roll(|rng| {
        let wait_max = [10, 500][rng.usize(0..2)];
        Duration::from_millis(rng.u64(0..wait_max))
    });
    let serving = async {
        server.drain.closes_doors().await;
        sleep(last_request).await;
        server.calls.close();
        server.calls.wait().await;
        server.drain.ended().await;
        Ok::<_, Infallible>(())
    };
    let (Ok(()), left) = tokio::join!(shutdown.serve(serving), shutdown.run(signals));
    // Unless it was killed meanwhile, and another run is in its place.
    if Arc::ptr_eq(&server, &world.server(slot)) && !server.gate.is_dead() {
        let how = match server.gate.was_hurt() || server.gate.is_flushing() || !world.had_good_store() {
            true => ENDED_HURT,
            false if left > 0 => ENDED_UNSTORED,
            false => ENDED,
        };
        world.replace(slot, how, Duration::from_millis(300)).await;
    }
}
