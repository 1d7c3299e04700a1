//! The upstream's own words, made fit for the log. Nobody else sees them.

use secrecy::ExposeSecret;

use crate::config::ApiKey;

/// The most bytes of them that are logged.
const LOGGED_BYTES_MAX: usize = 200;
/// Words from this length on that mix letters and digits may be keys.
const KEY_CHARS_MIN: usize = 20;
const MASK: &str = "[masked]";

/// Those words, with keys masked and cut short.
pub fn for_log(words: &str, key: Option<&ApiKey>) -> String {
    let words = match key {
        Some(key) => words.replace(key.secret().expose_secret(), MASK),
        None => words.to_owned(),
    };
    let mut masked = String::new();
    for part in words.split_inclusive(|letter: char| !is_of_key(letter)) {
        let word = part.trim_end_matches(|letter| !is_of_key(letter));
        if looks_like_key(word) {
            masked.push_str(MASK);
            masked.push_str(part.get(word.len()..).unwrap_or(""));
        } else {
            masked.push_str(part);
        }
    }
    let masked = masked.replace(char::is_control, " ");
    let end = masked.floor_char_boundary(LOGGED_BYTES_MAX);
    masked.get(..end).unwrap_or(&masked).to_owned()
}

// A star, because services repeat a key with stars in its middle.
fn is_of_key(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-_*.".contains(letter)
}

fn looks_like_key(word: &str) -> bool {
    let is_mixed = word.contains(|letter: char| letter.is_ascii_digit())
        && word.contains(|letter: char| letter.is_ascii_alphabetic());
    word.starts_with("sk-") || (word.len() >= KEY_CHARS_MIN && is_mixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_masked_and_the_rest_is_cut_to_one_line() {
        let key = ApiKey::parse("my+own/key").unwrap();
        for (words, logged) in [
            ("the key my+own/key is wrong", "the key [masked] is wrong"),
            (
                "Incorrect API key provided: sk-ab*****yz. See",
                "Incorrect API key provided: [masked] See",
            ),
            ("\"gsk_0123456789abcdefghij\"", "\"[masked]\""),
            (
                "one\nline \u{1b}[31m, internationalization",
                "one line  [31m, internationalization",
            ),
        ] {
            assert_eq!(for_log(words, Some(&key)), logged);
        }
        assert!(for_log(&"हिन्दी ".repeat(100), None).len() <= LOGGED_BYTES_MAX);
    }
}
