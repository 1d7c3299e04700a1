//! What a caller may ask for, in one place: each limit with its unit, its default, how far it may be raised, and its
//! reason. `docs/config.md` has the same table.

/// A limit, as operators see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitRow {
    /// What `--limit` calls it.
    pub name: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// How many there may be where nothing else is said.
    pub default: usize,
    /// How many may be allowed; one at least.
    pub most: usize,
    /// Why there is a limit.
    pub reason: &'static str,
}

/// Why a limit is not set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// There is no limit of that name.
    #[error("there is no limit {0}; there are {names}", names = Limits::names())]
    Unknown(String),
    /// It is not written as a name and a number.
    #[error("a limit is written NAME=NUMBER, such as page-size=50")]
    Malformed,
    /// It cannot be that many.
    #[error("the limit {name} is from 1 to {most} {unit}")]
    OutOfRange {
        /// Which.
        name: &'static str,
        /// The largest number.
        most: usize,
        /// What is counted.
        unit: &'static str,
    },
}

macro_rules! limits {
    ($($field:ident: $name:literal = $default:expr, at most $most:expr, $unit:literal: $reason:literal;)*) => {
        /// The bounds on what comes from outside.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $(
                #[doc = concat!("The most ", $unit, ": ", $reason, ".")]
                pub $field: usize,
            )*
            /// Whether a title, a text or a label may be empty or all blanks: it says nothing. Default no.
            pub takes_blanks: bool,
            /// Whether clients may ask for the schema. Default yes.
            pub has_introspection: bool,
            /// Whether errors name what a client may have meant, which tells it names of the schema. Default yes.
            pub has_suggestions: bool,
        }

        impl Default for Limits {
            fn default() -> Self {
                Self {
                    $($field: $default,)*
                    takes_blanks: false,
                    has_introspection: true,
                    has_suggestions: true,
                }
            }
        }

        impl Limits {
            /// Every limit that can be set.
            pub const ROWS: &'static [LimitRow] = &[$(
                LimitRow { name: $name, unit: $unit, default: $default, most: $most, reason: $reason },
            )*];

            fn field(&mut self, name: &str) -> Option<&mut usize> {
                match name {
                    $($name => Some(&mut self.$field),)*
                    _ => None,
                }
            }
        }
    };
}

limits! {
    title_chars_max: "title-chars" = 200, at most 10_000, "characters of a chat's title": "it is shown in one line";
    text_bytes_max: "text-bytes" = 32 * 1024, at most 1024 * 1024, "bytes of a message's text": "a long prompt, with room to spare";
    label_chars_max: "label-chars" = 64, at most 1_000, "characters of a status, a type or a reaction": "they are labels";
    page_size_max: "page-size" = 100, at most 1_000, "items of a page": "a screen or two";
    chats_page_size: "chats-page-size" = 20, at most 1_000, "items of a page of chats where the caller says none": "a screen";
    messages_page_size: "messages-page-size" = 50, at most 1_000, "items of a page of messages where the caller says none": "a screen";
    body_bytes_max: "body-bytes" = 256 * 1024, at most 16 * 1024 * 1024, "bytes of an HTTP body and of a WebSocket message": "the longest text, with every character escaped, and its document";
    tokens_max: "tokens" = 10_000, at most 100_000, "names, numbers, strings and punctuators of a document": "parsing takes time and memory for each";
    nesting_max: "nesting" = 64, at most 128, "brackets open at once in a document": "the parser follows them on its stack";
    fields_max: "fields" = 3_000, at most 100_000, "fields of a document once its fragments are expanded": "validation visits each";
    root_fields_max: "root-fields" = 50, at most 1_000, "fields of an operation's root": "each is a piece of work of its own";
    aliases_max: "aliases" = 200, at most 10_000, "aliases of a document once its fragments are expanded": "they ask for the same again";
    depth_max: "depth" = 16, at most 64, "fields below fields": "the introspection query of GraphiQL needs 15";
    complexity_max: "complexity" = 60_000, at most 1_000_000, "fields of an answer, each list counted as many times as its page asks for": "they are read, held and sent";
    directives_max: "directives" = 8, at most 100, "directives on one field": "each is executed";
    variables_nesting_max: "variables-nesting" = 16, at most 64, "brackets open at once in the variables": "they are walked on the stack";
    operations_per_socket_max: "operations-per-socket" = 100, at most 10_000, "operations under way on one WebSocket": "each holds a task and a piece of text";
    operations_per_minute: "operations-per-minute" = 1_200, at most 10_000_000, "operations of one user in a minute, each request and message one": "people do not ask that fast, and programs can wait";
    prompts_per_minute: "prompts-per-minute" = 60, at most 1_000_000, "prompts of one user in a minute": "each is paid for";
    requests_per_minute: "requests-per-minute" = 6_000, at most 10_000_000, "requests and messages from one address in a minute, of IPv6 from one /64": "a school or an office has one address";
    replies_per_viewer: "replies-per-user" = 20, at most 100_000, "replies of one user under way on one server": "each is paid for, and holds a place in the chat";
    tokens_per_day: "tokens-per-day" = Limits::NO_QUOTA, at most Limits::NO_QUOTA, "tokens of one user in a day by UTC, prompts and answers; what is under way when they are used up goes on": "none, unless it is set";
    streams_per_viewer: "streams-per-user" = 100, at most 1_000_000, "streams of one user on one server": "a few devices with many tabs";
    streams_per_address: "streams-per-address" = 1_000, at most 1_000_000, "streams from one address on one server": "a school or an office has one address";
    streams_max: "streams" = 20_000, at most 1_000_000, "WebSockets, event streams and multipart answers open at once": "each holds a connection and some 20 KiB";
}

