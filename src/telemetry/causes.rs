//! An error on one line of the log, with all that caused it.

use std::error::Error;
use std::fmt;

/// An error, and behind colons what caused it, down to the first cause. As a text, because log lines in JSON have of an
/// error as a value only its own words.
pub struct Causes<'a>(&'a dyn Error);

/// How an error is told in the log.
pub fn causes(error: &dyn Error) -> Causes<'_> {
    Causes(error)
}

impl fmt::Display for Causes<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(to, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
