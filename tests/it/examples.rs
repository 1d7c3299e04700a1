//! The programs in `examples/` that follow a reply, run as a user runs them, over a line that is cut.

use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::cutter::{Cut, Cutter};
use crate::support::scratch::{Scratch, from_script};
use crate::support::server::Server;
use crate::support::tokens::{SECRET, Token};

/// Longer than any of them takes on a busy machine.
const WAIT_MAX: Duration = Duration::from_secs(90);

/// Declares cases that take a program, each run with every one.
macro_rules! with_each_client {
    ($($case:ident),+ $(,)?) => {
        with_each_client!(@of graphql_ws, typescript("graphql-ws.ts"), $($case),+);
        with_each_client!(@of apollo, typescript("apollo.ts"), $($case),+);
        with_each_client!(@of urql, typescript("urql.ts"), $($case),+);
        with_each_client!(@of urql_over_sse, typescript("urql-sse.ts"), $($case),+);
        with_each_client!(@of python, python(), $($case),+);
        with_each_client!(@of rust, rust(), $($case),+);
        with_each_client!(@of curl, curl(), $($case),+);
    };
    (@of $client:ident, $command:expr, $($case:ident),+) => {
        mod $client {
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::$case($command).await;
                }
            )+
        }
    };
}

with_each_client! {
    nothing_is_lost_doubled_or_reordered_over_a_line_that_is_cut,
    what_a_crash_took_back_is_replaced,
    a_token_is_shown_where_the_server_asks_for_one,
}

async fn a_token_is_shown_where_the_server_asks_for_one(mut client: Command) {
    let scratch = Scratch::embedded().await;
    let secret = [("COLLOQUY_JWT_SECRET", SECRET)];
    let server = Server::start_in(&scratch, &["--builtin-pace", "0"], &secret);
    client.env("COLLOQUY_TOKEN", Token::of("mira").signed());
    assert_eq!(
        run(client, &[&server.url, "One word"]).await,
        "You wrote: One word\n"
    );
}

async fn nothing_is_lost_doubled_or_reordered_over_a_line_that_is_cut(client: Command) {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(&scratch, &["--builtin-pace", "40", "--builtin-words", "200"]);
    let cuts = [
        Cut::Answer("sendMessage"),
        Cut::Close(4),
        Cut::Reset(4),
        Cut::End(4),
        Cut::Reset(5),
        Cut::End(5),
    ];
    let cutter = Cutter::start(&server, cuts).await;
    let question = "मुझे समुद्र के बारे में बताओ 👩‍👩‍👧\n\\n & \"Kraken\"";
    let shown = run(client, &[&cutter.url, question]).await;
    assert!(
        cutter.cuts_left().is_empty(),
        "{:?} of {cuts:?}",
        cutter.cuts_left()
    );
    // Sent twice, and stored once.
    let (asked, reply) = stored(&server).await;
    assert_eq!(asked["text"], question);
    assert_eq!(reply["reply"]["state"], "COMPLETE");
    let text = reply["text"].as_str().unwrap();
    assert!(text.contains("👩‍👩‍👧"), "{text}");
    assert_eq!(shown, format!("{text}\n"));
    // Only the first subscription began with all there was: the others went on after their cursors.
    assert_eq!(cutter.heard().1.matches("ReplySnapshot").count(), 1);
}

