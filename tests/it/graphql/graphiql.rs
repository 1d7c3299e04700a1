//! GraphiQL in Chromium, with every other host out of reach.

use crate::support::program::{browser, run};
use crate::support::scratch::Scratch;
use crate::support::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn the_example_tabs_create_send_watch_and_list() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(&scratch, &["--builtin-pace", "40", "--builtin-words", "80"]);
    run(&mut browser("graphiql.js", &server));
}
