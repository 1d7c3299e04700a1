//! Counting tokens without holding up a thread that others wait for.

use tokio::task::spawn_blocking;

use crate::domain::TokenCount;
use crate::domain::tokens::{is_vocabulary_loaded, rule_of_thumb};

/// Texts up to here, in bytes, are counted where they are: that takes about a millisecond, no more than the way to
/// another thread may.
const AT_ONCE_BYTES_MAX: usize = 4 * 1024;

/// [`TokenCount::estimate`], on a thread that may block where the text is long or the vocabulary not loaded yet. It is
/// loaded for the first text, for it is large, and a server that nobody writes to does without.
pub async fn count_tokens(text: &str) -> TokenCount {
    if text.is_empty() || (text.len() <= AT_ONCE_BYTES_MAX && is_vocabulary_loaded()) {
        return TokenCount::estimate(text);
    }
    let owned = text.to_owned();
    let counted = spawn_blocking(move || TokenCount::estimate(&owned)).await;
    counted.unwrap_or_else(|_| rule_of_thumb(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_counts_what_the_estimate_counts_wherever_that_is() {
        for text in [
            String::new(),
            "Tell me about the sea. ".repeat(3),
            "नमस्ते ".repeat(AT_ONCE_BYTES_MAX),
        ] {
            assert_eq!(count_tokens(&text).await, TokenCount::estimate(&text));
        }
    }
}