async fn what_a_crash_took_back_is_replaced(client: Command) {
    let scratch = Scratch::embedded().await;
    let start = || Server::start_with(&scratch, &["--builtin-pace", "50", "--builtin-words", "100000"]);
    let server = start();
    let cutter = Cutter::start(&server, []).await;
    let url = cutter.url.clone();
    let shown = tokio::spawn(async move { run(client, &[&url, "The sea 🌊"]).await });
    // Two seconds of it and some more, in the middle between two checkpoints: what came first has been stored by then, and
    // what came last has not.
    cutter.brought(110).await;
    server.kill();
    let server = start();
    cutter.lead_to(&server);
    let shown = shown.await.unwrap();
    let (_, reply) = stored(&server).await;
    assert_eq!(reply["reply"]["state"], "INTERRUPTED");
    let text = reply["text"].as_str().unwrap();
    assert!(!text.is_empty());
    // The text began again, and the second time it is all that was kept.
    let before = shown.strip_suffix(&format!("\n{text}\n"));
    let before = before.unwrap_or_else(|| panic!("{shown}\nis not what is stored:\n{text}"));
    assert!(before.starts_with(text) && before != text, "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn apollo_sends_each_document_once_and_then_its_hash() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    let cutter = Cutter::start(&server, []).await;
    // A document in a body, and not in a frame, which a client masks.
    let documents = |requests: &str| requests.matches("\"query\":\"mutation").count();
    let hashes = |requests: &str| requests.matches("\"sha256Hash\":\"").count();
    run(typescript("apollo.ts"), &[&cutter.url, "hello"]).await;
    let (requests, _) = cutter.heard();
    assert_eq!((documents(&requests), hashes(&requests)), (2, 4), "{requests}");
    // Another run finds them known.
    run(typescript("apollo.ts"), &[&cutter.url, "hello"]).await;
    let (requests, _) = cutter.heard();
    assert_eq!((documents(&requests), hashes(&requests)), (0, 2), "{requests}");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_in_typescript_fit_the_schema() {
    run(typescript("generate.ts"), &["--check"]).await;
    run(node(), &["node_modules/typescript/bin/tsc"]).await;
}

/// The question and the reply in the only chat there is, each asked for by its id.
async fn stored(server: &Server) -> (Value, Value) {
    let list = "{ chats(first: 2) { nodes { messages(first: 3) { nodes { id author } } } } }";
    let data = server.data(list, json!({})).await;
    let chats = data["chats"]["nodes"].as_array().unwrap();
    assert_eq!(chats.len(), 1, "{data}");
    let messages = chats[0]["messages"]["nodes"].as_array().unwrap();
    let authors: Vec<_> = messages.iter().map(|message| &message["author"]).collect();
    assert_eq!(authors, ["USER", "BOT"], "{data}");
    let query = "query ($id: ID!) { message(id: $id) { text reply { state } } }";
    let mut question = server.data(query, json!({ "id": messages[0]["id"] })).await;
    let mut reply = server.data(query, json!({ "id": messages[1]["id"] })).await;
    (question["message"].take(), reply["message"].take())
}

fn node() -> Command {
    let mut node = Command::new("node");
    node.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/typescript"));
    node
}

/// What `npx tsx` runs, as one process, so that it can be ended.
pub fn typescript(program: &str) -> Command {
    let mut node = node();
    node.args(["--import", "tsx", program]);
    node
}

pub fn python() -> Command {
    let mut python = Command::new(from_script("COLLOQUY_TEST_GQL_PYTHON"));
    python.env("PYTHONDONTWRITEBYTECODE", "1").arg(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/python/follow_reply.py"
    ));
    python
}

/// Built together with the tests.
fn rust() -> Command {
    let server = std::path::Path::new(env!("CARGO_BIN_EXE_colloquy"));
    Command::new(server.with_file_name("examples/follow_reply"))
}

fn curl() -> Command {
    Command::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/curl/follow_reply.sh"
    ))
}

/// Runs a program to its end, which must be a good one: what it printed.
pub async fn run(mut command: Command, arguments: &[&str]) -> String {
    command.args(arguments).stdin(Stdio::null());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let pid = Pid::from_child(&child);
    let mut ended = tokio::task::spawn_blocking(move || child.wait_with_output());
    let mut is_late = false;
    let output = match tokio::time::timeout(WAIT_MAX, &mut ended).await {
        Ok(output) => output,
        Err(_) => {
            is_late = true;
            kill_process(pid, Signal::KILL).unwrap();
            ended.await
        }
    };
    let output = output.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && !is_late,
        "{command:?}: {}\n{said}\n{complained}",
        output.status
    );
    said
}
