//! An error with all that caused it, in one line.

use std::error::Error;
use std::fmt;

use tokio::task::JoinError;

/// An error followed by its causes, down to the first, separated by colons. It is formatted as text, because the JSON
/// format of the log omits the sources of an error value.
pub struct Causes<'a>(&'a (dyn Error + 'static));

/// An error with its causes.
pub fn causes<'a>(error: &'a (dyn Error + 'static)) -> Causes<'a> {
    Causes(error)
}

impl fmt::Display for Causes<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_one(self.0, to)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            to.write_str(": ")?;
            write_one(error, to)?;
            cause = error.source();
        }
        Ok(())
    }
}

/// What one error says. Of a panic only that it was one: its words can quote what somebody wrote.
fn write_one(error: &(dyn Error + 'static), to: &mut fmt::Formatter<'_>) -> fmt::Result {
    match error.downcast_ref::<JoinError>() {
        Some(joined) if joined.is_panic() => to.write_str("a task panicked"),
        _ => write!(to, "{error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the call failed")]
    struct Failed(#[source] JoinError);

    #[tokio::test]
    async fn a_panic_is_told_without_its_words() {
        let panicked = tokio::spawn(async { panic!("somebody's words") }).await;
        let error = Failed(panicked.unwrap_err());
        assert_eq!(causes(&error).to_string(), "the call failed: a task panicked");
    }
}
