//! What may be in each field, and what it is read as. `document.rs` reads so; a test below holds the two together.

use mongodb::bson::{Bson, Document, doc};

use crate::domain::UserId;
use crate::store::inspection::{Addition, Reading};

/// A field that is not there.
pub(super) const MISSING: &str = "missing";
const INTEGRAL: &str = "whole double";
const DIGITS: &str = "string of digits";
const HEX: &str = "string of an id";
const USER: &str = "string of 1 to 255 bytes";

/// The greatest number up to which a double holds every whole number.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// A field of a document.
pub(super) struct Field {
    /// Its name.
    pub(super) name: &'static str,
    /// What of its value matters besides the type.
    detail: Detail,
    /// What each kind of value is read as.
    readings: &'static [(&'static str, Reading)],
    /// What all other kinds are read as.
    otherwise: Reading,
}

#[derive(Clone, Copy)]
enum Detail {
    None,
    UserId,
    Id,
    Integer,
}

use Reading::{Default, Documented, LeftOut, Understood, Unread};

const MINTED: Reading = Default("the moment inside its _id");
const NULL: Reading = Default("null");
const EMPTY: Reading = Default(r#""""#);
const FALSE: Reading = Default("false");

const fn plain(name: &'static str, kinds: &'static [(&'static str, Reading)], otherwise: Reading) -> Field {
    detailed(name, Detail::None, kinds, otherwise)
}

const fn detailed(
    name: &'static str,
    detail: Detail,
    readings: &'static [(&'static str, Reading)],
    otherwise: Reading,
) -> Field {
    Field {
        name,
        detail,
        readings,
        otherwise,
    }
}

const ID: Field = plain("_id", &[("objectId", Documented)], LeftOut);
const ID_OR_NULL: &[(&str, Reading)] = &[
    ("objectId", Documented),
    ("null", Documented),
    (MISSING, Documented),
];
const TRAINING: Field = plain("training_doc_id", ID_OR_NULL, Unread);
const DATE: &[(&str, Reading)] = &[("date", Documented)];
const TEXT: &[(&str, Reading)] = &[("string", Documented)];
const FLAG: &[(&str, Reading)] = &[("bool", Documented)];
const USER_ID: &[(&str, Reading)] = &[
    ("int", Documented),
    ("long", Documented),
    (USER, Documented),
    (INTEGRAL, Understood),
];
const DOCUMENT_ID: &[(&str, Reading)] = &[("objectId", Documented), ("null", Documented), (HEX, Understood)];
const TOKEN: &[(&str, Reading)] = &[
    ("int", Documented),
    ("long", Documented),
    ("null", Documented),
    (DIGITS, Documented),
    (INTEGRAL, Understood),
];
const TEXT_OR_NULL: &[(&str, Reading)] = &[("string", Documented), ("null", Documented)];
const CITATION: &[(&str, Reading)] = &[
    ("string", Documented),
    ("null", Documented),
    (MISSING, Documented),
];

/// The fields of `chats`.
pub(super) const OF_CHATS: &[Field] = &[
    ID,
    detailed("user_id", Detail::UserId, USER_ID, LeftOut),
    detailed("document_id", Detail::Id, DOCUMENT_ID, NULL),
    TRAINING,
    plain("title", TEXT, EMPTY),
    plain("status", TEXT, Default(r#""active""#)),
    plain("created_at", DATE, MINTED),
    plain("updated_at", DATE, MINTED),
    plain(
        "moments",
        &[(MISSING, Documented), ("object", Documented)],
        Unread,
    ),
    plain("counts", &[(MISSING, Documented), ("object", Documented)], Unread),
];

/// The fields of `chat_messages`, those that Colloquy adds included.
pub(super) const OF_MESSAGES: &[Field] = &[
    ID,
    plain("chat_id", &[("objectId", Documented)], LeftOut),
    plain("message", TEXT, EMPTY),
    plain("is_bot", FLAG, FALSE),
    plain("reaction", TEXT_OR_NULL, NULL),
    detailed("token", Detail::Integer, TOKEN, NULL),
    plain("type", TEXT, Default(r#""text""#)),
    plain("is_edited", FLAG, FALSE),
    TRAINING,
    plain("citation", CITATION, NULL),
    plain("created_ts", DATE, MINTED),
    plain("updated_ts", DATE, MINTED),
    plain(
        "client_key",
        &[(MISSING, Documented), ("string", Documented)],
        Unread,
    ),
    plain(
        "reply_id",
        &[(MISSING, Documented), ("objectId", Documented)],
        Unread,
    ),
    plain("reply", &[(MISSING, Documented), ("object", Documented)], Unread),
    plain(
        "token_is_estimated",
        &[(MISSING, Documented), ("bool", Documented)],
        Unread,
    ),
];

/// What Colloquy writes into `chats` beyond the documented fields.
pub(super) const ADDITIONS_TO_CHATS: &[Addition] = &[
    Addition {
        name: "moments",
        meaning: "the latest moment that a message was given, so that the next one gets a later one",
    },
    Addition {
        name: "counts",
        meaning: "of a long chat: what its messages up to a moment come to, so that they are counted once",
    },
];

/// What Colloquy writes into `chat_messages` beyond the documented fields.
pub(super) const ADDITIONS_TO_MESSAGES: &[Addition] = &[
    Addition {
        name: "client_key",
        meaning: "the key under which a client may send a message again without doubling it",
    },
    Addition {
        name: "reply_id",
        meaning: "of a user's message: the bot's message that answers it",
    },
    Addition {
        name: "reply",
        meaning: "of a bot's message: how far it is or how it ended, its model, cost and timings",
    },
    Addition {
        name: "token_is_estimated",
        meaning: "whether `token` was counted here rather than reported",
    },
];

impl Field {
    /// What a kind of value is read as.
    pub(super) fn reading(&self, kind: &str) -> Reading {
        let found = self.readings.iter().find(|(known, _)| *known == kind);
        found.map_or(self.otherwise, |(_, reading)| *reading)
    }

    /// An expression for the kind of the field's value. It fails for no value.
    pub(super) fn kind(&self) -> Bson {
        let field = format!("${}", self.name);
        let of_type = doc! { "$type": &field };
        let is = |name: &str| doc! { "$eq": [of_type.clone(), name] };
        let branches = match self.detail {
            Detail::None => return of_type.into(),
            Detail::UserId => {
                let bytes = doc! { "$strLenBytes": &field };
                let max = i64::try_from(UserId::TEXT_BYTES_MAX).unwrap_or(i64::MAX);
                let is_user = doc! { "$and": [{ "$gte": [bytes.clone(), 1] }, { "$lte": [bytes, max] }] };
                vec![
                    branch(is("string"), either(is_user, USER, "string")),
                    branch(is("double"), either(is_whole(&field), INTEGRAL, "double")),
                ]
            }
            Detail::Id => vec![branch(
                is("string"),
                either(converts(&field, "objectId"), HEX, "string"),
            )],
            Detail::Integer => {
                // Behind the conversion, which lets nothing pass whose first byte is half a letter.
                let is_signed = doc! { "$in": [{ "$substrBytes": [&field, 0, 1] }, ["-", "+"]] };
                let is_digits = doc! { "$cond": [converts(&field, "long"), { "$not": [is_signed] }, false] };
                vec![
                    branch(is("string"), either(is_digits, DIGITS, "string")),
                    branch(is("double"), either(is_whole(&field), INTEGRAL, "double")),
                ]
            }
        };
        doc! { "$switch": { "branches": branches, "default": of_type } }.into()
    }
}

fn branch(case: Document, then: Document) -> Document {
    doc! { "case": case, "then": then }
}

fn either(condition: Document, yes: &str, no: &str) -> Document {
    doc! { "$cond": [condition, yes, no] }
}

fn converts(field: &str, to: &str) -> Document {
    let converted =
        doc! { "$convert": { "input": field, "to": to, "onError": Bson::Null, "onNull": Bson::Null } };
    doc! { "$ne": [converted, Bson::Null] }
}

/// Whether a double is a whole number that an integer can hold. Not a number is smaller than any.
fn is_whole(field: &str) -> Document {
    let is_within = [
        doc! { "$gte": [field, -EXACT_MAX] },
        doc! { "$lte": [field, EXACT_MAX] },
    ];
    let [above, below] = is_within;
    doc! { "$and": [above, below, { "$eq": [{ "$trunc": field }, field] }] }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{DateTime, RawDocumentBuf, oid};

    use super::*;
    use crate::store::mongo::document::{read_chat, read_message};

    /// A value of each kind that reads as no default.
    fn values() -> Vec<(&'static str, Option<Bson>)> {
        let id = oid::ObjectId::from_bytes([7; 12]);
        vec![
            ("int", Some(Bson::Int32(7))),
            ("long", Some(Bson::Int64(7))),
            ("double", Some(Bson::Double(7.5))),
            ("double", Some(Bson::Double(f64::NAN))),
            (INTEGRAL, Some(Bson::Double(7.0))),
            ("string", Some("x".into())),
            ("objectId", Some(id.into())),
            ("null", Some(Bson::Null)),
            ("bool", Some(true.into())),
            ("date", Some(DateTime::from_millis(7).into())),
            ("array", Some(vec![7].into())),
            (MISSING, None),
        ]
    }

    /// How the kinds of a field differ from those of its types alone.
    fn detailed_values(field: &Field) -> Vec<(&'static str, Option<Bson>)> {
        let mut values = values();
        let object = ("object", Some(doc! { "state": "COMPLETE" }.into()));
        match field.detail {
            Detail::None => values.push(object),
            Detail::UserId => {
                values.retain(|(kind, _)| *kind != "string");
                values.extend([(USER, Some("x".into())), ("string", Some("".into()))]);
                values.push(("string", Some("x".repeat(256).into())));
            }
            Detail::Id => values.push((HEX, Some("070707070707070707070707".into()))),
            Detail::Integer => {
                values.extend([(DIGITS, Some("7".into())), ("string", Some("-7".into()))]);
            }
        }
        values
    }

    fn agrees(fields: &[Field], whole: &Document, read: impl Fn(&Document) -> Option<String>) {
        for field in fields {
            let mut without = whole.clone();
            without.remove(field.name);
            for (kind, value) in detailed_values(field) {
                let mut document = without.clone();
                if let Some(value) = value.clone() {
                    document.insert(field.name, value);
                }
                let (found, default) = (read(&document), read(&without));
                let context = format!("{} {kind} {value:?}", field.name);
                match field.reading(kind) {
                    LeftOut => assert_eq!(found, None, "{context}"),
                    Default(_) | Unread => assert_eq!(found, default, "{context}"),
                    Documented | Understood => {
                        let is_shown = !["training_doc_id", "moments", "counts"].contains(&field.name);
                        let has_value = is_shown && !["null", MISSING].contains(&kind);
                        assert!(found.is_some(), "{context}");
                        assert_eq!(found != default, has_value, "{context}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_kind_of_every_field_is_read_as_the_table_says() {
        let id = oid::ObjectId::from_bytes([8; 12]);
        let raw = |document: &Document| RawDocumentBuf::try_from(document).unwrap();
        let chat = doc! { "_id": id, "user_id": 1 };
        agrees(OF_CHATS, &chat, |document| {
            read_chat(&raw(document)).map(|chat| format!("{chat:?}"))
        });
        // Whether tokens are estimated shows only where there are any.
        let message = doc! { "_id": id, "chat_id": id, "token": 1 };
        agrees(OF_MESSAGES, &message, |document| {
            read_message(&raw(document)).map(|message| format!("{message:?}"))
        });
    }

    #[test]
    fn the_defaults_of_the_table_are_those_that_are_read() {
        let id = oid::ObjectId::from_bytes([8; 12]);
        let document = RawDocumentBuf::try_from(&doc! { "_id": id, "chat_id": id, "user_id": 1 }).unwrap();
        let (chat, message) = (read_chat(&document).unwrap(), read_message(&document).unwrap());
        let minted = "the moment inside its _id".to_owned();
        assert_eq!(chat.created_at.millis(), 0x0808_0808_i64 * 1000);
        assert_eq!(message.updated_at, chat.created_at);
        let optional = |is_none: bool| if is_none { "null" } else { "" }.to_owned();
        for (fields, name, default) in [
            (OF_CHATS, "document_id", optional(chat.document_id.is_none())),
            (OF_CHATS, "title", format!("{:?}", chat.title)),
            (OF_CHATS, "status", format!("{:?}", chat.status.0)),
            (OF_CHATS, "created_at", minted.clone()),
            (OF_CHATS, "updated_at", minted.clone()),
            (OF_MESSAGES, "message", format!("{:?}", message.text)),
            (OF_MESSAGES, "is_bot", message.author.is_bot().to_string()),
            (OF_MESSAGES, "reaction", optional(message.reaction.is_none())),
            (OF_MESSAGES, "token", optional(message.token_count.is_none())),
            (OF_MESSAGES, "type", format!("{:?}", message.kind)),
            (OF_MESSAGES, "is_edited", message.is_edited.to_string()),
            (OF_MESSAGES, "created_ts", minted.clone()),
            (OF_MESSAGES, "updated_ts", minted),
        ] {
            let field = fields.iter().find(|field| field.name == name).unwrap();
            let told = match field.reading(MISSING) {
                Default(told) => told,
                other => panic!("{name}: {other:?}"),
            };
            assert_eq!(told, default, "{name}");
        }
    }
}
