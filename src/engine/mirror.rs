//! A reply that another server generates, or none any more, seen through its checkpoints.

use std::sync::{Arc, Weak};

use tokio::time::MissedTickBehavior;

use super::{BEAT_EVERY, Engine, LiveReply};
use crate::domain::{Message, MessageId};

impl Engine {
    /// A live reply that follows what the store has of `message`, shared by all its readers on this server.
    pub(super) fn mirror(self: &Arc<Self>, message: Message) -> Arc<LiveReply> {
        let id = message.id;
        if message.reply.as_ref().is_none_or(|reply| reply.state.is_final()) {
            return Arc::new(LiveReply::new(message));
        }
        let mut registry = self.registry();
        if let Some(mirror) = registry.mirrors.get(&id).and_then(Weak::upgrade) {
            return mirror;
        }
        let mirror = Arc::new(LiveReply::new(message));
        registry.mirrors.insert(id, Arc::downgrade(&mirror));
        let (engine, reflection) = (self.clone(), Arc::downgrade(&mirror));
        self.tasks.spawn(async move {
            engine.reflect(id, &reflection).await;
            let mut registry = engine.registry();
            // A newer mirror may have taken the place of one whose readers had left.
            if registry
                .mirrors
                .get(&id)
                .is_some_and(|current| current.ptr_eq(&reflection))
            {
                registry.mirrors.remove(&id);
            }
        });
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
                Ok(Some(message))
                    if message
                        .reply
                        .as_ref()
                        .is_some_and(|reply| !reply.state.is_final()) =>
                {
                    mirror.heal(&message.text);
                }
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
