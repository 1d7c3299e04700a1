//! GraphiQL in Chromium, with every other host out of reach.

use std::process::Command;

use crate::support::scratch::{Scratch, from_script};
use crate::support::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn the_example_tabs_create_send_watch_and_list() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(&scratch, &["--builtin-pace", "40", "--builtin-words", "80"]);
    let output = Command::new("node")
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients"))
        .args(["graphiql.js", &server.url, &from_script("COLLOQUY_TEST_CHROMIUM")])
        .output()
        .expect("Node.js is missing");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
