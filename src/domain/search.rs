//! Searching messages by their words.

use unicode_segmentation::UnicodeSegmentation;

use super::{ChatId, UserId};

/// The words that a message must hold, all of them, in any order and place; upper and lower case are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchWords(Vec<String>);

impl SearchWords {
    /// The longest query, in characters.
    pub const QUERY_CHARS_MAX: usize = 256;
    /// The most words of a query.
    pub const WORDS_MAX: usize = 16;

    /// The words of a query, cut as Unicode says (UAX #29) so that a Hindi word keeps its signs; `None` if there is
    /// no word in it, or it is longer than the bounds.
    pub fn parse(query: &str) -> Option<Self> {
        if query.chars().nth(Self::QUERY_CHARS_MAX).is_some() {
            return None;
        }
        let words: Vec<_> = query.unicode_words().map(str::to_owned).collect();
        (1..=Self::WORDS_MAX)
            .contains(&words.len())
            .then_some(Self(words))
    }

    /// The words: at least one, none of them empty or with a quotation mark in it.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

/// Where to search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchScope {
    /// In all chats of a user.
    User(UserId),
    /// In one chat.
    Chat(ChatId),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_cut_into_words_that_keep_their_signs() {
        let words = |query| SearchWords::parse(query).map(|words| words.0);
        assert_eq!(
            words("नमस्ते, \"दुनिया\"! sea"),
            Some(vec!["नमस्ते".into(), "दुनिया".into(), "sea".into()])
        );
        for bad in ["", " \t", "🙂 … \"", &"a ".repeat(17), &"a".repeat(257)] {
            assert_eq!(words(bad), None, "{bad}");
        }
    }
}
