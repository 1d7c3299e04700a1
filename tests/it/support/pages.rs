//! Pages on an origin of their own.

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The pages that stand there, and where they are.
const FILES: [(&str, &str, &str); 3] = [
    ("mt_page.html", "text/html", "examples/mt_page.html"),
    ("hooks.html", "text/html", "tests/clients/hooks.html"),
    ("hooks.js", "text/javascript", "tests/clients/hooks.js"),
];

/// An origin that has pages.
pub struct Pages {
    /// Its scheme, host and port.
    pub origin: String,
    serving: JoinHandle<()>,
}

impl Pages {
    /// An origin of its own.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().route("/{page}", get(page));
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { origin, serving }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn page(Path(page): Path<String>) -> Response {
    let Some((_, kind, file)) = FILES.iter().find(|(name, ..)| *name == page) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let page = tokio::fs::read(file).await.unwrap();
    ([(header::CONTENT_TYPE, *kind)], page).into_response()
}
