//! A reply that another server generates, or one that nobody generates any more.
//!
//! Its text arrives as its generating server publishes it, and from checkpoints in the store while nothing arrives.
//! Both are prefixes of the same text, so it does not matter which of them comes first, twice, or late.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::{Applied, CHECKPOINT_EVERY, Engine, LiveReply};
use crate::domain::{Message, MessageId};
use crate::feed::{Fleet, Heard, Hearing};
use crate::telemetry::causes::causes;

/// How long a reply may be silent before its mirror reads the store. Without a connection to other servers, it reads
/// the store as often as checkpoints are stored.
const SILENCE_MAX: Duration = Duration::from_secs(2);

impl Engine {
    /// A live reply that mirrors `message`. All its readers on this server share it, so that there is one text, however
    /// many read slowly.
    pub(super) fn mirror(self: &Arc<Self>, message: Message) -> Arc<LiveReply> {
        let id = message.id;
        let has_ended = !message.is_under_way();
        let mut registry = self.registry();
        let found = registry.mirrors.get(&id);
        // A mirror that has ended may show the message as it was before an edit.
        if let Some(mirror) = found.filter(|mirror| !has_ended || mirror.ended_as(&message)) {
            mirror.show(message);
            return mirror;
        }
        let mirror = LiveReply::new(message);
        // A shutdown waits until readers have received an end that is known, and for no reply of another server.
        let mirror = Arc::new(match has_ended {
            true => mirror.counted_as(self.followed.token()),
            false => mirror,
        });
        registry.mirrors.insert(id, mirror.clone());
        drop(registry);
        if !has_ended {
            self.keep_reflecting(&mirror, &Handle::current());
        }
        mirror
    }

    /// Turns a reply that this server failed to store or to end into a mirror, if somebody reads it.
    pub(super) fn continue_as_mirror(self: &Arc<Self>, live: &Arc<LiveReply>) {
        // Every reader holds a reference.
        let is_read = Arc::strong_count(live) > 1;
        let Some(runtime) = Handle::try_current().ok().filter(|_| is_read) else {
            return;
        };
        self.registry().mirrors.insert(live.id(), live.clone());
        self.keep_reflecting(live, &runtime);
    }

    fn keep_reflecting(self: &Arc<Self>, mirror: &Arc<LiveReply>, runtime: &Handle) {
        let (engine, id, reflection) = (self.clone(), mirror.id(), Arc::downgrade(mirror));
        self.tasks
            .spawn_on(async move { engine.reflect(id, &reflection).await }, runtime);
    }

    /// The mirror of a reply that is generated elsewhere, if somebody reads it here.
    pub(super) fn growing_mirror(&self, id: MessageId) -> Option<Arc<LiveReply>> {
        let found = self.registry().mirrors.get(&id);
        found.filter(|mirror| !mirror.has_ended())
    }

    /// Copies the published and the stored text until the reply has ended, nobody reads it, or the server shuts down.
    async fn reflect(&self, id: MessageId, mirror: &Weak<LiveReply>) {
        let fleet = self.feed.fleet();
        let mut hearing = self.hearing(fleet.as_ref(), id).await;
        let mut look_at = Instant::now();
        loop {
            let heard = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return,
                Some(heard) = hearing.next() => Some(heard),
                () = tokio::time::sleep_until(look_at) => None,
            };
            let Some(mirror) = mirror.upgrade() else { return };
            let is_to_be_looked_at = match (heard, &fleet) {
                (Some(Heard::Piece { offset, text }), Some(fleet)) => {
                    look_at = Instant::now() + SILENCE_MAX;
                    if mirror.apply(offset, &text) == Applied::Gap {
                        catch_up(fleet, id, &mirror).await;
                    }
                    false
                }
                (Some(Heard::Missed), Some(fleet)) => {
                    catch_up(fleet, id, &mirror).await;
                    false
                }
                _ => true,
            };
            if is_to_be_looked_at {
                // While the feed is up, silence means that there is no new text.
                let is_heard = fleet.is_some() && self.feed.is_up();
                look_at = Instant::now() + if is_heard { SILENCE_MAX } else { CHECKPOINT_EVERY };
                if self.look(id, &mirror).await {
                    return;
                }
            }
        }
    }

    async fn hearing(&self, fleet: Option<&Arc<dyn Fleet>>, id: MessageId) -> Hearing {
        match fleet {
            Some(fleet) => fleet.hear(id).await,
            None => stream::pending().boxed(),
        }
    }

    /// Copies the stored text; returns whether the reply has ended.
    async fn look(&self, id: MessageId, mirror: &LiveReply) -> bool {
        let found = match self.store.messages(&[id]).await {
            Ok(mut found) => found.pop(),
            Err(error) => {
                tracing::warn!(message.id = %id, error = %causes(&error), "a reply could not be looked at");
                return false;
            }
        };
        if let Some(growing) = found.as_ref().filter(|message| message.is_under_way()) {
            mirror.heal(&growing.text);
        }
        match Self::ended(found) {
            Some(ended) => {
                mirror.end(ended);
                true
            }
            None => false,
        }
    }
}

async fn catch_up(fleet: &Arc<dyn Fleet>, id: MessageId, mirror: &LiveReply) {
    if let Some(text) = fleet.text(id).await {
        mirror.heal(&text);
    }
}
