//! What is published for Node.js, against a running server: the graphql-ws client, and the audits of graphql-http.

use crate::on_both_stores;
use crate::support::program::{node, run};
use crate::support::scratch::Scratch;
use crate::support::server::Server;

on_both_stores! {
    a_reply_is_followed_from_anywhere_and_stopped,
    a_long_reply_survives_two_hundred_drops,
}

async fn a_reply_is_followed_from_anywhere_and_stopped(scratch: &Scratch) {
    let server = Server::start_with(scratch, &["--builtin-pace", "50", "--builtin-words", "60"]);
    run(node("reply.js").args([&server.url]));
}

async fn a_long_reply_survives_two_hundred_drops(scratch: &Scratch) {
    let server = Server::start_with(scratch, &["--builtin-pace", "500", "--builtin-words", "1500"]);
    let mut seed = [0; 4];
    getrandom::fill(&mut seed).unwrap();
    run(node("drops.js").args([&server.url, &u32::from_ne_bytes(seed).to_string()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_audit_of_graphql_http_that_binds_passes() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    run(node("audits.js").args([&server.url]));
}
