//! Where and in which language a user is, as standards name it.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use oxilangtag::LanguageTag as BcpTag;

use super::{Language, Timestamp};

/// A well-formed BCP 47 language tag of at most [`LanguageTag::LENGTH_MAX`] characters, in its canonical case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LanguageTag(BcpTag<String>);

impl LanguageTag {
    /// The most characters of a tag: longer than any registered one.
    pub const LENGTH_MAX: usize = 64;

    /// The tag, or `None` if it is not well-formed or too long.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > Self::LENGTH_MAX {
            return None;
        }
        BcpTag::parse_and_normalize(text).ok().map(Self)
    }

    /// The tag's characters.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The language of fixed texts that the tag asks for; `None` for one that has none.
    pub fn language(&self) -> Option<Language> {
        Language::from_tag(self.as_str())
    }
}

/// A time zone of the IANA database, such as `Asia/Kolkata`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeZone(Tz);

impl TimeZone {
    /// The zone of that name; upper and lower case are the same.
    pub fn parse(name: &str) -> Option<Self> {
        Tz::from_str_insensitive(name).ok().map(Self)
    }

    /// The zone's name.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// What a clock on the wall shows there, to the minute: `Saturday, 2026-01-31 14:15`.
    pub fn wall_clock(&self, now: Timestamp) -> String {
        let time = DateTime::<Utc>::from_timestamp_millis(now.millis()).unwrap_or_default();
        time.with_timezone(&self.0)
            .format("%A, %Y-%m-%d %H:%M")
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_any_well_formed_one_in_canonical_case() {
        assert_eq!(LanguageTag::parse("HI-in").unwrap().as_str(), "hi-IN");
        assert_eq!(LanguageTag::parse("pt-BR").unwrap().language(), None);
        assert_eq!(
            LanguageTag::parse("hi").unwrap().language(),
            Some(Language::Hindi)
        );
        for bad in ["", "english please", "e", "hi_IN", &"a-".repeat(40)] {
            assert_eq!(LanguageTag::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_zone_tells_the_time_on_its_walls() {
        let time = Timestamp::parse_rfc3339("2026-01-31T08:45:51.120Z").unwrap();
        let zone = TimeZone::parse("asia/kolkata").unwrap();
        assert_eq!(zone.wall_clock(time), "Saturday, 2026-01-31 14:15");
        assert_eq!(TimeZone::parse("Mars/Olympus"), None);
    }
}
