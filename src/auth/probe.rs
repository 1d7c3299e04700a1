//! A look at the keys of tokens, for whoever would rather know before a token is refused.

use super::AuthSetupError;
use super::claims::Reading;
use super::jwks::Jwks;
use super::keys::Keys;
use crate::config::{AuthConfig, JwtAlgorithm};

/// What the keys of tokens are for; not one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysProbed {
    /// Those that the configuration brings.
    pub known: Vec<JwtAlgorithm>,
    /// Those that are published, as far as they can be used, or why they could not be had; `None` if none are asked for.
    pub published: Option<Result<Vec<JwtAlgorithm>, String>>,
}

/// Tries the keys that the configuration brings, and asks once for those that are published.
pub async fn probe(config: &AuthConfig) -> Result<KeysProbed, AuthSetupError> {
    let reading = Reading::new(config);
    let known = Keys::of(config, &reading)?.algorithms();
    let published = match &config.jwks_url {
        Some(place) => Some(Jwks::new(place, config, reading)?.probe().await),
        None => None,
    };
    Ok(KeysProbed { known, published })
}
