//! What can go wrong between the client and a server.

use std::error::Error;
use std::io;

use graphql_client::Response;

/// Codes after which the same request may succeed.
const PASSING: [&str; 3] = ["UNAVAILABLE", "INTERNAL", "SHUTTING_DOWN"];

/// Why something did not come about.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The server said no, with a stable code.
    #[error("{}{message}", code.as_ref().map(|code| format!("{code}: ")).unwrap_or_default())]
    Refused {
        /// For programs.
        code: Option<String>,
        /// For people.
        message: String,
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
    /// Ctrl-C, before there was an answer.
    #[error("given up; what the server had heard of it by then stays so")]
    GivenUp,
    /// What was typed makes no sense as it stands.
    #[error("{0}")]
    Misuse(String),
    /// This end of it broke: nobody reads what is printed, or what is piped in is no text.
    #[error("{0}")]
    Local(#[from] io::Error),
}

impl ChatError {
    /// Whether the same may succeed a little later.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Lost { .. } => true,
            Self::Refused { code, .. } => code.as_deref().is_some_and(|code| PASSING.contains(&code)),
            Self::Strange { .. } | Self::GivenUp | Self::Misuse(_) | Self::Local(_) => false,
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

/// The data of a response, if it has some and no errors.
pub fn data_of<D>(response: Response<D>, place: &str) -> Result<D, ChatError> {
    if let Some(refusal) = response.errors.as_deref().and_then(ChatError::refused) {
        return Err(refusal);
    }
    response.data.ok_or_else(|| ChatError::Strange {
        place: place.to_owned(),
        reason: "its answer has neither data nor errors".to_owned(),
    })
}

/// The last link of a chain of causes.
pub fn root_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
