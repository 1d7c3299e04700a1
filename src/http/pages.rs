//! GraphiQL, served from the binary: no other host is contacted.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use rust_embed::RustEmbed;

/// The bundle that `web/` builds, or a page that says how to build it.
#[derive(RustEmbed)]
#[folder = "$COLLOQUY_WEB_FOLDER"]
struct Web;

/// Nothing from elsewhere; GraphiQL's editor needs styles of its own making and workers.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     worker-src 'self' blob:; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; \
     frame-ancestors 'none'; base-uri 'none'";

/// `/` leads to GraphiQL.
pub async fn redirect() -> Redirect {
    Redirect::temporary("/graphql")
}

/// The page.
pub fn page() -> Response {
    file("graphiql.html", "no-cache")
}

/// A file of the page. Its name holds a hash of its content, so it never changes.
pub async fn asset(Path(path): Path<String>) -> Response {
    file(&format!("assets/{path}"), "public, max-age=31536000, immutable")
}

fn file(path: &str, cache: &'static str) -> Response {
    match Web::get(path) {
        Some(file) => {
            let kind = mime_guess::from_path(path).first_or_octet_stream();
            let headers = [
                (header::CONTENT_TYPE, kind.as_ref()),
                (header::CACHE_CONTROL, cache),
                (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, file.data.into_owned()).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
