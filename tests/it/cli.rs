//! The command line.

use std::process::{Command, Output};

use crate::support::scratch::Scratch;
use crate::support::server::Server;

fn colloquy(arguments: &[&str]) -> Output {
    let mut colloquy = Command::new(env!("CARGO_BIN_EXE_colloquy"));
    // What a developer's own shell may have set is none of the test's business.
    for variable in ["OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"] {
        colloquy.env_remove(variable);
    }
    colloquy.args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn openai_at(base_url: &str) -> [&str; 6] {
    [
        "--bot",
        "openai",
        "--openai-model",
        "a-model",
        "--openai-base-url",
        base_url,
    ]
}

#[test]
fn schema_prints_the_schema_and_nothing_else() {
    let output = colloquy(&["schema"]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), colloquy::graphql::sdl());
    assert_eq!(stderr(&output), "");
}

#[test]
fn a_configuration_that_cannot_be_is_refused_before_anything_is_opened() {
    for (arguments, reason) in [
        (&["--listen", "0.0.0.0:0"][..], "--insecure-no-auth"),
        (&["--listen", "somewhere"], "--listen"),
        (&["--store", "postgres://user:secret@host/db"], "mongodb://"),
        (&["--builtin-pace=-1"], "pace"),
        (&["--builtin-pace", "NaN"], "pace"),
        (&["--builtin-words", "1000000000"], "words"),
        (&["--builtin-faults", "stall@4=2s,cut@x"], "`cut@x`"),
        (&["--bot", "parrot"], "parrot"),
        (&["--bot", "openai"], "--openai-model"),
        (&["--bot", "openai", "--openai-model", " "], "--openai-model"),
        (&openai_at("http://user:secret@host/v1"), "--openai-base-url"),
        (&openai_at("ftp://secret"), "--openai-base-url"),
        (&openai_at("http://169.254.169.254/v1"), "metadata"),
        (&openai_at("http://[fe80::1]/v1"), "link-local"),
        (
            &[
                &openai_at("http://host")[..],
                &["--upstream-stall-timeout-ms", "0"],
            ]
            .concat(),
            "--upstream-stall-timeout-ms",
        ),
        (&["--counts", "never"], "kept, live"),
        (&["--no-such-flag"], "--no-such-flag"),
    ] {
        let output = colloquy(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(reason), "{}", stderr(&output));
        assert!(!stderr(&output).contains("secret"), "{}", stderr(&output));
    }
}

#[tokio::test]
async fn a_folder_or_an_address_in_use_is_named_in_the_error() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    let output = colloquy(&["--listen", "127.0.0.1:0", "--store", &scratch.address()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("another process uses the folder"),
        "{}",
        stderr(&output)
    );

    let other = Scratch::embedded().await;
    let address = server.url.trim_start_matches("http://");
    let output = colloquy(&["--listen", address, "--store", &other.address()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(address), "{}", stderr(&output));
}

#[test]
fn a_store_that_is_not_there_is_an_error_that_gives_no_password_away() {
    let store = "mongodb://user:secret@127.0.0.1:1/chats?serverSelectionTimeoutMS=200";
    let output = colloquy(&["--listen", "127.0.0.1:0", "--store", store]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("store"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("secret"), "{}", stderr(&output));
}

#[test]
fn a_key_is_taken_from_its_variable_only_and_never_repeated() {
    let mut broken = Command::new(env!("CARGO_BIN_EXE_colloquy"));
    broken
        .args(openai_at("http://host"))
        .env("OPENAI_API_KEY", "a secret key");
    let output = broken.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("OPENAI_API_KEY"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("secret"), "{}", stderr(&output));

    let mut help = Command::new(env!("CARGO_BIN_EXE_colloquy"));
    help.arg("--help")
        .env("OPENAI_API_KEY", "xyzzy")
        .env("OPENAI_BASE_URL", "http://user:xyzzy@host");
    let output = help.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("--openai-base-url"),
        "{text}"
    );
    assert!(
        !text.contains("xyzzy") && !text.contains("--openai-api-key"),
        "{text}"
    );
}

#[test]
fn the_help_of_doctor_says_what_it_looks_at_and_what_it_ends_with() {
    let output = colloquy(&["doctor", "--help"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    for part in [
        "change nothing",
        "--adopt",
        "the right to read is enough",
        "--format",
        "Possible values: - text",
        "else with 1",
    ] {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(part), "{part}: {text}");
    }
    let output = colloquy(&["--help"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("doctor"));
}
