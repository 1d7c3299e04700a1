//! Who a token says its bearer is: proven by keys, and by nothing that the token says of itself.
//!
//! RFC 8725 is the list of what goes wrong where this is done by the way. What follows from it here: a key is for one
//! algorithm, which is configured; a token cannot bring or point to a key; its issuer, audience and times are looked at
//! before its user; a claim that comes twice makes it void; and whatever is wrong, the answer is the same.

mod claims;
mod jwks;
mod keys;
mod probe;
mod token;

use std::sync::Arc;

use crate::config::AuthConfig;
use crate::domain::{Clock, Timestamp, Viewer};

use claims::Reading;
use jwks::Jwks;
use keys::Keys;

pub use jwks::JwksSetupError;
pub use keys::KeyError;
pub use probe::{KeysProbed, probe};
pub use token::{TOKEN_BYTES_MAX, peek};

/// Why the server cannot tell whose tokens to believe.
#[derive(Debug, thiserror::Error)]
pub enum AuthSetupError {
    /// A key is none.
    #[error("a key of tokens cannot be used")]
    Key(#[from] KeyError),
    /// The place of the keys cannot be asked.
    #[error("the keys of tokens cannot be asked for")]
    Jwks(#[from] JwksSetupError),
}

/// Whom a token names, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who; never [`Viewer::Anonymous`].
    pub viewer: Viewer,
    /// When it was issued (`iat`), in whole seconds; the beginning of time if it does not say.
    pub issued_at: Timestamp,
    /// From when on it is worth nothing: `exp`, and what clocks may differ.
    pub ends_at: Timestamp,
}

/// Why a token is not believed. Which of many reasons it is, callers are not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is none, or not for us, or not for now.
    #[error("the token is not valid")]
    Invalid,
    /// There are no keys yet to prove it by: their issuer does not answer.
    #[error("the keys of tokens are not available")]
    NoKeys,
}

/// Proves tokens. Cheap to clone.
#[derive(Clone)]
pub struct Authenticator {
    known: Arc<Keys>,
    published: Option<Arc<Jwks>>,
    reading: Reading,
    clock: Arc<dyn Clock>,
}

impl Authenticator {
    /// An authenticator as it is configured. Asks for no keys yet.
    pub fn new(config: &AuthConfig, clock: Arc<dyn Clock>) -> Result<Self, AuthSetupError> {
        let reading = Reading::new(config);
        let published = config
            .jwks_url
            .as_ref()
            .map(|place| Jwks::new(place, config, reading.clone()))
            .transpose()?;
        Ok(Self {
            known: Arc::new(Keys::of(config, &reading)?),
            published: published.map(Arc::new),
            reading,
            clock,
        })
    }

    /// Asks for the published keys, if there are any, and again from time to time, for ever.
    pub async fn keep_keys(&self) {
        match &self.published {
            Some(published) => published.keep().await,
            None => std::future::pending().await,
        }
    }

    /// Whom a token names. Waits for keys at most as long as one request for them may take.
    pub async fn identify(&self, token: &str) -> Result<Identity, TokenError> {
        let header = token::header(token)?;
        let now = self.clock.now();
        let by_known = token::claims(token, self.known.matching(&header));
        if let Some(claims) = by_known {
            return self.reading.identity(&claims, now);
        }
        let Some(published) = &self.published else {
            return Err(TokenError::Invalid);
        };
        let keys = published.keys_for(&header).await?;
        let claims = token::claims(token, keys.matching(&header));
        self.reading.identity(&claims.ok_or(TokenError::Invalid)?, now)
    }
}
