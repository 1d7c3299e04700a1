//! Typing states.

use super::{Error, Service};
use crate::domain::{ChatId, Typing, Viewer};

/// How long a typing state lasts, in milliseconds. A client repeats it in time, and the state of a client that died
/// expires.
pub const TYPING_MS: i64 = 8_000;

impl Service {
    /// Publishes to a chat's current subscribers whether the viewer is typing. Nothing is stored.
    pub async fn set_typing(&self, viewer: &Viewer, id: ChatId, is_typing: bool) -> Result<Typing, Error> {
        let chat = self.chat(viewer, id).await?;
        let now = self.clock.now();
        let typing = Typing {
            user_id: viewer.acting_user(&chat.user_id),
            is_typing,
            until: if is_typing {
                now.plus_millis(TYPING_MS)
            } else {
                now
            },
        };
        self.feed.publish_typing(id, typing.clone()).await;
        Ok(typing)
    }
}
