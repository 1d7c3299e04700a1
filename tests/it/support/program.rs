//! Programs that the server is tried with.

use std::process::Command;

use super::scratch::from_script;
use super::server::Server;

/// A script of `tests/clients`, which Node.js is to run.
pub fn node(script: &str) -> Command {
    let mut node = Command::new("node");
    node.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients"))
        .arg(script);
    node
}

/// [`node`], for a script that drives a browser against a server.
pub fn browser(script: &str, server: &Server) -> Command {
    let mut node = node(script);
    node.args([&server.url, &from_script("COLLOQUY_TEST_CHROMIUM")]);
    node
}

/// Runs a program that must succeed: what it printed.
pub fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{stdout}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    stdout
}
