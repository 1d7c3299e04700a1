//! MongoDB.

/// The store on MongoDB.
pub struct MongoStore;
