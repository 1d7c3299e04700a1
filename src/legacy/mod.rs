//! The API of the documented system that Colloquy takes the place of, for the clients that are there: REST, and `mt`
//! frames over a WebSocket.

pub mod dates;
pub mod frame;
pub mod rest;
pub mod socket;

mod texts;

use axum::Router;

/// Routes as they are, and below `prefix` once more unless it is empty.
fn below(prefix: &str, routes: Router) -> Router {
    match prefix {
        "" => routes,
        prefix => routes.clone().nest(prefix, routes),
    }
}
