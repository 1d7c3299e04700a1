//! Who types.

use super::{Error, Service};
use crate::domain::{ChatId, Typing, Viewer};

/// How long it is believed that somebody types who said so, in milliseconds: a client repeats it in time while it is
/// so, and one that died is forgotten.
pub const TYPING_MS: i64 = 8_000;

impl Service {
    /// Tells a chat's current subscribers that the viewer types, or no longer does. Nothing is stored.
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
