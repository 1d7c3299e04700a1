//! What a token claims, once it is proven.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use jsonwebtoken::Validation;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::{Identity, TokenError};
use crate::config::AuthConfig;
use crate::domain::{Timestamp, UserId, Viewer, whole_millis};

/// The claims of a token. One that comes twice makes them unreadable: who reads the first and who reads the last would
/// see two users.
pub struct Claims(Map<String, Value>);

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Claims;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object without a name twice")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut source: A) -> Result<Claims, A::Error> {
                let mut claims = Map::new();
                while let Some((name, value)) = source.next_entry::<String, Value>()? {
                    if claims.insert(name, value).is_some() {
                        return Err(A::Error::custom("a claim comes twice"));
                    }
                }
                Ok(Claims(claims))
            }
        }
        source.deserialize_map(Once)
    }
}

/// How claims are read, and which of them must be there. Cheap to clone.
#[derive(Clone)]
pub struct Reading(Arc<AuthConfig>);

impl Reading {
    pub fn new(config: &AuthConfig) -> Self {
        Self(Arc::new(config.clone()))
    }

    /// What is proven besides the signature, of tokens of one algorithm.
    pub fn validation(&self, algorithm: jsonwebtoken::Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        let mut required = HashSet::from(["exp".to_owned()]);
        validation.leeway = self.0.leeway.as_secs();
        validation.validate_nbf = true;
        if let Some(issuer) = &self.0.issuer {
            validation.set_issuer(&[issuer]);
            required.insert("iss".to_owned());
        }
        // Without audiences of our own the library refuses every token that names one: it is meant for others.
        if !self.0.audiences.is_empty() {
            validation.set_audience(&self.0.audiences);
            required.insert("aud".to_owned());
        }
        validation.required_spec_claims = required;
        validation
    }

    /// Whom the claims of a proven token name.
    pub fn identity(&self, claims: &Claims, now: Timestamp) -> Result<Identity, TokenError> {
        let Claims(claims) = claims;
        let user = claims.get(&self.0.user_claim).and_then(|user| self.user(user));
        let user = user.ok_or(TokenError::Invalid)?;
        let seconds = |name: &str| -> Option<i64> {
            let value = claims.get(name)?;
            // RFC 7519 allows fractions of a second.
            value
                .as_i64()
                .or_else(|| value.as_f64().map(|seconds| seconds as i64))
        };
        let ends_at = seconds("exp").ok_or(TokenError::Invalid)?;
        let ends_at = ends_at
            .saturating_mul(1_000)
            .saturating_add(whole_millis(self.0.leeway));
        if ends_at.saturating_sub(now.millis()) > whole_millis(self.0.lifetime_max + self.0.leeway) {
            return Err(TokenError::Invalid);
        }
        let viewer = match self.is_service(claims) {
            true => Viewer::Service(user),
            false => Viewer::User(user),
        };
        Ok(Identity {
            viewer,
            issued_at: Timestamp::from_millis(seconds("iat").unwrap_or_default().saturating_mul(1_000)),
            ends_at: Timestamp::from_millis(ends_at),
        })
    }

    fn user(&self, claim: &Value) -> Option<UserId> {
        match claim {
            Value::Number(number) => number.as_i64().map(UserId::Int),
            Value::String(text) => {
                let number = text
                    .parse()
                    .ok()
                    .filter(|number: &i64| number.to_string() == *text);
                match number.filter(|_| self.0.has_integer_users) {
                    Some(number) => Some(UserId::Int(number)),
                    None => (1..=UserId::TEXT_BYTES_MAX)
                        .contains(&text.len())
                        .then(|| UserId::Text(text.clone())),
                }
            }
            _ => None,
        }
    }

    /// Whether the scope for services is among those of the token: separated by blanks, by RFC 8693, or in a list, as some
    /// issuers have it.
    fn is_service(&self, claims: &Map<String, Value>) -> bool {
        match claims.get("scope") {
            Some(Value::String(scopes)) => scopes.split(' ').any(|scope| scope == self.0.service_scope),
            Some(Value::Array(scopes)) => scopes.iter().any(|scope| *scope == *self.0.service_scope),
            _ => false,
        }
    }
}
