//! `colloquy health`: what it says of a server, and what it ends with.

use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::support::mongod::Mongod;
use crate::support::scratch::Scratch;
use crate::support::server::Server;

/// Longer than a server takes to see that its store is away.
const NOTICED_WITHIN: Duration = Duration::from_secs(60);

/// Asks as something in the server's own container does: it knows where the server was told to listen, and a proxy for
/// what is outside.
fn ask(listen: &str, arguments: &[&str]) -> Output {
    let mut colloquy = Command::new(env!("CARGO_BIN_EXE_colloquy"));
    colloquy.arg("health").args(arguments);
    colloquy.env("COLLOQUY_LISTEN", listen);
    for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        colloquy.env(proxy, "http://127.0.0.1:1");
    }
    colloquy.output().unwrap()
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

fn address(server: &Server) -> &str {
    server.url.trim_start_matches("http://")
}

#[tokio::test]
async fn a_server_is_asked_where_it_was_told_to_listen_or_where_one_says() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    let port = address(&server).parse::<SocketAddr>().unwrap().port();
    let everywhere = format!("0.0.0.0:{port}");
    for (listen, arguments, answer) in [
        (address(&server), &[][..], "store"),
        (&everywhere, &[], "store"),
        (&everywhere, &["--live"], "healthy"),
        ("127.0.0.1:1", &[&server.url], "store"),
        ("127.0.0.1:1", &[&server.at("/health/live")], "healthy"),
        ("127.0.0.1:1", &["--listen", &everywhere], "store"),
    ] {
        let (code, text) = said(&ask(listen, arguments));
        assert_eq!(code, Some(0), "{arguments:?}: {text}");
        assert!(text.contains(answer), "{arguments:?}: {text}");
    }
}

#[tokio::test]
async fn a_server_without_its_store_lives_and_is_not_well() {
    let mongod = Mongod::start().await;
    let scratch = Scratch::on_mongod(&mongod.uri("owner", ""));
    let server = Server::start(&scratch);
    let (code, text) = said(&ask(address(&server), &[]));
    assert_eq!(code, Some(0), "{text}");
    drop(mongod);
    // What the store answered last stands for a moment.
    let deadline = Instant::now() + NOTICED_WITHIN;
    loop {
        let (code, text) = said(&ask(address(&server), &[]));
        if code == Some(1) {
            break;
        }
        assert!(Instant::now() < deadline, "{code:?}: {text}");
    }
    let (code, text) = said(&ask(address(&server), &["--live"]));
    assert_eq!(code, Some(0), "{text}");
    server.kill();
}

#[tokio::test]
async fn what_answers_something_else_is_not_well_and_its_answer_is_told() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    let (code, text) = said(&ask("127.0.0.1:1", &[&server.at("/nowhere?key=secret")]));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("/nowhere answers 404"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn what_does_not_answer_is_not_waited_for_long() {
    // It is connected to, by the kernel, and nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = silent.local_addr().unwrap().to_string();
    let (code, text) = said(&ask(&listen, &[]));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("does not answer"), "{text}");
    drop(silent);
    let (code, text) = said(&ask(&listen, &[&format!("http://{listen}/?key=secret")]));
    assert_eq!(code, Some(1), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn an_address_that_cannot_be_asked_is_a_mistake() {
    for arguments in [
        &["--listen", "0.0.0.0:0"][..],
        &["http://user:secret@127.0.0.1"],
        &["secret"],
    ] {
        let (code, text) = said(&ask("127.0.0.1:1", arguments));
        assert_eq!(code, Some(2), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn its_help_names_what_it_takes_and_no_flag_of_a_server_but_where_it_listens() {
    let (code, text) = said(&ask("127.0.0.1:1", &["--help"]));
    assert_eq!(code, Some(0));
    for part in ["URL", "--live", "--listen", "with 1 if it is not"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("--store"), "{text}");
}
