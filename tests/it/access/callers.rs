//! Those who call, and what they can ask about.

use crate::support::make;
use crate::support::tokens::{SERVICE_SCOPE, Signer, Token};

/// A kind of caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Whose the chat is.
    Owner,
    /// Another user.
    Other,
    /// A program with the scope of services.
    Service,
    /// One without a token.
    Anonymous,
    /// One with a token of the owner's that was good an hour ago.
    Expired,
    /// One with a token of the owner's that another key has signed.
    Forged,
}

impl Caller {
    /// All of them, in the order of the tables' cells.
    pub const ALL: [Self; 6] = [
        Self::Owner,
        Self::Other,
        Self::Service,
        Self::Anonymous,
        Self::Expired,
        Self::Forged,
    ];

    /// Whether the owner's chats are theirs to read.
    pub fn may_read(self) -> bool {
        matches!(self, Self::Owner | Self::Service)
    }
}

/// Users whom nobody has met before.
#[derive(Clone)]
pub struct Cast {
    /// The owner's user id.
    pub owner: String,
    other: String,
    service: String,
}

impl Cast {
    pub fn new() -> Self {
        let id = make::id();
        Self {
            owner: format!("alice-{id}"),
            other: format!("mallory-{id}"),
            service: format!("service-{id}"),
        }
    }

    /// The token that a caller brings.
    pub fn token(&self, caller: Caller) -> Option<String> {
        let owner = Token::of(self.owner.as_str());
        match caller {
            Caller::Owner => Some(owner.signed()),
            Caller::Other => Some(Token::of(self.other.as_str()).signed()),
            Caller::Service => {
                let service = Token::of(self.service.as_str());
                Some(service.scope(SERVICE_SCOPE).signed())
            }
            Caller::Anonymous => None,
            Caller::Expired => Some(owner.issued_in(-7_200).expires_in(-3_600).signed()),
            Caller::Forged => {
                let forger = Signer::hs256(b"a secret that the server was never told of");
                Some(owner.sign(&forger))
            }
        }
    }
}

/// What can be asked about: ids, of things that are there or not.
#[derive(Clone)]
pub struct Things {
    /// A chat.
    pub chat: String,
    /// A user's message in it.
    pub message: String,
    /// A bot's message in it.
    pub reply: String,
    /// The user whose chat it is.
    pub user: String,
}

impl Things {
    /// Ids that stand for nothing.
    pub fn absent() -> Self {
        let id = || make::id().to_string();
        Self {
            chat: id(),
            message: id(),
            reply: id(),
            user: Cast::new().owner,
        }
    }

    /// A text with the ids in the place of their names: those in capitals, or those of the API's description.
    pub fn fill(&self, text: &str) -> String {
        let names = self.names().into_iter();
        names.fold(text.to_owned(), |text, (name, id)| text.replace(name, id))
    }

    /// Whether a text names any of them.
    pub fn are_named_in(&self, text: &str) -> bool {
        self.names().iter().any(|(name, _)| text.contains(name))
    }

    /// A text with names in the place of the ids: what is left of an answer beside what the caller sent.
    pub fn hide(&self, text: &str) -> String {
        let names = self.names().into_iter();
        names.fold(text.to_owned(), |text, (name, id)| text.replace(id, name))
    }

    fn names(&self) -> [(&'static str, &str); 7] {
        [
            ("CHAT", &self.chat),
            ("MESSAGE", &self.message),
            ("REPLY", &self.reply),
            ("OWNER", &self.user),
            ("{chat_id}", &self.chat),
            ("{message_id}", &self.message),
            ("{user_id}", &self.user),
        ]
    }
}
