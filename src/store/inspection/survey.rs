//! What a look at every document of a documented database found.

use std::collections::BTreeMap;

use super::{IndexReview, MongoPlace};
use crate::store::StoreError;

/// A look at every document of a database, and where that was.
#[derive(Debug)]
pub struct Surveyed {
    /// Where it is, if the connection string can be read.
    pub place: Option<MongoPlace>,
    /// What was found.
    pub survey: Result<Survey, StoreError>,
}

/// What a look at every document of a database found.
#[derive(Debug)]
pub struct Survey {
    /// Where it was.
    pub place: MongoPlace,
    /// The server's version.
    pub version: String,
    /// The two documented collections.
    pub collections: Vec<CollectionSurvey>,
    /// Messages whose chat is not there.
    pub orphans: Orphans,
}

/// How far a survey has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SurveyProgress {
    /// The collection that is being read.
    pub collection: &'static str,
    /// How many of its documents were looked at.
    pub looked_at: u64,
    /// How many it has, as the server estimates.
    pub expected: u64,
}

/// A collection.
#[derive(Debug)]
pub struct CollectionSurvey {
    /// Its name.
    pub collection: &'static str,
    /// Whether it is there.
    pub is_there: bool,
    /// What it was told beyond the defaults, by name, such as `validator`; a view says `view`.
    pub options: Vec<String>,
    /// How many documents were looked at.
    pub documents: u64,
    /// How many of them each revision of the documented system wrote, as their fields tell.
    pub revisions: BTreeMap<Revision, u64>,
    /// Its indexes.
    pub indexes: IndexReview,
    /// The fields that Colloquy reads, and what is in them.
    pub fields: Vec<FieldSurvey>,
    /// How far the documents' clocks are from UTC.
    pub offsets: Offsets,
    /// What Colloquy adds to documents that it writes itself.
    pub additions: &'static [Addition],
}

/// A revision of the documented system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revision {
    /// The one the documentation was written for.
    Early,
    /// The one after it, which knows `training_doc_id`.
    Base,
    /// The last, whose users and tokens are strings, and which knows `citation`.
    Late,
}

/// A field, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldSurvey {
    /// Its name.
    pub name: &'static str,
    /// What is in it, the most frequent first.
    pub kinds: Vec<KindSurvey>,
}

/// One kind of value in a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindSurvey {
    /// The name of its BSON type, at times with what matters about the value, such as `string of digits`; `missing`
    /// where there is none.
    pub kind: String,
    /// How many documents have it.
    pub count: u64,
    /// One of them.
    pub sample: Sample,
    /// What it is read as.
    pub reading: Reading,
}

/// The `_id` of a document, as text.
pub type Sample = String;

/// What a value is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// As it is: the documented system wrote it so.
    Documented,
    /// As the same value, though of another type than documented.
    Understood,
    /// As this, instead.
    Default(&'static str),
    /// Not at all: it stays where it is.
    Unread,
    /// It makes its document unreadable: lists leave that out.
    LeftOut,
}

/// How far the documents' clocks are from UTC: their date of creation minus the moment inside their `_id`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    /// How many documents are so many quarters of an hour ahead of UTC.
    pub quarters: BTreeMap<i32, u64>,
    /// How many are further away than any time zone: imported ones, say.
    pub beyond: u64,
}

/// Messages whose chat is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orphans {
    /// How many there are.
    pub messages: u64,
    /// One of them, and the chat that it names.
    pub sample: Option<(Sample, Sample)>,
}

/// A field that Colloquy writes and the documentation does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addition {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub meaning: &'static str,
}
