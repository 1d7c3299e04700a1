//! Counting tokens without blocking a thread of the async runtime.

use tokio::task::spawn_blocking;

use crate::domain::TokenCount;
use crate::domain::tokens::{is_vocabulary_loaded, rule_of_thumb};

/// Texts up to this length, in bytes, are counted on the caller's thread: that takes about a millisecond, no more than
/// handing them to another thread can take.
const AT_ONCE_BYTES_MAX: usize = 4 * 1024;

/// [`TokenCount::estimate`], on a blocking thread if the text is long or the vocabulary is not loaded yet. The
/// vocabulary is large, so it is loaded only when there is a first text.
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
