//! Keys that prove tokens, each for one algorithm.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};

use super::claims::{Claims, Reading};
use crate::config::{AuthConfig, JwtAlgorithm, JwtKey};

/// The most keys of a published set: more than issuers have while one takes over from another.
const KEYS_MAX: usize = 64;
/// The fewest bytes of an RSA modulus: 2048 bits, by RFC 7518.
const RSA_BYTES_MIN: usize = 2048 / 8;

/// Why a key is not used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is no public key of an algorithm that is known.
    #[error("a PEM is no public key for RS256, ES256 or EdDSA")]
    Unusable,
    /// It is for an algorithm that shall not be believed.
    #[error("a key is for {0}, which --jwt-algorithm does not name")]
    NotAllowed(&'static str),
}

/// A key for one algorithm, and what must be true of its tokens besides.
pub struct Key {
    id: Option<String>,
    algorithm: JwtAlgorithm,
    key: DecodingKey,
    validation: Validation,
}

impl Key {
    fn of(key: &JwtKey, reading: &Reading) -> Result<Self, KeyError> {
        let (algorithm, key) = match key {
            JwtKey::Secret(_) => (JwtAlgorithm::Hs256, DecodingKey::from_secret(key.expose())),
            JwtKey::Pem(_) => public(key.expose())?,
        };
        Ok(Self {
            id: None,
            algorithm,
            key,
            validation: reading.validation(spelt(algorithm)),
        })
    }

    /// A published key; `None` if it is not one to prove tokens by, or is too weak.
    fn published(jwk: &Jwk, reading: &Reading) -> Option<Self> {
        let is_for_signatures = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        let (algorithm, said) = match &jwk.algorithm {
            AlgorithmParameters::RSA(rsa) => {
                // Of base64, three bytes in four characters.
                if rsa.n.len() * 3 / 4 < RSA_BYTES_MIN {
                    return None;
                }
                (JwtAlgorithm::Rs256, KeyAlgorithm::RS256)
            }
            AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
                (JwtAlgorithm::Es256, KeyAlgorithm::ES256)
            }
            AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
                (JwtAlgorithm::EdDsa, KeyAlgorithm::EdDSA)
            }
            // A secret that is published is none.
            _ => return None,
        };
        let is_said = jwk.common.key_algorithm.is_none_or(|algorithm| algorithm == said);
        let key = (is_for_signatures && is_said).then(|| DecodingKey::from_jwk(jwk).ok());
        Some(Self {
            id: jwk.common.key_id.clone(),
            algorithm,
            key: key.flatten()?,
            validation: reading.validation(spelt(algorithm)),
        })
    }

    /// The claims of a token, if the key proves it and they are for us and for now.
    pub fn prove(&self, token: &str) -> Option<Claims> {
        let proven = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation);
        Some(proven.ok()?.claims)
    }
}

/// A public key in PEM, by what it is.
fn public(pem: &[u8]) -> Result<(JwtAlgorithm, DecodingKey), KeyError> {
    let as_rsa = || Some((JwtAlgorithm::Rs256, DecodingKey::from_rsa_pem(pem).ok()?));
    let as_ec = || Some((JwtAlgorithm::Es256, DecodingKey::from_ec_pem(pem).ok()?));
    let as_ed = || Some((JwtAlgorithm::EdDsa, DecodingKey::from_ed_pem(pem).ok()?));
    as_rsa().or_else(as_ec).or_else(as_ed).ok_or(KeyError::Unusable)
}

fn spelt(algorithm: JwtAlgorithm) -> Algorithm {
    match algorithm {
        JwtAlgorithm::Hs256 => Algorithm::HS256,
        JwtAlgorithm::Rs256 => Algorithm::RS256,
        JwtAlgorithm::Es256 => Algorithm::ES256,
        JwtAlgorithm::EdDsa => Algorithm::EdDSA,
    }
}

/// Keys that are used together.
#[derive(Default)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// Those that the configuration brings.
    pub fn of(config: &AuthConfig, reading: &Reading) -> Result<Self, KeyError> {
        let keys = config.keys.iter().map(|key| Key::of(key, reading));
        let keys: Vec<Key> = keys.collect::<Result<_, _>>()?;
        let is_allowed = |algorithm| config.algorithms.is_empty() || config.algorithms.contains(&algorithm);
        match keys.iter().find(|key| !is_allowed(key.algorithm)) {
            Some(key) => Err(KeyError::NotAllowed(key.algorithm.name())),
            None => Ok(Self(keys)),
        }
    }

    /// Those of a published set that can be used, and are for one of `algorithms`.
    pub fn published(set: &JwkSet, algorithms: &[JwtAlgorithm], reading: &Reading) -> Self {
        let keys = set.keys.iter().take(KEYS_MAX);
        let keys = keys.filter_map(|key| Key::published(key, reading));
        Self(keys.filter(|key| algorithms.contains(&key.algorithm)).collect())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What each of them is for.
    pub fn algorithms(&self) -> Vec<JwtAlgorithm> {
        self.0.iter().map(|key| key.algorithm).collect()
    }

    /// Whether there is one that the header of a token asks for by its name.
    pub fn has(&self, header: &Header) -> bool {
        self.matching(header).next().is_some()
    }

    /// Those that can have signed a token of this header: of its algorithm, and of its key's name if both have one.
    pub fn matching(&self, header: &Header) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(move |key| {
            let is_named = match (&key.id, &header.kid) {
                (Some(id), Some(kid)) => id == kid,
                _ => true,
            };
            is_named && spelt(key.algorithm) == header.alg
        })
    }
}
