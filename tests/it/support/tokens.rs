//! Tokens as an issuer makes them, and as a forger would.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use colloquy::domain::{Clock, SystemClock};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::{Map, Value, json};

/// A secret that is long enough for HS256.
pub const SECRET: &str = "a secret that issuer and server share in tests";

/// The scope of programs that may act for every user, as the server has it by default.
pub const SERVICE_SCOPE: &str = "chat:service";

/// How long a token is good for where a test says nothing else, in seconds.
const LIFETIME_SECONDS: i64 = 600;

/// What signs tokens.
pub struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Signer {
    /// HS256 with a secret.
    pub fn hs256(secret: &[u8]) -> Self {
        Self::new(Algorithm::HS256, EncodingKey::from_secret(secret))
    }

    /// Any algorithm with any key of its family.
    pub fn new(algorithm: Algorithm, key: EncodingKey) -> Self {
        Self { algorithm, key }
    }
}

/// A token in the making.
#[derive(Clone)]
pub struct Token {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Token {
    /// A token of a user, issued now and good for some minutes.
    pub fn of(user: impl Into<Value>) -> Self {
        let token = Self {
            header: Map::new(),
            claims: Map::new(),
        };
        let token = token.header("typ", "JWT").claim("sub", user);
        token.claim("iat", now()).expires_in(LIFETIME_SECONDS)
    }

    /// With another claim; null takes it away.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        put(&mut self.claims, name, value.into());
        self
    }

    /// With a field of the header, `alg` included, whatever signs it; null takes it away.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        put(&mut self.header, name, value.into());
        self
    }

    /// With `exp` so many seconds from now.
    pub fn expires_in(self, seconds: i64) -> Self {
        self.claim("exp", now() + seconds)
    }

    /// With `nbf` so many seconds from now.
    pub fn begins_in(self, seconds: i64) -> Self {
        self.claim("nbf", now() + seconds)
    }

    /// With `iat` so many seconds from now.
    pub fn issued_in(self, seconds: i64) -> Self {
        self.claim("iat", now() + seconds)
    }

    /// With `iss`.
    pub fn issuer(self, issuer: &str) -> Self {
        self.claim("iss", issuer)
    }

    /// With `aud`: a text, or a list of them.
    pub fn audience(self, audience: impl Into<Value>) -> Self {
        self.claim("aud", audience)
    }

    /// With `scope`: a text, or a list of them.
    pub fn scope(self, scope: impl Into<Value>) -> Self {
        self.claim("scope", scope)
    }

    /// With the name of the key in its header.
    pub fn key_id(self, id: &str) -> Self {
        self.header("kid", id)
    }

    /// The token, signed. Its header names the signer's algorithm unless it was given another.
    pub fn sign(&self, signer: &Signer) -> String {
        let message = self.message(Some(signer.algorithm));
        let signature = crypto::sign(message.as_bytes(), &signer.key, signer.algorithm).unwrap();
        format!("{message}.{signature}")
    }

    /// The token, signed with [`SECRET`].
    pub fn signed(&self) -> String {
        self.sign(&Signer::hs256(SECRET.as_bytes()))
    }

    /// The token with a signature that is whatever it is given.
    pub fn with_signature(&self, signature: &str) -> String {
        format!("{}.{signature}", self.message(None))
    }

    /// What is signed.
    fn message(&self, algorithm: Option<Algorithm>) -> String {
        let mut header = self.header.clone();
        if let Some(algorithm) = algorithm {
            header.entry("alg").or_insert(json!(algorithm));
        }
        let part = |part: Map<String, Value>| URL_SAFE_NO_PAD.encode(Value::Object(part).to_string());
        format!("{}.{}", part(header), part(self.claims.clone()))
    }
}

/// Joins the parts of a token as they are, so that they can be no JSON at all, and signs them.
pub fn sign_raw(header: &str, claims: &str, signer: &Signer) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let signature = crypto::sign(message.as_bytes(), &signer.key, signer.algorithm).unwrap();
    format!("{message}.{signature}")
}

/// The seconds since 1970.
pub fn now() -> i64 {
    SystemClock.now().millis().div_euclid(1_000)
}

fn put(map: &mut Map<String, Value>, name: &str, value: Value) {
    match value {
        Value::Null => map.remove(name),
        value => map.insert(name.to_owned(), value),
    };
}
