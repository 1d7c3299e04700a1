//! Secrets: in the environment, or in files that it names. Never arguments, which everybody on the machine can read.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::config::{ConfigError, JwtKey};

/// The variables that hold secrets and nothing else. Each may be left out for one with `_FILE` behind its name, which
/// names a file that holds the secret, as orchestrators hand them in.
pub const VARIABLES: [&str; 3] = ["COLLOQUY_JWT_SECRET", TOKEN, "OPENAI_API_KEY"];
/// The token that `colloquy chat` shows to the server.
pub const TOKEN: &str = "COLLOQUY_TOKEN";
/// The variables of addresses that may hold a password, of which the same is true.
pub const ADDRESSES: [&str; 2] = ["COLLOQUY_FEED", "COLLOQUY_STORE"];
/// What makes the name of a variable that of a file.
pub const FILE: &str = "_FILE";

/// What a variable holds, or the file that its sister names. One that is set to nothing is not set.
#[expect(
    clippy::disallowed_methods,
    reason = "a secret has no flag that could name its variable"
)]
pub fn variable(name: &str) -> Result<Option<String>, ConfigError> {
    match std::env::var(name) {
        Ok(secret) if secret.trim().is_empty() => file_of(name).transpose(),
        Ok(secret) => Ok(Some(secret)),
        Err(std::env::VarError::NotPresent) => file_of(name).transpose(),
        Err(std::env::VarError::NotUnicode(_)) => Err(unreadable(name, "it is no UTF-8")),
    }
}

/// What is in the file that the sister of a variable names, if it is set.
pub fn file_of(name: &str) -> Option<Result<String, ConfigError>> {
    let sister = format!("{name}{FILE}");
    let path = std::env::var_os(&sister).filter(|path| !path.is_empty())?;
    Some(file(&sister, Path::new(&path)))
}

/// What is in a file that `what` names.
pub fn file(what: &str, path: &Path) -> Result<String, ConfigError> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| {
        let bytes_max = u64::try_from(JwtKey::BYTES_MAX).unwrap_or(u64::MAX);
        file.take(bytes_max.saturating_add(1)).read_to_string(&mut text)
    });
    match read {
        Ok(bytes) if bytes > JwtKey::BYTES_MAX => Err(unreadable(what, "it is too large")),
        Ok(_) => Ok(text),
        Err(error) => Err(unreadable(what, &error.kind().to_string())),
    }
}

fn unreadable(what: &str, reason: &str) -> ConfigError {
    ConfigError::SecretFile {
        what: what.to_owned(),
        reason: reason.to_owned(),
    }
}
