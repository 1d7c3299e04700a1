//! Searches and figures.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use async_trait::async_trait;

use super::messages::place;
use super::{MemoryStore, State, page};
use crate::domain::{
    Author, Message, Page, PageRequest, ReplyState, SearchScope, SearchWords, Timestamp, TokenCount,
    UsageRow, UserId,
};
use crate::store::{SearchStore, StoreError, UsageStore};

/// The milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

impl State {
    fn is_in_scope(&self, message: &Message, scope: &SearchScope) -> bool {
        match scope {
            SearchScope::Chat(chat) => message.chat_id == *chat,
            SearchScope::User(user) => self.is_of_user(message, user),
        }
    }

    fn is_of_user(&self, message: &Message, user: &UserId) -> bool {
        let chat = self.chats.get(&message.chat_id);
        chat.is_some_and(|chat| chat.user_id == *user)
    }

    fn usage(&self, user: &UserId, from: Timestamp, to: Timestamp) -> Vec<UsageRow> {
        let mut rows = BTreeMap::new();
        let is_counted = |message: &&Message| {
            let counts = match &message.reply {
                Some(reply) => reply.state != ReplyState::Streaming,
                None => message.token_count.is_some(),
            };
            counts && (from..to).contains(&message.created_at) && self.is_of_user(message, user)
        };
        for message in self.messages.values().filter(is_counted) {
            let reply = message.reply.as_ref();
            let day = message.created_at.millis().div_euclid(DAY_MS) * DAY_MS;
            let model = reply.and_then(|reply| reply.model.clone());
            let prompt = reply.and_then(|reply| reply.usage).map(|usage| usage.prompt);
            let counts = [message.token_count, prompt];
            let is_estimated = counts.into_iter().flatten().any(|count| count.is_estimated);
            let key = (day, message.author.is_bot(), model.clone(), is_estimated);
            let row = rows.entry(key).or_insert_with(|| UsageRow {
                day: Timestamp::from_millis(day),
                author: message.author,
                model,
                message_count: 0,
                prompt_tokens: 0,
                tokens: TokenCount {
                    tokens: 0,
                    is_estimated,
                },
            });
            let add = |sum: i64, count: Option<TokenCount>| {
                sum.saturating_add(count.map_or(0, |count| count.tokens))
            };
            row.message_count += 1;
            row.prompt_tokens = add(
                row.prompt_tokens,
                prompt.filter(|_| message.author == Author::Bot),
            );
            row.tokens.tokens = add(row.tokens.tokens, message.token_count);
        }
        rows.into_values().collect()
    }
}

/// The words of a text, in lower case.
fn words(text: &str) -> impl Iterator<Item = String> {
    let is_in_word = |char: char| {
        let is_sign = !char.is_ascii() && !char.is_whitespace() && !char.is_control();
        char == '_' || char.is_alphanumeric() || (is_sign && !('\u{2000}'..='\u{206f}').contains(&char))
    };
    text.split(move |char| !is_in_word(char)).map(str::to_lowercase)
}

#[async_trait]
impl SearchStore for MemoryStore {
    async fn search_messages(
        &self,
        scope: &SearchScope,
        wanted: &SearchWords,
        request: &PageRequest,
    ) -> Result<Page<Message>, StoreError> {
        let state = self.state();
        let has_all = |message: &&Message| {
            let held: Vec<_> = words(&message.text).collect();
            let mut wanted = wanted.as_slice().iter();
            wanted.all(|word| held.contains(&word.to_lowercase()))
        };
        let in_scope = state
            .messages
            .values()
            .filter(|message| state.is_in_scope(message, scope));
        let mut found: Vec<_> = in_scope.filter(has_all).cloned().collect();
        found.sort_by_key(|message| Reverse(place(message)));
        Ok(page(found, request, true, place))
    }
}

#[async_trait]
impl UsageStore for MemoryStore {
    async fn usage(
        &self,
        user: &UserId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<UsageRow>, StoreError> {
        Ok(self.state().usage(user, from, to))
    }
}
