//! Documents that are checked against the server's own schema when this is compiled, and the values in their answers.
//!
//! By `graphql_client`, because its documents stay files that an operator can put among the trusted ones, and because
//! the other library that checks at compile time, cynic, has a licence that this project does not take.

use serde::{Deserialize, Serialize};

/// A user as the schema has it: `7` and `"7"` are two.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub enum UserId {
    /// As the documented system numbers them.
    Int(i64),
    /// As identity providers issue it.
    Text(String),
}

impl UserId {
    /// What a flag says: a number is one, text may stand in quotation marks so that it is none.
    pub fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|_| Self::Text(text.to_owned()))
    }
}

impl std::fmt::Display for UserId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(id) => write!(formatter, "{id}"),
            Self::Text(id) => write!(formatter, "{id}"),
        }
    }
}

/// A moment, as it is written.
pub type DateTime = String;

/// Where a reply stands.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
pub enum ReplyState {
    /// It was said to its end.
    Complete,
    /// The bot refused or failed.
    Failed,
    /// Its server died.
    Interrupted,
    /// It was cut at the longest reply allowed.
    Length,
    /// Somebody stopped it.
    Stopped,
    /// It grows, or waits.
    Streaming,
    /// The bot's stream broke off.
    Truncated,
    /// One that a later server has.
    #[serde(other)]
    Unknown,
}

/// Declares operations by their documents.
macro_rules! operations {
    ($($(#[$about:meta])* $name:ident = $file:tt;)+) => {
        $(
            $(#[$about])*
            #[derive(GraphQLQuery)]
            #[graphql(
                schema_path = "schema.graphql",
                query_path = $file,
                extern_enums("ReplyState"),
                response_derives = "Debug"
            )]
            pub struct $name;
        )+
    };
}

pub(in crate::cli) use operations;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_number_unless_it_is_quoted() {
        for (flag, user) in [
            ("7", UserId::Int(7)),
            ("\"7\"", UserId::Text("7".to_owned())),
            ("asha", UserId::Text("asha".to_owned())),
            ("{}", UserId::Text("{}".to_owned())),
            ("आशा", UserId::Text("आशा".to_owned())),
        ] {
            assert_eq!(UserId::parse(flag), user);
        }
    }

    #[test]
    fn a_state_that_is_not_known_yet_is_no_error() {
        let state: ReplyState = serde_json::from_str("\"PAUSED\"").unwrap();
        assert_eq!(state, ReplyState::Unknown);
    }
}
