//! What holds of any text that is taken for a token, before a key has proven it. Shared by the tests here and a fuzz
//! target.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use colloquy::auth;
use serde_json::Value;

/// What a token may be signed by, as far as its header is looked at; the keys decide.
const SIGNED: [&str; 13] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
    "EdDSA", "ES512",
];
/// What a header must not bring.
const FOREIGN: [&str; 7] = ["jku", "jwk", "x5u", "x5c", "crit", "enc", "zip"];

/// A header that may go on to the keys is one that is signed, and brings neither a key nor a demand.
pub fn check(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        auth::peek(text);
    }
    let encoded = BASE64_URL_SAFE_NO_PAD.encode(bytes);
    if !auth::peek(&format!("{encoded}.e30.AAAA")) {
        return;
    }
    let Ok(Value::Object(header)) = serde_json::from_slice(bytes) else {
        panic!("a header that is no object went through");
    };
    let algorithm = header.get("alg").and_then(Value::as_str);
    assert!(
        algorithm.is_some_and(|algorithm| SIGNED.contains(&algorithm)),
        "{header:?}"
    );
    let is_brought = |name: &&str| header.get(*name).is_some_and(|value| !value.is_null());
    assert!(!FOREIGN.iter().any(is_brought), "{header:?}");
}
