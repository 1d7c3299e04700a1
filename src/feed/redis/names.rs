//! The names of the keys and channels in Redis.

use crate::domain::{ChatId, MessageId};

/// The names under one prefix.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
}

/// What a channel is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    /// The events of a chat.
    Chat(ChatId),
    /// The text of a reply.
    Reply(MessageId),
    /// The stop requests for replies of this server.
    Own,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    /// The stream of a chat's events, and the channel that publishes them.
    pub(super) fn chat(&self, chat: ChatId) -> String {
        format!("{}chat:{chat}", self.prefix)
    }

    /// Matches the stream of every chat.
    pub(super) fn every_chat(&self) -> String {
        let is_special = |letter: char| "*?[]\\^-".contains(letter);
        let mut pattern = String::new();
        for letter in self.prefix.chars() {
            if is_special(letter) {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern + "chat:*"
    }

    /// The text of a reply, and the channel that publishes it.
    pub(super) fn reply(&self, reply: MessageId) -> String {
        format!("{}reply:{reply}", self.prefix)
    }

    /// The text of a reply, and the mark that its end was published.
    pub(super) fn text(&self, reply: MessageId) -> [String; 2] {
        [self.reply(reply), format!("{}ended:{reply}", self.prefix)]
    }

    /// The run of Redis that all servers agree on.
    pub(super) fn run(&self) -> String {
        format!("{}run", self.prefix)
    }

    /// The channel of a server, for stop requests.
    pub(super) fn server(&self, name: &str) -> String {
        format!("{}server:{name}", self.prefix)
    }

    /// The time of each server's last heartbeat.
    pub(super) fn servers(&self) -> String {
        format!("{}servers", self.prefix)
    }

    /// How many connections a room has on each server.
    pub(super) fn room(&self, room: &str) -> String {
        format!("{}room:{room}", self.prefix)
    }

    /// What a channel is about; `None` if it is not one of these.
    pub(super) fn channel(&self, channel: &[u8]) -> Option<Channel> {
        let name = std::str::from_utf8(channel).ok()?.strip_prefix(&self.prefix)?;
        match name.split_once(':')? {
            ("chat", id) => ChatId::parse(id).ok().map(Channel::Chat),
            ("reply", id) => MessageId::parse(id).ok().map(Channel::Reply),
            ("server", _) => Some(Channel::Own),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ObjectId;

    #[test]
    fn a_channel_is_known_by_its_name_below_its_own_prefix_alone() {
        let (names, others) = (Names::new("a[b:"), Names::new("a:"));
        let id = ObjectId::from_bytes([7; 12]);
        for (name, channel) in [
            (names.chat(ChatId(id)), Channel::Chat(ChatId(id))),
            (names.reply(MessageId(id)), Channel::Reply(MessageId(id))),
            (names.server("me"), Channel::Own),
        ] {
            assert_eq!(names.channel(name.as_bytes()), Some(channel));
            assert_eq!(others.channel(name.as_bytes()), None);
        }
        assert_eq!(names.every_chat(), "a\\[b:chat:*");
        assert_eq!(names.channel(b"a[b:chat:x"), None);
    }
}
