//! A reply that another server generates, seen through its checkpoints, or one that nobody generates any more.

use std::sync::{Arc, Weak};

use tokio::time::MissedTickBehavior;

use super::{BEAT_EVERY, Engine, LiveReply};
use crate::domain::{Message, MessageId};

impl Engine {
    /// A live reply that follows what the store has of `message`, shared by all its readers on this server: however
    /// many read slowly, there is one text.
    pub(super) fn mirror(self: &Arc<Self>, message: Message) -> Arc<LiveReply> {
        let id = message.id;
        let has_ended = !message.is_under_way();
        let mut registry = self.registry();
        let found = registry.mirrors.get(&id);
        // One that has ended may have been edited since.
        if let Some(mirror) = found.filter(|mirror| !has_ended || mirror.ended_as(&message)) {
            return mirror;
        }
        let mirror = Arc::new(LiveReply::new(message));
        registry.mirrors.insert(id, mirror.clone());
        drop(registry);
        if !has_ended {
            let (engine, reflection) = (self.clone(), Arc::downgrade(&mirror));
            self.tasks
                .spawn(async move { engine.reflect(id, &reflection).await });
        }
        mirror
    }

    /// Copies each checkpoint until the reply has ended, nobody reads any more, or the server shuts down.
    async fn reflect(&self, id: MessageId, mirror: &Weak<LiveReply>) {
        let mut looks = tokio::time::interval(BEAT_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.shutdown.run_until_cancelled(looks.tick()).await.is_some() {
            let found = self.store.messages(&[id]).await.map(|mut found| found.pop());
            let Some(mirror) = mirror.upgrade() else { return };
            match found {
                Ok(Some(message)) if message.is_under_way() => mirror.heal(&message.text),
                Ok(Some(message)) => return mirror.end(message),
                // Deleted: what the readers have is all there will be.
                Ok(None) => return mirror.end_as_it_is(),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(message.id = %id, error, "a reply could not be looked at");
                }
            }
        }
    }
}
