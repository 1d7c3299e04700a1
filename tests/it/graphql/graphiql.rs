//! GraphiQL in Chromium, with every other host out of reach.

use crate::support::program::{browser, run};
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::tokens::{SECRET, Token};

#[tokio::test(flavor = "multi_thread")]
async fn the_example_tabs_create_send_watch_and_list() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(&scratch, &["--builtin-pace", "40", "--builtin-words", "80"]);
    run(&mut browser("graphiql.js", &server));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_the_headers_tab_opens_http_and_sockets_and_one_that_is_missing_is_asked_for() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_in(
        &scratch,
        &["--builtin-pace", "40", "--builtin-words", "80"],
        &[("COLLOQUY_JWT_SECRET", SECRET)],
    );
    run(browser("graphiql-token.js", &server).arg(Token::of("mira").signed()));
}
