//! What a client sends.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The time zone of an upload that names none.
pub const TIME_ZONE_DEFAULT: &str = "UTC";
/// The language of an upload that names none.
pub const LANGUAGE_DEFAULT: &str = "en";

/// The most bytes of JSON of what is echoed without being looked at.
const ECHO_BYTES_MAX: usize = 4 * 1024;

/// A frame from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFrame {
    /// A user's message, to be answered.
    Upload(Upload),
    /// A wish that the replies stop, with the JSON value to echo.
    Stop {
        /// What to echo, as JSON.
        message: String,
    },
    /// A frame of no kind that is known: it is ignored.
    Unknown,
}

/// A user's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// What the user says.
    pub message: String,
    /// Whoever the client says the user is, as JSON: echoed and not looked at.
    pub user_id: String,
    /// An IANA time zone, if it is one.
    pub timezone: String,
    /// A BCP 47 tag, if it is one.
    pub selected_language: String,
    /// The sender's name for the message, so that sending it again neither stores nor answers it twice. Ours.
    pub client_message_id: Option<String>,
    /// Whether the client is one that takes the bot's confirmation for a second reply: it names `useWebSearch`.
    pub is_unconfirmed: bool,
}

/// Why a frame cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is no JSON, or not even text.
    #[error("the frame is no JSON")]
    NotJson,
    /// It is JSON, but no object, or a field is of another type than documented.
    #[error("the frame is no object of the documented shape")]
    Unprocessable,
}

impl ClientFrame {
    /// Reads a frame. Linear in its size; fields that nobody knows are skipped, and of one that comes twice the last
    /// counts.
    pub fn decode(frame: &[u8]) -> Result<Self, DecodeError> {
        let text = std::str::from_utf8(frame).map_err(|_| DecodeError::NotJson)?;
        let fields = match read(text, FieldsVisitor) {
            Ok(fields) => fields,
            Err(_) if serde_json::from_str::<IgnoredAny>(text).is_ok() => {
                return Err(DecodeError::Unprocessable);
            }
            Err(_) => return Err(DecodeError::NotJson),
        };
        match fields.mt.and_then(string).as_deref() {
            Some("message_upload") => fields.upload().map(Self::Upload),
            Some("stop") => Ok(Self::Stop {
                message: echo(fields.message)?,
            }),
            _ => Ok(Self::Unknown),
        }
    }
}

/// The fields that count, as they came.
#[derive(Default)]
struct Fields<'a> {
    mt: Option<&'a RawValue>,
    message: Option<&'a RawValue>,
    user_id: Option<&'a RawValue>,
    timezone: Option<&'a RawValue>,
    selected_language: Option<&'a RawValue>,
    client_message_id: Option<&'a RawValue>,
    has_use_web_search: bool,
}

impl Fields<'_> {
    fn upload(self) -> Result<Upload, DecodeError> {
        let message = match self.message {
            Some(message) => string(message).ok_or(DecodeError::Unprocessable)?,
            None => String::new(),
        };
        let client_message_id = match self.client_message_id {
            // A client that has no name for it may say so.
            Some(id) if id.get() == "null" => None,
            Some(id) => Some(string(id).ok_or(DecodeError::Unprocessable)?),
            None => None,
        };
        let or_default = |field: Option<&RawValue>, default: &str| {
            let told = field.and_then(string).filter(|text| text.len() <= ECHO_BYTES_MAX);
            told.unwrap_or_else(|| default.to_owned())
        };
        Ok(Upload {
            message,
            user_id: echo(self.user_id)?,
            timezone: or_default(self.timezone, TIME_ZONE_DEFAULT),
            selected_language: or_default(self.selected_language, LANGUAGE_DEFAULT),
            client_message_id,
            is_unconfirmed: self.has_use_web_search,
        })
    }
}

/// The characters of a JSON string; `None` for another value, and for one that is not Unicode.
fn string(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// The JSON to echo: as it came, and an empty string for what did not come.
fn echo(value: Option<&RawValue>) -> Result<String, DecodeError> {
    match value.map(RawValue::get) {
        Some(value) if value.len() > ECHO_BYTES_MAX => Err(DecodeError::Unprocessable),
        Some(value) => Ok(value.to_owned()),
        None => Ok("\"\"".to_owned()),
    }
}

fn read<'a, V: Visitor<'a>>(text: &'a str, visitor: V) -> Result<V::Value, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = json.deserialize_map(visitor)?;
    json.end()?;
    Ok(value)
}

/// Reads an object field by field: what is not known is never kept, however much of it there is.
struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut fields = Fields::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "mt" => fields.mt = Some(map.next_value()?),
                "message" => fields.message = Some(map.next_value()?),
                "userId" => fields.user_id = Some(map.next_value()?),
                "timezone" => fields.timezone = Some(map.next_value()?),
                "selectedLanguage" => fields.selected_language = Some(map.next_value()?),
                "clientMessageId" => fields.client_message_id = Some(map.next_value()?),
                "useWebSearch" => {
                    fields.has_use_web_search = true;
                    map.next_value::<IgnoredAny>()?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(fields)
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
