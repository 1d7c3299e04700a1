//! Reading one field of a stored document: what is missing, null or of another type is `None`, and never an error.

use mongodb::bson::raw::RawBsonRef;
use mongodb::bson::{Bson, DateTime, RawDocument, oid};

use crate::domain::{ObjectId, Timestamp, UserId};

/// As many fields as documents of chats and messages have, or a few more.
const FIELDS_USUAL: usize = 16;

/// A document whose fields are read by name and type. Its bytes are walked once, not once for each field.
pub(super) struct Fields<'a>(Vec<(&'a str, RawBsonRef<'a>)>);

impl<'a> Fields<'a> {
    /// The fields of a document whose bytes can be read.
    pub(super) fn of(document: &'a RawDocument) -> Self {
        let elements = document.iter_elements().map_while(Result::ok);
        let mut fields = Vec::with_capacity(FIELDS_USUAL);
        fields.extend(elements.filter_map(|element| Some((element.key().as_str(), element.value().ok()?))));
        Self(fields)
    }

    /// The first value of that name.
    fn value(&self, name: &str) -> Option<RawBsonRef<'a>> {
        self.0
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    }

    /// Whether there is anything but null.
    pub(super) fn is_there(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value != RawBsonRef::Null)
    }

    /// A string.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        match self.value(name)? {
            RawBsonRef::String(text) => Some(text),
            _ => None,
        }
    }

    /// A truth value.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        match self.value(name)? {
            RawBsonRef::Boolean(flag) => Some(flag),
            _ => None,
        }
    }

    /// A whole number of any numeric type.
    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        match self.value(name)? {
            RawBsonRef::Int32(number) => Some(number.into()),
            RawBsonRef::Int64(number) => Some(number),
            RawBsonRef::Double(number) => whole(number),
            _ => None,
        }
    }

    /// A sum of whole numbers. The server makes one past what an integer holds a double; then the nearest integer.
    pub(super) fn sum(&self, name: &str) -> Option<i64> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "what is past an integer becomes the nearest"
        )]
        match self.value(name)? {
            RawBsonRef::Double(number) => Some(number as i64),
            _ => self.integer(name),
        }
    }

    /// A whole number, or a string of nothing but its digits, as late documented systems stored it.
    pub(super) fn integer_or_digits(&self, name: &str) -> Option<i64> {
        self.integer(name).or_else(|| {
            let text = self.text(name)?;
            text.bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| text.parse().ok())?
        })
    }

    /// A date.
    pub(super) fn date(&self, name: &str) -> Option<Timestamp> {
        match self.value(name)? {
            RawBsonRef::DateTime(date) => Some(Timestamp::from_millis(date.timestamp_millis())),
            _ => None,
        }
    }

    /// An id.
    pub(super) fn id(&self, name: &str) -> Option<ObjectId> {
        match self.value(name)? {
            RawBsonRef::ObjectId(id) => Some(ObjectId::from_bytes(id.bytes())),
            _ => None,
        }
    }

    /// An id, or a string of its digits.
    pub(super) fn id_or_digits(&self, name: &str) -> Option<ObjectId> {
        self.id(name).or_else(|| ObjectId::parse(self.text(name)?).ok())
    }

    /// A user's id.
    pub(super) fn user_id(&self, name: &str) -> Option<UserId> {
        let text = || {
            self.text(name)
                .filter(|text| (1..=UserId::TEXT_BYTES_MAX).contains(&text.len()))
        };
        self.integer(name)
            .map(UserId::Int)
            .or_else(|| text().map(|text| UserId::Text(text.to_owned())))
    }

    /// The documents in a list.
    pub(super) fn documents(&self, name: &str) -> Vec<Fields<'a>> {
        let Some(RawBsonRef::Array(list)) = self.value(name) else {
            return Vec::new();
        };
        let documents = list.into_iter().filter_map(|item| match item.ok()? {
            RawBsonRef::Document(document) => Some(Self::of(document)),
            _ => None,
        });
        documents.collect()
    }

    /// A document within the document.
    pub(super) fn nested(&self, name: &str) -> Option<Fields<'a>> {
        match self.value(name)? {
            RawBsonRef::Document(document) => Some(Self::of(document)),
            _ => None,
        }
    }
}

/// A field as it is stored, of whatever type.
pub(super) fn stored_value(document: &RawDocument, name: &str) -> Option<Bson> {
    let value = document.get(name).ok().flatten()?;
    Bson::try_from(value).ok()
}

/// The whole number that a double holds exactly.
fn whole(number: f64) -> Option<i64> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and within 2^53")]
    (number.fract() == 0.0 && number.abs() <= EXACT_MAX).then_some(number as i64)
}

/// The moment in an id's first four bytes, which every driver mints an id from.
pub(super) fn minted_at(id: ObjectId) -> Timestamp {
    id.minted_at()
}

/// An id as it is stored.
pub(super) fn stored_id(id: ObjectId) -> oid::ObjectId {
    oid::ObjectId::from_bytes(id.bytes())
}

/// A moment as it is stored.
pub(super) fn stored_date(time: Timestamp) -> DateTime {
    DateTime::from_millis(time.millis())
}

/// A number as it is stored: in four bytes if it fits.
pub(super) fn stored_integer(number: i64) -> Bson {
    i32::try_from(number).map_or(Bson::Int64(number), Bson::Int32)
}

/// A user's id as it is stored.
pub(super) fn stored_user_id(user: &UserId) -> Bson {
    match user {
        UserId::Int(id) => stored_integer(*id),
        UserId::Text(id) => Bson::String(id.clone()),
    }
}
