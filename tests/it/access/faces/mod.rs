//! The faces, each with its table.

pub mod graphql;
pub mod graphql_ws;
mod line;
pub mod mt;
pub mod rest;
pub mod subscriptions;

use super::callers::{Caller, Things};
use super::guarded::{Answer, Guarded};

/// What came of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done, or something was shown.
    Done,
    /// There was nothing to show: null, an empty list, nobody there.
    Nothing,
    /// There is no such chat or message.
    NotFound,
    /// It is there, and not of the kind that this is done with.
    Unsuitable,
    /// That is for somebody else.
    Forbidden,
    /// A valid token is asked for.
    Unauthenticated,
}

/// An operation's name, what is asked for, and what comes of it for each of [`Caller::ALL`]. In what is asked for,
/// `CHAT`, `MESSAGE`, `REPLY` and `OWNER` stand for the ids of [`Things`].
pub type Row = (&'static str, &'static str, [Outcome; Caller::ALL.len()]);

/// One who asks for something.
pub struct Visit<'a> {
    /// The operation.
    pub row: &'a Row,
    /// What it is about.
    pub things: &'a Things,
    /// The caller's token.
    pub token: Option<&'a str>,
    /// The token of the owner, who may be there as well.
    pub owner: &'a str,
}

/// One way to ask.
pub trait Face {
    /// What can be asked for.
    fn rows(&self) -> Vec<Row>;

    /// Asks, and returns what is answered first.
    async fn ask(&self, server: &Guarded, visit: &Visit<'_>) -> Answer;

    /// What an answer means. One that means nothing else fails the test.
    fn outcome(&self, answer: &Answer) -> Outcome;
}

/// What an error's code means.
fn meaning(code: &str) -> Option<Outcome> {
    match code {
        "NOT_FOUND" => Some(Outcome::NotFound),
        "NOT_A_REPLY" => Some(Outcome::Unsuitable),
        "FORBIDDEN" => Some(Outcome::Forbidden),
        "UNAUTHENTICATED" => Some(Outcome::Unauthenticated),
        _ => None,
    }
}
