//! The chats of events that could not be published: the subscribers on other servers missed them.

use std::collections::HashSet;

use crate::domain::ChatId;

/// The most chats that are remembered. With more, every chat counts as one.
const CHATS_MAX: usize = 10_000;

/// Some chats, or all.
#[derive(Default)]
pub(super) struct MissedChats {
    chats: HashSet<ChatId>,
    is_everything: bool,
}

impl MissedChats {
    pub(super) fn add(&mut self, chat: ChatId) {
        if self.chats.len() < CHATS_MAX {
            self.chats.insert(chat);
        } else {
            self.is_everything |= !self.chats.contains(&chat);
        }
    }

    /// Moves the chats of another set here.
    pub(super) fn take(&mut self, other: &mut Self) {
        let other = std::mem::take(other);
        self.is_everything |= other.is_everything;
        other.chats.into_iter().for_each(|chat| self.add(chat));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chats.is_empty() && !self.is_everything
    }

    /// Whether every chat counts as one.
    pub(super) fn is_everything(&self) -> bool {
        self.is_everything
    }

    /// The chats that are remembered.
    pub(super) fn chats(&self) -> impl Iterator<Item = ChatId> {
        self.chats.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ObjectId;

    #[test]
    fn too_many_chats_are_all_chats() {
        let chat = |n: usize| {
            let mut id = [0; 12];
            id[..8].copy_from_slice(&n.to_be_bytes());
            ChatId(ObjectId::from_bytes(id))
        };
        let mut overrun = MissedChats::default();
        (0..CHATS_MAX).for_each(|n| overrun.add(chat(n)));
        overrun.add(chat(0));
        assert!(!overrun.is_everything());
        let mut missed = MissedChats::default();
        missed.add(chat(CHATS_MAX));
        missed.take(&mut overrun);
        assert!(missed.is_everything() && overrun.is_empty());
    }
}
