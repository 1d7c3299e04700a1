//! The console at `/`, in Chromium, with every other host out of reach; and how its files are served.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use reqwest::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH};
use reqwest::{Client, StatusCode};

use crate::on_both_stores;
use crate::support::program::{browser, run};
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::tokens::{SECRET, SERVICE_SCOPE, Token};

on_both_stores! {
    everything_that_the_console_can_do_is_seen_by_another_tab,
    replies_go_on_exactly_through_reloads_and_cuts,
    a_page_outlives_its_server,
}

async fn everything_that_the_console_can_do_is_seen_by_another_tab(scratch: &Scratch) {
    play(scratch, "journey.js", "40", "60").await;
}

async fn replies_go_on_exactly_through_reloads_and_cuts(scratch: &Scratch) {
    play(scratch, "resume.js", "150", "900").await;
}

async fn a_page_outlives_its_server(scratch: &Scratch) {
    let arguments = ["--builtin-pace", "100", "--builtin-words", "5000"];
    let server = Server::start_with(scratch, &arguments);
    let mut node = browser("console/restart.js", &server)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Node.js is missing");
    let mut said = String::new();
    BufReader::new(node.stdout.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    server.kill();
    let server = Server::start_with(scratch, &arguments);
    // Gone already if it failed before; then it says why.
    let _ = writeln!(node.stdin.take().unwrap(), "{}", server.url);
    let output = node.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_chat_is_read_backwards_without_a_jump() {
    play(&Scratch::embedded().await, "older.js", "0", "0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_would_be_more_than_text_does_nothing() {
    play(&Scratch::embedded().await, "untrusted.js", "200", "0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_alone_does_everything() {
    play(&Scratch::embedded().await, "keyboard.js", "40", "400").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_focus_goes_where_it_should_at_once_or_not_at_all() {
    play(&Scratch::embedded().await, "focus.js", "0", "0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_stands_in_the_way_of_a_screen_reader() {
    play(&Scratch::embedded().await, "accessibility.js", "40", "400").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_a_token_signs_in_and_goes_on_with_another() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_in(
        &scratch,
        &["--builtin-pace", "20", "--builtin-words", "200"],
        &[("COLLOQUY_JWT_SECRET", SECRET)],
    );
    let mira = Token::of("mira");
    let tokens = [
        mira.clone(),
        // Of after the moment at which the first one is withdrawn, whenever that is.
        mira.issued_in(300),
        Token::of("ravi"),
        Token::of("console-tests").scope(SERVICE_SCOPE),
    ];
    let tokens = tokens.map(|token| token.signed());
    run(browser("console/sign-in.js", &server).args(tokens));
}

/// Runs a script against a server whose bot has this pace and says this many words.
async fn play(scratch: &Scratch, script: &str, pace: &str, words: &str) {
    let server = Server::start_with(scratch, &["--builtin-pace", pace, "--builtin-words", words]);
    run(&mut browser(&format!("console/{script}"), &server));
}

#[tokio::test]
async fn the_console_is_small_and_loads_from_this_server_alone() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    let page = reqwest::get(server.at("/")).await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert_eq!(page.headers()[CACHE_CONTROL], "no-cache");
    let policy = page.headers()[CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("unsafe") && !policy.contains("http"),
        "{policy}"
    );
    let page = page.text().await.unwrap();
    let links = ["src=\"", "href=\""]
        .into_iter()
        .flat_map(|attribute| page.split(attribute).skip(1))
        .filter_map(|rest| rest.split('"').next());
    let (mut scripts, mut bytes) = (0, 0);
    for link in links {
        assert!(
            link.starts_with("/assets/"),
            "{link}; was it built? run `make web`"
        );
        let file = reqwest::get(server.at(link)).await.unwrap();
        assert_eq!(file.status(), StatusCode::OK, "{link}");
        assert_eq!(
            file.headers()[CACHE_CONTROL],
            "public, max-age=31536000, immutable"
        );
        scripts += usize::from(link.ends_with(".js"));
        bytes += file.bytes().await.unwrap().len();
    }
    assert!(scripts > 0);
    // GraphiQL alone has ten times as much.
    assert!(bytes < 250_000, "the console has grown to {bytes} bytes");
}

#[tokio::test]
async fn a_page_that_a_browser_has_is_not_sent_again() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    let client = Client::new();
    let get = async |tag: &str| {
        let request = client.get(server.at("/")).header(IF_NONE_MATCH, tag);
        request.send().await.unwrap()
    };
    let first = get("\"another\"").await;
    assert_eq!(first.status(), StatusCode::OK);
    let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
    let second = get(&format!("\"another\", {tag}")).await;
    assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(second.headers()[ETAG], tag.as_str());
    assert_eq!(second.text().await.unwrap(), "");
    // Other paths are as they were.
    let other = reqwest::get(server.at("/nothing-here")).await.unwrap();
    assert_eq!(other.status(), StatusCode::NOT_FOUND);
}
