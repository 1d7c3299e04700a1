//! The pages, served from the binary: no other host is contacted.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use rust_embed::RustEmbed;

/// The bundle that `web/` builds, or pages that say how to build it.
#[derive(RustEmbed)]
#[folder = "$COLLOQUY_WEB_FOLDER"]
struct Web;

/// Nothing from elsewhere; GraphiQL's editor and Redoc need styles of their own making and workers.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     worker-src 'self' blob:; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; \
     frame-ancestors 'none'; base-uri 'none'";

/// `/` leads to GraphiQL.
pub async fn redirect() -> Redirect {
    Redirect::temporary("/graphql")
}

/// GraphiQL, for whoever tries the GraphQL API.
pub fn graphiql() -> Response {
    file("graphiql.html", "no-cache")
}

/// Swagger UI, for whoever tries the documented REST API.
pub async fn docs() -> Response {
    file("docs.html", "no-cache")
}

/// Redoc, for whoever reads about the documented REST API.
pub async fn redoc() -> Response {
    file("redoc.html", "no-cache")
}

/// A file of a page. Its name holds a hash of its content, so it never changes.
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
