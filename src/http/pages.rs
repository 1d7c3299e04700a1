//! The pages for people, served from the binary: no other host is contacted.

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rust_embed::{EmbeddedFile, RustEmbed};

/// The bundle that `web/` builds, or a page that says how to build it.
#[derive(RustEmbed)]
#[folder = "$COLLOQUY_WEB_FOLDER"]
struct Web;

/// What stands in for every page that was not built.
const UNBUILT: &str = "unbuilt.html";

/// Nothing from elsewhere and nothing inline. No string becomes markup or a script: where a browser knows Trusted Types,
/// it refuses even to try.
const CONSOLE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// Nothing from elsewhere; GraphiQL's editor and Redoc need styles of their own making and workers.
const EXPLORER_POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     worker-src 'self' blob:; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; \
     frame-ancestors 'none'; base-uri 'none'";

/// A page may have changed with every start of the server, so it is always asked for.
const ASK_AGAIN: &str = "no-cache";

/// Its name holds a hash of its content.
const NEVER_CHANGES: &str = "public, max-age=31536000, immutable";

/// The console.
pub async fn console(headers: HeaderMap) -> Response {
    page("console.html", CONSOLE_POLICY, &headers)
}

/// Swagger UI, for whoever tries the documented REST API.
pub async fn docs(headers: HeaderMap) -> Response {
    page("docs.html", EXPLORER_POLICY, &headers)
}

/// Redoc, for whoever reads about the documented REST API.
pub async fn redoc(headers: HeaderMap) -> Response {
    page("redoc.html", EXPLORER_POLICY, &headers)
}

/// GraphiQL, for whoever tries the GraphQL API.
pub fn graphiql(headers: &HeaderMap) -> Response {
    page("graphiql.html", EXPLORER_POLICY, headers)
}

/// A file that a page loads.
pub async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    let path = format!("assets/{path}");
    match Web::get(&path) {
        // A worker brings its own policy, and GraphiQL has some.
        Some(file) => answer(&path, file, NEVER_CHANGES, EXPLORER_POLICY, &headers),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn page(path: &str, policy: &'static str, headers: &HeaderMap) -> Response {
    match Web::get(path).or_else(|| Web::get(UNBUILT)) {
        Some(file) => answer(path, file, ASK_AGAIN, policy, headers),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn answer(
    path: &str,
    file: EmbeddedFile,
    cache: &'static str,
    policy: &'static str,
    headers: &HeaderMap,
) -> Response {
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    // Weak, because the same content may be sent compressed or not.
    let tag = format!(
        "W/\"{}\"",
        BASE64_URL_SAFE_NO_PAD.encode(file.metadata.sha256_hash())
    );
    let is_known = is_known(headers, &tag);
    let common = [
        (header::CACHE_CONTROL, cache),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CONTENT_TYPE, kind.as_ref()),
        (header::ETAG, &tag),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    if is_known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, file.data.into_owned()).into_response()
}

/// Whether the browser has it already.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|tags| tags.to_str().ok())
        .flat_map(|tags| tags.split(','))
        .any(|other| opaque(other) == opaque(tag))
}
