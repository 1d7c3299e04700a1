//! The thinnest program that does the same work on the same libraries: axum, the MongoDB driver, reqwest. It checks
//! nobody, bounds nothing, and its replies are gone when their viewer is.

mod documents;
mod relay;

use std::net::SocketAddr;

use axum::Router;
use axum::routing::{get, post};
use mongodb::Client;
use mongodb::bson::Document;
use tokio::net::TcpListener;

/// What the baseline is told.
#[derive(clap::Args)]
pub struct Arguments {
    #[arg(long)]
    listen: SocketAddr,
    /// The database.
    #[arg(long)]
    mongodb: String,
    /// Where the scripted service listens.
    #[arg(long)]
    upstream: String,
}

/// Serves for ever.
pub async fn serve(arguments: Arguments) {
    let client = Client::with_uri_str(&arguments.mongodb).await.unwrap();
    let database = client.default_database().unwrap();
    let stored = documents::Stored {
        chats: database.collection("chats"),
        messages: database.collection("chat_messages"),
        written: database.collection::<Document>("chat_messages"),
    };
    let documents = Router::new()
        .route("/health", get(|| async { "" }))
        .route("/chats/{id}", get(documents::chat))
        .route("/chats/{id}/after/{at}/{message}", get(documents::page))
        .route("/users/{id}/chats", get(documents::chats))
        .route("/chats/{id}/messages", post(documents::create))
        .route(
            "/documented/chats/{id}/messages",
            get(documents::documented_messages),
        )
        .route("/documented/users/{id}/chats", get(documents::documented_chats))
        .route(
            "/documented/chats/{id}/messages",
            post(documents::create_documented),
        )
        .with_state(stored);
    let relays = Router::new()
        .route("/relay", get(relay::relay))
        .route("/broadcast", get(relay::watch).post(relay::broadcast))
        .with_state(relay::Relays::to(&arguments.upstream));
    let listener = TcpListener::bind(arguments.listen).await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    // As the server does: a small answer waits for nobody.
    let listener = axum::serve::ListenerExt::tap_io(listener, |socket| drop(socket.set_nodelay(true)));
    axum::serve(listener, documents.merge(relays)).await.unwrap();
}
