//! Whose tokens are believed, and what is read from them.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::ConfigError;

/// What signs tokens. No other algorithm is ever looked at, whatever a token says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JwtAlgorithm {
    /// HMAC with SHA-256, of a secret that the issuer and this server share.
    Hs256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, of a key of 2048 bits at least.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// EdDSA on Curve25519.
    EdDsa,
}

impl JwtAlgorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hs256, Self::Rs256, Self::Es256, Self::EdDsa];

    /// As RFC 7518 and RFC 8037 call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Reads its name.
    pub fn parse(name: &str) -> Result<Self, ConfigError> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name() == name);
        found.ok_or(ConfigError::JwtAlgorithm)
    }
}

/// A key that tokens are proven by. Never printed, because some are secrets.
#[derive(Clone)]
pub enum JwtKey {
    /// A secret for HS256.
    Secret(SecretString),
    /// A public key in PEM, for the algorithm that its kind allows.
    Pem(SecretString),
}

impl JwtKey {
    /// The fewest bytes of a secret: as many as its hash has, by RFC 7518.
    pub const SECRET_BYTES_MIN: usize = 32;
    /// The most bytes of a key's file.
    pub const BYTES_MAX: usize = 64 * 1024;

    /// Reads a key: a PEM if it looks like one, else a secret. The line break at its end is the editor's.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let key = text.trim_end_matches(['\r', '\n']);
        if key.trim_start().starts_with("-----BEGIN") {
            return match key.contains("PRIVATE KEY") {
                true => Err(ConfigError::JwtPrivateKey),
                false => Ok(Self::Pem(key.to_owned().into())),
            };
        }
        match key.len() < Self::SECRET_BYTES_MIN {
            true => Err(ConfigError::JwtSecret),
            false => Ok(Self::Secret(key.to_owned().into())),
        }
    }

    /// Its bytes, for whoever verifies by it.
    pub fn expose(&self) -> &[u8] {
        match self {
            Self::Secret(key) | Self::Pem(key) => key.expose_secret().as_bytes(),
        }
    }
}

impl std::fmt::Debug for JwtKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Secret(_) => "Secret([redacted])",
            Self::Pem(_) => "Pem([redacted])",
        })
    }
}

/// Where an issuer publishes its keys, as RFC 7517 has it. May hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct JwksUrl(Url);

impl JwksUrl {
    /// Reads what `--jwks-url` takes: `https://`, or `http://` to this machine. Whoever can change the keys on their way
    /// can be anybody.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let url = Url::parse(text.trim()).map_err(|_| ConfigError::JwksUrl)?;
        let is_here = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => return Err(ConfigError::JwksUrl),
        };
        match url.scheme() == "https" || (url.scheme() == "http" && is_here) {
            true => Ok(Self(url)),
            false => Err(ConfigError::JwksUrl),
        }
    }

    /// The address, for whoever asks there.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl std::fmt::Debug for JwksUrl {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("JwksUrl([redacted])")
    }
}

/// Whose tokens are believed, and what is read from them.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// Keys that are known from the start. Several, so that one can take over from another.
    pub keys: Vec<JwtKey>,
    /// Where further keys are published.
    pub jwks_url: Option<JwksUrl>,
    /// The algorithms that are believed; those that the keys are for, if there are none.
    pub algorithms: Vec<JwtAlgorithm>,
    /// Who must have issued a token (`iss`); anybody who has a key if not given.
    pub issuer: Option<String>,
    /// Whom a token must be meant for (`aud`): one of these. Tokens for others are refused even if there are none.
    pub audiences: Vec<String>,
    /// The claim that names the user. Default `sub`.
    pub user_claim: String,
    /// Whether a user that is a number in a text is the integer, as documented databases have them. Default no.
    pub has_integer_users: bool,
    /// The scope (`scope`) of programs that may act for every user. Default [`Self::SERVICE_SCOPE`].
    pub service_scope: String,
    /// How much the clocks of the issuer and this server may differ. Default [`Self::LEEWAY`].
    pub leeway: Duration,
    /// The longest that a token may be good for from now on; [`Self::LIFETIME_MAX`] at most, as default.
    pub lifetime_max: Duration,
}

impl AuthConfig {
    /// The claim that names the user, by RFC 7519.
    pub const USER_CLAIM: &'static str = "sub";
    /// The scope of programs that may act for every user.
    pub const SERVICE_SCOPE: &'static str = "chat:service";
    /// How much clocks may differ where nothing else is said.
    pub const LEEWAY: Duration = Duration::from_secs(30);
    /// The most that clocks may be said to differ.
    pub const LEEWAY_MAX: Duration = Duration::from_secs(600);
    /// The longest life of a token. A revocation is kept as long, so that no token outlives it.
    pub const LIFETIME_MAX: Duration = Duration::from_secs(400 * 86_400);

    /// Tokens of these keys, and everything else as by default.
    pub fn of_keys(keys: Vec<JwtKey>) -> Self {
        Self {
            keys,
            jwks_url: None,
            algorithms: Vec::new(),
            issuer: None,
            audiences: Vec::new(),
            user_claim: Self::USER_CLAIM.to_owned(),
            has_integer_users: false,
            service_scope: Self::SERVICE_SCOPE.to_owned(),
            leeway: Self::LEEWAY,
            lifetime_max: Self::LIFETIME_MAX,
        }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if self.leeway > Self::LEEWAY_MAX {
            return Err(ConfigError::JwtLeeway);
        }
        let is_named = |text: &String| !text.trim().is_empty();
        if !is_named(&self.user_claim) || !is_named(&self.service_scope) {
            return Err(ConfigError::JwtClaim);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_addresses_of_keys_are_never_printed() {
        let secret = "a secret that is long enough for its hash";
        let url = "https://user:secret@issuer.example/keys";
        let config = AuthConfig {
            jwks_url: Some(JwksUrl::parse(url).unwrap()),
            ..AuthConfig::of_keys(vec![JwtKey::parse(secret).unwrap()])
        };
        let printed = format!("{config:?}");
        assert!(
            !printed.contains("secret that") && !printed.contains("issuer.example"),
            "{printed}"
        );
    }

    #[test]
    fn a_key_is_read_as_what_it_is() {
        for short in ["", "short", &"x".repeat(31)] {
            assert!(
                matches!(JwtKey::parse(short), Err(ConfigError::JwtSecret)),
                "{short}"
            );
        }
        let line = format!("{}\r\n", "x".repeat(32));
        assert_eq!(JwtKey::parse(&line).unwrap().expose().len(), 32);
        let public = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
        assert!(matches!(JwtKey::parse(public), Ok(JwtKey::Pem(_))));
        let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(matches!(JwtKey::parse(private), Err(ConfigError::JwtPrivateKey)));
    }

    #[test]
    fn keys_come_over_a_line_that_nobody_can_change() {
        for good in [
            "https://issuer.example/.well-known/jwks.json",
            "http://127.0.0.1:8080/keys",
            "http://[::1]/keys",
            "http://localhost/keys",
        ] {
            assert!(JwksUrl::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "issuer.example",
            "http://issuer.example/keys",
            "file:///keys",
            "http://127.0.0.1.example/",
        ] {
            assert_eq!(JwksUrl::parse(bad), Err(ConfigError::JwksUrl), "{bad}");
        }
    }
}
