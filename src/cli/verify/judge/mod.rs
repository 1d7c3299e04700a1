//! What the notes and the store say about each promise. No I/O: whatever is found here can be found again.

mod calls;
mod conduct;
mod deletions;
mod endings;
mod evidence;
mod finding;
mod order;
mod stops;
mod texts;
mod writes;

pub use evidence::Evidence;
pub use finding::{Finding, Verdict};

/// The promises, one by one.
pub fn judge(evidence: &Evidence) -> Vec<Finding> {
    vec![
        writes::kept(evidence),
        writes::once(evidence),
        texts::exact(evidence),
        endings::ended(evidence),
        texts::survived(evidence),
        stops::stopped(evidence),
        conduct::slow_readers(evidence),
        conduct::cost(),
        conduct::others_chats(),
        conduct::bad_input(evidence),
        calls::counted(evidence),
        deletions::gone(evidence),
        order::rises(evidence),
        conduct::exits(evidence),
    ]
}
