//! What can go wrong between a client and a server.

use std::error::Error;

/// Codes after which the same request may succeed.
const PASSING: [&str; 3] = ["UNAVAILABLE", "INTERNAL", "SHUTTING_DOWN"];

/// Why something did not come about.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server said no, with a stable code.
    #[error("{}{message}", code.as_ref().map(|code| format!("{code}: ")).unwrap_or_default())]
    Refused {
        /// For programs.
        code: Option<String>,
        /// For people.
        message: String,
    },
    /// The server asks for a token, and there is none to show it.
    #[error(
        "{place} asks for a token: set COLLOQUY_TOKEN to it, or COLLOQUY_TOKEN_FILE to a file that holds it"
    )]
    NoToken {
        /// Where that is.
        place: String,
    },
    /// The server does not take what it was shown.
    #[error("{place} does not take the token: it is not valid, or no longer, or meant for another server")]
    TokenRefused {
        /// Where that is.
        place: String,
    },
    /// The server is not there, or no longer.
    #[error("cannot reach {place}: {reason}")]
    Lost {
        /// Where it was looked for.
        place: String,
        /// The innermost cause, which says it best.
        reason: String,
    },
    /// Whatever is there speaks something else.
    #[error("{place} is no GraphQL server that this program can talk to: {reason}")]
    Strange {
        /// Where that is.
        place: String,
        /// What it did.
        reason: String,
    },
    /// No JSON can say it.
    #[error("the request cannot be written: {0}")]
    Unwritable(#[from] serde_json::Error),
}

impl ClientError {
    /// Whether the same may succeed a little later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Lost { .. } => true,
            Self::Refused { .. } => self.code().is_some_and(|code| PASSING.contains(&code)),
            Self::NoToken { .. } | Self::TokenRefused { .. } | Self::Strange { .. } | Self::Unwritable(_) => {
                false
            }
        }
    }

    /// Whether the caller is not let in: whatever else it asks for will be refused as well.
    pub fn is_unauthenticated(&self) -> bool {
        matches!(self, Self::NoToken { .. } | Self::TokenRefused { .. })
    }

    /// The code of a refusal that has one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => code.as_deref(),
            _ => None,
        }
    }

    /// The refusal that the first of these errors is.
    pub fn refused(errors: &[graphql_client::Error]) -> Option<Self> {
        let error = errors.first()?;
        let code = error
            .extensions
            .as_ref()
            .and_then(|extensions| extensions.get("code"));
        Some(Self::Refused {
            code: code.and_then(|code| code.as_str()).map(str::to_owned),
            message: error.message.clone(),
        })
    }
}

/// The last link of a chain of causes.
pub fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