impl Limits {
    /// As many tokens as nobody uses in a day: no quota.
    pub const NO_QUOTA: usize = 1_000_000_000_000;

    /// Sets a limit as `--limit` writes it: `NAME=NUMBER`.
    pub fn set(&mut self, setting: &str) -> Result<(), LimitError> {
        let (name, number) = setting.split_once('=').ok_or(LimitError::Malformed)?;
        let row = Self::ROWS.iter().find(|row| row.name == name);
        let row = row.ok_or_else(|| LimitError::Unknown(name.to_owned()))?;
        let number: usize = number.parse().map_err(|_| LimitError::Malformed)?;
        if !(1..=row.most).contains(&number) {
            return Err(LimitError::OutOfRange {
                name: row.name,
                most: row.most,
                unit: row.unit,
            });
        }
        if let Some(field) = self.field(name) {
            *field = number;
        }
        Ok(())
    }

    fn names() -> String {
        Self::ROWS
            .iter()
            .map(|row| row.name)
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The bounds of the documented REST API and socket: those systems had none, so a text of a megabyte still fits,
    /// and anything may be blank. Everything else stays as it is.
    pub fn documented(&self) -> Self {
        Self {
            title_chars_max: DOCUMENTED_TEXT_BYTES_MAX,
            takes_blanks: true,
            text_bytes_max: DOCUMENTED_TEXT_BYTES_MAX,
            label_chars_max: DOCUMENTED_TEXT_BYTES_MAX,
            body_bytes_max: DOCUMENTED_BODY_BYTES_MAX,
            page_size_max: DOCUMENTED_PAGE_SIZE_MAX,
            chats_page_size: DOCUMENTED_CHATS_PAGE_SIZE,
            messages_page_size: DOCUMENTED_MESSAGES_PAGE_SIZE,
            ..self.clone()
        }
    }
}

/// Bytes of a title, a text or a label on the documented faces.
const DOCUMENTED_TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a body or frame on the documented faces: such a text with every character escaped.
const DOCUMENTED_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Items of a page that documented clients may ask for.
const DOCUMENTED_PAGE_SIZE_MAX: usize = 100;
/// Items of a page of chats where they say none.
const DOCUMENTED_CHATS_PAGE_SIZE: usize = 20;
/// Items of a page of messages where they say none.
const DOCUMENTED_MESSAGES_PAGE_SIZE: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_can_be_set_within_its_range() {
        for row in Limits::ROWS {
            assert!(row.default <= row.most, "{row:?}");
            let mut limits = Limits::default();
            assert_eq!(limits.set(&format!("{}={}", row.name, row.most)), Ok(()));
            assert_eq!(limits.field(row.name), Some(&mut { row.most }), "{row:?}");
            for wrong in [0, row.most + 1] {
                let error = limits.set(&format!("{}={wrong}", row.name)).unwrap_err();
                assert!(matches!(error, LimitError::OutOfRange { .. }), "{row:?}");
            }
        }
        let mut limits = Limits::default();
        for malformed in ["depth", "depth=", "depth=x", "depth=-1"] {
            assert_eq!(limits.set(malformed), Err(LimitError::Malformed), "{malformed}");
        }
        let unknown = limits.set("height=3").unwrap_err().to_string();
        assert!(
            unknown.contains("height") && unknown.contains("depth"),
            "{unknown}"
        );
        assert_eq!(limits, Limits::default());
    }
}
