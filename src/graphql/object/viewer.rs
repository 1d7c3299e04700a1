//! The type `Viewer`.

use async_graphql::{Description, Object};

use crate::config::Limits;
use crate::domain;
use crate::graphql::scalar::UserId;

/// Whom the server takes you for, and what you may ask of it.
#[derive(Description)]
pub struct Viewer {
    /// Who.
    pub viewer: domain::Viewer,
    /// What.
    pub limits: Limits,
}

#[Object(use_type_description)]
impl Viewer {
    /// The user that you act for where a call names none.
    async fn user_id(&self) -> UserId {
        UserId(self.viewer.default_user())
    }

    /// Whether the server asked you for no credential, so that you may act for any user.
    async fn is_anonymous(&self) -> bool {
        self.viewer == domain::Viewer::Anonymous
    }

    /// Whether your token has the scope of services, so that you may act for any user.
    async fn is_service(&self) -> bool {
        matches!(self.viewer, domain::Viewer::Service(_))
    }

    /// The longest title of a chat, in characters.
    async fn title_characters_max(&self) -> usize {
        self.limits.title_chars_max
    }

    /// The longest text of a message, in bytes of UTF-8.
    async fn text_bytes_max(&self) -> usize {
        self.limits.text_bytes_max
    }

    /// The most items of a page.
    async fn page_size_max(&self) -> usize {
        self.limits.page_size_max
    }
}
