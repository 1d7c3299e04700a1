//! What a token looks like, before and while it is proven.

use jsonwebtoken::Header;

use super::TokenError;
use super::claims::Claims;
use super::keys::Key;

/// The longest token that is looked at, in bytes.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// The longest name of a key that is looked for, in bytes.
const KEY_ID_BYTES_MAX: usize = 256;

/// The header of a token that may be proven: it is signed, and brings no key and no demand of its own.
pub fn header(token: &str) -> Result<Header, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Invalid);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
    let is_jwt = header.typ.as_deref().is_none_or(|kind| {
        // By RFC 7519 and RFC 9068; both without regard to case.
        let kind = kind.to_ascii_lowercase();
        ["jwt", "at+jwt", "application/at+jwt"].contains(&kind.as_str())
    });
    let brings_a_key =
        header.jku.is_some() || header.jwk.is_some() || header.x5u.is_some() || header.x5c.is_some();
    let demands = header.crit.is_some() || header.enc.is_some() || header.zip.is_some();
    let is_named = header
        .kid
        .as_ref()
        .is_none_or(|kid| kid.len() <= KEY_ID_BYTES_MAX);
    match is_jwt && is_named && !brings_a_key && !demands {
        true => Ok(header),
        false => Err(TokenError::Invalid),
    }
}

/// The claims of a token, if one of these keys proves it, and it is for us and for now.
pub fn claims<'a>(token: &str, mut keys: impl Iterator<Item = &'a Key>) -> Option<Claims> {
    keys.find_map(|key| key.prove(token))
}

/// Looks at the header of a token as [`super::Authenticator::identify`] does: for whoever tries what it does to anything.
pub fn peek(token: &str) -> bool {
    header(token).is_ok()
}
