//! What is published for Node.js, against a running server: the graphql-ws client, and the audits of graphql-http.

use std::process::Command;

use crate::on_both_stores;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

on_both_stores! {
    a_reply_is_followed_from_anywhere_and_stopped,
    a_long_reply_survives_two_hundred_drops,
}

async fn a_reply_is_followed_from_anywhere_and_stopped(scratch: &Scratch) {
    let server = Server::start_with(scratch, &["--builtin-pace", "50", "--builtin-words", "60"]);
    run("reply.js", &[&server.url]);
}

async fn a_long_reply_survives_two_hundred_drops(scratch: &Scratch) {
    let server = Server::start_with(scratch, &["--builtin-pace", "500", "--builtin-words", "1500"]);
    let mut seed = [0; 4];
    getrandom::fill(&mut seed).unwrap();
    run("drops.js", &[&server.url, &u32::from_ne_bytes(seed).to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_audit_of_graphql_http_that_binds_passes() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    run("audits.js", &[&server.url]);
}

/// Runs a script to its end.
fn run(script: &str, arguments: &[&str]) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");
    let mut node = Command::new("node");
    let output = node
        .current_dir(folder)
        .arg(script)
        .args(arguments)
        .output()
        .expect("Node.js is missing");
    assert!(
        output.status.success(),
        "{script} {arguments:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
