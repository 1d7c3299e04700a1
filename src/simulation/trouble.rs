//! Trouble: servers that are hurt or shut down, and a feed that restarts.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::history::Note;
use super::world::{Server, World};

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

/// What `app` does when it is told to end: no more replies, then an end to those that are left.
pub async fn shut_down(world: &Arc<World>, slot: usize, grace: Duration) {
    let server = world.server(slot);
    if server.gate.is_dead() {
        return;
    }
    world.note(Note::Server {
        server: server.gate.run,
        what: "is told to end".to_owned(),
    });
    server.engine.drain();
    let _ = timeout(grace, server.engine.drained()).await;
    let _ = timeout(Duration::from_secs(5), server.engine.shut_down()).await;
    // Whoever still waits is answered.
    sleep(Duration::from_millis(500)).await;
    // Unless it was killed meanwhile, and another run is in its place.
    if Arc::ptr_eq(&server, &world.server(slot)) && !server.gate.is_dead() {
        world.replace(slot, Duration::from_millis(300)).await;
    }
}
