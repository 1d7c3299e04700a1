//! Searches and figures.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use async_trait::async_trait;
use unicode_segmentation::UnicodeSegmentation;

use super::{MemoryStore, State, page};
use crate::domain::{
    Message, Page, PageRequest, SearchScope, SearchWords, Timestamp, TokenCount, UsageRow, UserId,
};
use crate::store::dates::day_of;
use crate::store::{SearchStore, StoreError, UsageStore};

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
        let days = day_of(from)..to;
        let bills = self.bills.values().filter(|bill| bill.user == *user);
        for bill in bills.filter(|bill| days.contains(&day_of(bill.at))) {
            let (day, usage) = (day_of(bill.at), bill.usage);
            let is_estimated = usage.prompt.is_estimated || usage.completion.is_estimated;
            let key = (day, bill.model.clone(), is_estimated);
            let row = rows.entry(key).or_insert_with(|| UsageRow {
                day,
                model: bill.model.clone(),
                reply_count: 0,
                prompt_tokens: 0,
                tokens: TokenCount {
                    tokens: 0,
                    is_estimated,
                },
            });
            let add = |sum: i64, count: TokenCount| sum.saturating_add(count.tokens.max(0));
            row.reply_count += 1;
            row.prompt_tokens = add(row.prompt_tokens, usage.prompt);
            row.tokens.tokens = add(row.tokens.tokens, usage.completion);
        }
        rows.into_values().collect()
    }
}

/// Letters that count as one, whatever accent they have: those of Latin-1, which is enough for trials.
const ACCENTED: [(&str, char); 8] = [
    ("àáâãäå", 'a'),
    ("ç", 'c'),
    ("èéêë", 'e'),
    ("ìíîï", 'i'),
    ("ñ", 'n'),
    ("òóôõö", 'o'),
    ("ùúûü", 'u'),
    ("ýÿ", 'y'),
];

/// The words of a text, in lower case and without accents. A mark belongs to the letter before it.
fn words(text: &str) -> Vec<String> {
    let is_in_word = |sign: &str| sign.starts_with(|first: char| first == '_' || first.is_alphanumeric());
    let mut words = vec![String::new()];
    for sign in text.graphemes(true) {
        match words.last_mut().filter(|_| is_in_word(sign)) {
            Some(word) => word.extend(sign.chars().flat_map(char::to_lowercase).map(without_accent)),
            None => words.push(String::new()),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn without_accent(char: char) -> char {
    let plain = ACCENTED.iter().find(|(accented, _)| accented.contains(char));
    plain.map_or(char, |(_, plain)| *plain)
}

#[async_trait]
impl SearchStore for MemoryStore {
    async fn search_messages(
        &self,
        scope: &SearchScope,
        words_wanted: &SearchWords,
        request: &PageRequest,
    ) -> Result<Page<Message>, StoreError> {
        let state = self.state();
        // What is one word to Unicode may be several here, one after the other: `don't`.
        let wanted: Vec<_> = words_wanted.as_slice().iter().map(|word| words(word)).collect();
        let has_all = |message: &&Message| {
            let held = words(&message.text);
            let has = |word: &Vec<String>| held.windows(word.len().max(1)).any(|words| words == word);
            wanted.iter().all(has)
        };
        let in_scope = state
            .messages
            .values()
            .filter(|message| state.is_in_scope(message, scope));
        let mut found: Vec<_> = in_scope.filter(has_all).cloned().collect();
        found.sort_by_key(|message| Reverse(message.position()));
        Ok(page(found, request, true, Message::position))
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
