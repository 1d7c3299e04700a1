//! Tokens: what language models count texts in, and are paid by.

use std::sync::OnceLock;

use tiktoken_rs::CoreBPE;

/// A number of tokens, and whether somebody who knows reported it or Colloquy estimated it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenCount {
    /// How many.
    pub tokens: i64,
    /// Whether this is an estimate.
    pub is_estimated: bool,
}

impl TokenCount {
    /// A figure of the bot's service, or of the client that stored the message.
    pub const fn reported(tokens: i64) -> Self {
        Self {
            tokens,
            is_estimated: false,
        }
    }

    /// The tokens of `text` in the vocabulary `o200k_base`: right for the models that use it, near for others.
    ///
    /// Linear in the text, about a microsecond a token. The first call in a process also loads the vocabulary, which
    /// takes a fraction of a second, and some 40 MiB from then on; others wait for it. Both that and a long text belong
    /// on a thread that may block.
    pub fn estimate(text: &str) -> Self {
        Self {
            tokens: pieces(text).map(|piece| vocabulary().count_ordinary(piece)).sum(),
            is_estimated: true,
        }
    }
}

/// What a reply cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Tokens that the bot was given.
    pub prompt: TokenCount,
    /// Tokens that the bot produced.
    pub completion: TokenCount,
}

/// Whether an estimate takes no longer than its text asks for.
pub fn is_vocabulary_loaded() -> bool {
    VOCABULARY.get().is_some()
}

static VOCABULARY: OnceLock<Vocabulary> = OnceLock::new();

fn vocabulary() -> &'static Vocabulary {
    VOCABULARY.get_or_init(|| Vocabulary(tiktoken_rs::o200k_base().ok()))
}

/// What a text of so many bytes has at four bytes a token, the usual rule of thumb for English: an estimate where
/// the text itself cannot be looked at.
pub fn rule_of_thumb(bytes: usize) -> TokenCount {
    TokenCount {
        tokens: i64::try_from(bytes.div_ceil(4)).unwrap_or(i64::MAX),
        is_estimated: true,
    }
}

/// The vocabulary is compiled in; were it damaged all the same, the rule of thumb would do.
struct Vocabulary(Option<CoreBPE>);

impl Vocabulary {
    fn count_ordinary(&self, text: &str) -> i64 {
        let count = match &self.0 {
            Some(vocabulary) => vocabulary.encode_ordinary(text).len(),
            None => return rule_of_thumb(text.len()).tokens,
        };
        i64::try_from(count).unwrap_or(i64::MAX)
    }
}

/// Bytes of text that are looked at together. Byte pair encoding takes more than linear time over a text without
/// blanks, so a long one is cut; each cut adds one token at most.
const PIECE_BYTES_MAX: usize = 2048;

fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (piece, rest) = text.split_at(text.floor_char_boundary(PIECE_BYTES_MAX));
        text = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_near_in_english_and_hindi_and_nothing_for_nothing() {
        assert_eq!(TokenCount::estimate("").tokens, 0);
        assert_eq!(TokenCount::estimate("Tell me about the sea").tokens, 5);
        assert!((4..12).contains(&TokenCount::estimate("मुझे समुद्र के बारे में बताओ").tokens));
    }

    #[test]
    fn a_long_text_without_blanks_costs_no_more_than_its_length() {
        let long = "a".repeat(1 << 20);
        let count = TokenCount::estimate(&long).tokens;
        assert!((1 << 16..1 << 19).contains(&count), "{count}");
        let hindi = "नमस्ते".repeat(PIECE_BYTES_MAX);
        assert_eq!(pieces(&hindi).collect::<String>(), hindi);
    }
}
