//! New ids.

use std::sync::Arc;

use colloquy::domain::{IdSource, SystemClock};

/// A source of ids that no other source gives out.
pub fn new_ids() -> IdSource {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).unwrap();
    IdSource::new(Arc::new(SystemClock), seed)
}
