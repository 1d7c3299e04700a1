//! What a look at a store finds that changes nothing: the facts behind `colloquy doctor`, without a judgement.

mod survey;

use std::path::PathBuf;

use super::StoreError;

pub use survey::{
    Addition, CollectionSurvey, FieldSurvey, KindSurvey, Offsets, Orphans, Reading, Revision, Sample, Survey,
    SurveyProgress, Surveyed,
};

/// What a look at the configured store found.
#[derive(Debug)]
pub enum StoreInspection {
    /// The embedded store.
    Folder(FolderInspection),
    /// MongoDB.
    Mongo(MongoInspection),
}

/// The folder of an embedded store.
#[derive(Debug)]
pub struct FolderInspection {
    /// Where it is.
    pub folder: PathBuf,
    /// Whether there is such a folder; if not, a start makes it.
    pub is_there: bool,
    /// Whether this process may write in it, or make it.
    pub is_writable: bool,
    /// Whether another process has the store open.
    pub is_in_use: bool,
    /// The version of its tables; `None` before the first start.
    pub version: Result<Option<i64>, StoreError>,
    /// The version that this program writes, and brings older ones up to.
    pub version_known: i64,
}

/// The servers and the database that a connection string names. Nothing of its credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MongoPlace {
    /// The servers, as `host:port`.
    pub hosts: Vec<String>,
    /// The database.
    pub database: String,
}

/// A MongoDB.
#[derive(Debug)]
pub struct MongoInspection {
    /// Where it is, if the connection string can be read.
    pub place: Option<MongoPlace>,
    /// What it says.
    pub state: Result<MongoState, StoreError>,
}

/// What a MongoDB says of itself.
#[derive(Debug)]
pub struct MongoState {
    /// Its version, such as `7.0.14`.
    pub version: String,
    /// Its major version.
    pub version_major: u32,
    /// How many servers keep the data.
    pub topology: Topology,
    /// Whether it takes writes.
    pub is_writable: bool,
    /// What of the rights that serving needs the user lacks, by the names of MongoDB's privilege actions.
    pub rights_missing: Vec<&'static str>,
    /// The indexes of each collection.
    pub indexes: Vec<IndexReview>,
    /// Whether there are replies that used tokens before there was a ledger of usage, and that are not in it.
    pub has_unledgered: bool,
}

/// How many servers keep the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    /// One, with no copy.
    Standalone,
    /// The members of a set of this name.
    ReplicaSet(String),
    /// Shards behind a router.
    Sharded,
}

/// The indexes of a collection, next to those that Colloquy needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexReview {
    /// The collection.
    pub collection: &'static str,
    /// The needed ones that are there.
    pub present: Vec<Index>,
    /// The documented ones that are not.
    pub documented_missing: Vec<Index>,
    /// The ones of Colloquy's own that are not.
    pub added: Vec<Index>,
    /// The needed ones that cannot be made, because another one is in the way.
    pub conflicts: Vec<IndexConflict>,
    /// The ones that are nobody's but the owner's of the database.
    pub foreign: Vec<Index>,
}

/// An index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Its keys, such as `chat_id 1, created_ts 1`.
    pub keys: String,
    /// Whether it refuses a second document of the same keys.
    pub is_unique: bool,
    /// After how many seconds it deletes documents, if it does.
    pub expires_after_s: Option<i64>,
}

/// An index that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexConflict {
    /// The one that is needed.
    pub wanted: Index,
    /// The one that is there.
    pub existing: Index,
}
