//! The store as one server reaches it: late, refused, with its answer lost, or not at all.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::recorded::{RecordedStore, away};
use super::world::{Gate, World};
use crate::store::StoreError;
use crate::store::wrapped::{Access, wrap_store};

pub struct StoreProxy {
    world: Arc<World>,
    gate: Arc<Gate>,
    store: RecordedStore,
}

wrap_store!(StoreProxy);

impl StoreProxy {
    pub fn new(world: Arc<World>, gate: Arc<Gate>) -> Self {
        let store = RecordedStore::new(world.clone(), gate.run);
        Self { world, gate, store }
    }

    fn inner(&self) -> &RecordedStore {
        &self.store
    }

    /// A call on its way to the store and back. Whoever drops it half way does not take back what was done.
    async fn around<T>(
        &self,
        name: &'static str,
        access: Access,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let weather = self.world.weather();
        self.gate.pass().await;
        self.world.travel().await;
        if self.world.happens(weather.late) {
            let time = self.world.roll(|rng| rng.u64(100..3_000));
            sleep(Duration::from_millis(time)).await;
        }
        self.gate.pass().await;
        if !self.gate.has_store() || self.world.happens(weather.refused) {
            self.world.travel().await;
            self.gate.pass().await;
            return Err(away());
        }
        let result = call.await;
        self.world.travel().await;
        self.gate.pass().await;
        // Whether the answer to a read is lost does not matter: it changed nothing.
        if access == Access::Write && (!self.gate.has_store() || self.world.happens(weather.answer_lost)) {
            return self.store.answer_lost(name);
        }
        result
    }
}
