//! Embedded.

/// The embedded store.
pub struct EmbeddedStore;
