//! Searching messages by their words.

use super::{Error, PageArguments, Service};
use crate::domain::{ChatId, Message, Page, PageRequest, SearchScope, SearchWords, UserId, Viewer};

impl Service {
    /// The page request for a caller's arguments of a search.
    pub fn search_page_request(&self, page: &PageArguments) -> Result<PageRequest, Error> {
        page.request(self.limits.chats_page_size, self.limits.page_size_max)
    }

    /// A page of the messages that contain every word of `query`, the newest first: in one chat, or in all chats of a
    /// user, who is the viewer if not given.
    pub async fn search_messages(
        &self,
        viewer: &Viewer,
        query: &str,
        user: Option<UserId>,
        chat: Option<ChatId>,
        request: &PageRequest,
    ) -> Result<Page<Message>, Error> {
        let words = SearchWords::parse(query).ok_or(Error::InvalidSearch)?;
        let scope = match chat {
            Some(id) => {
                let chat = self.chat(viewer, id).await?;
                // Another user's chat contains no message of the given user.
                if user.is_some_and(|user| user != chat.user_id) {
                    return Ok(Page::empty());
                }
                SearchScope::Chat(id)
            }
            None => SearchScope::User(self.acting_for(viewer, user)?),
        };
        Ok(self.store.search_messages(&scope, &words, request).await?)
    }
}
