//! Compares the indexes that are there with those that are needed, by the server's own rules for what may stand beside
//! what.

use mongodb::IndexModel;
use mongodb::bson::{Bson, Document};

use super::indexes::DOCUMENTED;
use crate::store::inspection::{Index, IndexConflict, IndexReview};

/// What tells an index of a collection from another, with numbers of one type.
#[derive(Clone, Debug, PartialEq)]
struct Spec {
    name: String,
    /// What the server allows once only, whatever the names.
    signature: Signature,
    /// What the server compares besides once two have the same name or signature.
    options: Options,
}

#[derive(Clone, Debug, PartialEq)]
struct Signature {
    keys: Document,
    weights: Option<Document>,
    only: Option<Document>,
    collation: Option<Document>,
    is_unique: bool,
    is_sparse: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Options {
    expires_after_s: Option<i64>,
    // A hidden index can be made, but not be read by its name, which lists do.
    is_hidden: bool,
    default_language: Option<String>,
    language_field: Option<String>,
}

impl Spec {
    /// An index as the server lists it.
    fn listed(index: &Document) -> Option<Self> {
        let document = |name| index.get_document(name).ok().map(with_plain_numbers);
        let flag = |name| index.get_bool(name).unwrap_or_default();
        let text = |name| index.get_str(name).ok().map(str::to_owned);
        let weights = document("weights");
        // Every index has these two where no text is in it either.
        let of_text = |value: Option<String>| value.filter(|_| weights.is_some());
        Some(Self {
            name: index.get_str("name").ok()?.to_owned(),
            signature: Signature {
                keys: document("key")?,
                only: document("partialFilterExpression"),
                collation: document("collation"),
                is_unique: flag("unique"),
                is_sparse: flag("sparse"),
                weights: weights.clone(),
            },
            options: Options {
                expires_after_s: index.get("expireAfterSeconds").and_then(integer),
                is_hidden: flag("hidden"),
                default_language: of_text(text("default_language")),
                language_field: of_text(text("language_override")),
            },
        })
    }

    /// An index as it would be listed once it is made.
    fn wanted(model: &IndexModel) -> Option<Self> {
        let options = model.options.as_ref()?;
        let (mut keys, mut weights) = (Document::new(), Document::new());
        for (field, order) in &model.keys {
            if order.as_str() == Some("text") {
                weights.insert(field, 1);
                keys.insert("_fts", "text");
                keys.insert("_ftsx", 1);
            } else {
                keys.insert(field, order.clone());
            }
        }
        Some(Self {
            name: options.name.clone()?,
            signature: Signature {
                keys: with_plain_numbers(&keys),
                weights: (!weights.is_empty()).then_some(weights),
                only: options.partial_filter_expression.clone(),
                collation: None,
                is_unique: options.unique.unwrap_or_default(),
                is_sparse: false,
            },
            options: Options {
                expires_after_s: options
                    .expire_after
                    .and_then(|after| i64::try_from(after.as_secs()).ok()),
                is_hidden: false,
                default_language: options.default_language.clone(),
                language_field: options.language_override.clone(),
            },
        })
    }

    /// Whether the server refuses to make one of them where the other is.
    fn conflicts_with(&self, other: &Self) -> bool {
        let are_both_of_text = self.signature.weights.is_some() && other.signature.weights.is_some();
        let are_alike = self.name == other.name || self.signature == other.signature || are_both_of_text;
        are_alike && self != other
    }

    fn describe(&self) -> Index {
        let keys = self.signature.keys.iter().filter_map(|(field, order)| {
            match (field.as_str(), &self.signature.weights) {
                // The words of several fields stand in one place.
                ("_fts", Some(weights)) => {
                    let fields = weights.keys().map(|field| format!("{field} text"));
                    Some(fields.collect::<Vec<_>>().join(", "))
                }
                ("_ftsx", Some(_)) => None,
                _ => Some(format!(
                    "{field} {}",
                    order.as_str().map_or_else(|| order.to_string(), str::to_owned)
                )),
            }
        });
        Index {
            name: self.name.clone(),
            keys: keys.collect::<Vec<_>>().join(", "),
            is_unique: self.signature.is_unique,
            expires_after_s: self.options.expires_after_s,
        }
    }
}

/// Compares the indexes of a collection, as the server lists them, with those that are needed.
pub(super) fn review(collection: &'static str, listed: &[Document], wanted: &[IndexModel]) -> IndexReview {
    let mut foreign: Vec<_> = listed.iter().filter_map(Spec::listed).collect();
    foreign.retain(|index| index.name != "_id_");
    let mut review = IndexReview {
        collection,
        ..IndexReview::default()
    };
    for wanted in wanted.iter().filter_map(Spec::wanted) {
        if foreign.contains(&wanted) {
            foreign.retain(|index| *index != wanted);
            review.present.push(wanted.describe());
        } else if let Some(existing) = foreign.iter().find(|index| index.conflicts_with(&wanted)) {
            review.conflicts.push(IndexConflict {
                wanted: wanted.describe(),
                existing: existing.describe(),
            });
        } else if DOCUMENTED.contains(&wanted.name.as_str()) {
            review.documented_missing.push(wanted.describe());
        } else {
            review.added.push(wanted.describe());
        }
    }
    review.foreign = foreign.iter().map(Spec::describe).collect();
    review
}

/// A document whose whole numbers are of one type: shells write 1.0 where drivers write 1.
fn with_plain_numbers(document: &Document) -> Document {
    let plain = |value: &Bson| match value {
        Bson::Document(document) => Bson::Document(with_plain_numbers(document)),
        value => integer(value).map_or_else(|| value.clone(), plain_integer),
    };
    document
        .iter()
        .map(|(name, value)| (name.clone(), plain(value)))
        .collect()
}

fn plain_integer(number: i64) -> Bson {
    i32::try_from(number).map_or(Bson::Int64(number), Bson::Int32)
}

fn integer(value: &Bson) -> Option<i64> {
    match value {
        Bson::Int32(number) => Some((*number).into()),
        Bson::Int64(number) => Some(*number),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is whole and far within an integer's range"
        )]
        Bson::Double(number) if number.fract() == 0.0 && number.abs() < 1e15 => Some(*number as i64),
        _ => None,
    }
}
