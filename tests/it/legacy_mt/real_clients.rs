//! Clients that somebody else's library or browser makes: the documented Python client, and the documented browser
//! clients in Chromium.

use std::process::Command;

use super::messages;
use crate::on_both_stores;
use crate::support::pages::Pages;
use crate::support::program::{browser, run};
use crate::support::scratch::{Scratch, from_script};
use crate::support::server::Server;

on_both_stores! {
    the_documented_python_client_gets_its_frames_and_the_whole_reply,
    browsers_show_what_is_stored_and_nothing_twice,
    the_documented_usage_runs_against_the_library,
}

async fn the_documented_python_client_gets_its_frames_and_the_whole_reply(scratch: &Scratch) {
    let server = Server::start_with(scratch, &["--builtin-pace", "200", "--builtin-words", "20"]);
    let chat = server.create_chat("A chat").await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/mt_client.py");
    let address = server.url.replacen("http", "ws", 1);
    let mut python = Command::new(from_script("COLLOQUY_TEST_WEBSOCKETS_PYTHON"));
    let output = run(python.args([script, &address, &chat, "Tell me about the sea"]));
    let (frames, reply) = output.split_once(" frames\n").unwrap();
    let lines: Vec<_> = frames.lines().collect();
    assert!(lines[0].starts_with("1 | message_upload_confirm | Tell me about the sea | False | "));
    assert!(lines[4].starts_with("5 | chat_message_bot_partial | None | None | "));
    assert_eq!(lines.len(), 6, "{output}");
    assert_eq!(
        messages(&server, &chat).await[1]["text"],
        reply.trim_end_matches('\n')
    );
}

async fn browsers_show_what_is_stored_and_nothing_twice(scratch: &Scratch) {
    let pages = Pages::start().await;
    let manner = ["--builtin-pace", "100", "--builtin-words", "60"];
    let server = Server::start_with(
        scratch,
        &[&manner[..], &["--cors-origin", &pages.origin]].concat(),
    );
    let script = move || run(browser("browser.js", &server).arg(&pages.origin));
    tokio::task::spawn_blocking(script).await.unwrap();
}

async fn the_documented_usage_runs_against_the_library(scratch: &Scratch) {
    // Built together with the tests.
    let example =
        std::path::Path::new(env!("CARGO_BIN_EXE_colloquy")).with_file_name("examples/documented_usage");
    let output = run(Command::new(example).arg(scratch.address()));
    let (first, rest) = output.split_once('\n').unwrap();
    let expected = "1 chats of user 1\nuser: Hello! How are you? \nbot: I am fine. How can I help you today? 👍\ninactive\n";
    assert_eq!(rest, expected);
    // A server finds what the program wrote.
    let server = Server::start(scratch);
    let stored = messages(&server, first.strip_prefix("chat ").unwrap()).await;
    assert_eq!(stored[0]["text"], "Hello! How are you?");
}
