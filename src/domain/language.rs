//! The language of a conversation.

/// A language that the offline bot speaks, and in which fixed texts exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    English,
    /// Hindi.
    Hindi,
}

impl Language {
    /// The language of a BCP 47 tag (`hi`, `hi-IN`, `en-GB`); `None` for one that has no fixed texts.
    pub fn from_tag(tag: &str) -> Option<Self> {
        match tag.split('-').next().map(str::to_ascii_lowercase).as_deref() {
            Some("en") => Some(Self::English),
            Some("hi") => Some(Self::Hindi),
            _ => None,
        }
    }

    /// The language that a text is written in: Hindi if it has more Devanagari letters than Latin ones, English if
    /// it has more Latin ones, `None` if neither prevails.
    pub fn of_text(text: &str) -> Option<Self> {
        let devanagari = text
            .chars()
            .filter(|letter| ('\u{900}'..='\u{97f}').contains(letter))
            .count();
        let latin = text.chars().filter(char::is_ascii_alphabetic).count();
        match devanagari.cmp(&latin) {
            std::cmp::Ordering::Greater => Some(Self::Hindi),
            std::cmp::Ordering::Less => Some(Self::English),
            std::cmp::Ordering::Equal => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_by_its_first_part_and_a_text_by_its_letters() {
        assert_eq!(Language::from_tag("HI-in"), Some(Language::Hindi));
        assert_eq!(Language::from_tag("fr"), None);
        assert_eq!(Language::of_text("नमस्ते bot"), Some(Language::Hindi));
        assert_eq!(Language::of_text("hello"), Some(Language::English));
        assert_eq!(Language::of_text("123 🙂"), None);
    }
}
