//! Scripts: messages piped in, texts on standard output, and an exit code.

use std::io::{Cursor, Read, Write};
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio_tungstenite::tungstenite::WebSocket;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::{client, messages, replies};
use crate::support::cutter::{Cut, Cutter};
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::tokens::{SECRET, Token};

/// Longer than a server takes to find out that another died; only a failure waits for it.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What a script sees of a conversation.
struct Talk {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Child {
    let mut client = client(arguments);
    client
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    client.spawn().unwrap()
}

/// Waits for the end, with what was read already.
async fn end(client: Child, read: Vec<u8>) -> Talk {
    let pid = Pid::from_child(&client);
    let mut waiting = tokio::task::spawn_blocking(|| client.wait_with_output().unwrap());
    let output = match tokio::time::timeout(WAIT_MAX, &mut waiting).await {
        Ok(output) => output.unwrap(),
        Err(_) => {
            kill_process(pid, Signal::KILL).unwrap();
            panic!("it did not end: {:?}", waiting.await);
        }
    };
    Talk {
        code: output.status.code(),
        stdout: String::from_utf8([read, output.stdout].concat()).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// What a line to the proxy said over its WebSocket, if it is one.
fn said_over_socket(line: &[u8]) -> Option<Vec<Value>> {
    let head = line.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&line[..head]).to_lowercase();
    if !text.contains("upgrade: websocket") {
        return None;
    }
    let mut socket = WebSocket::from_raw_socket(Cursor::new(line[head..].to_vec()), Role::Server, None);
    let frames = std::iter::from_fn(|| socket.read().ok()).filter(|frame| frame.is_text());
    let messages = frames.map(|frame| serde_json::from_str(frame.to_text().unwrap()).unwrap());
    Some(messages.collect())
}

async fn talk(arguments: &[&str], input: &str) -> Talk {
    talk_in(arguments, &[], input).await
}

/// [`talk`], with variables.
async fn talk_in(arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Talk {
    let mut client = start(arguments, variables);
    // One that has ended already reads nothing, and says why elsewhere.
    let _ = client.stdin.take().unwrap().write_all(input.as_bytes());
    end(client, Vec::new()).await
}

/// Reads until so many bytes have come.
async fn read_some(mut client: Child, bytes: usize) -> (Child, Vec<u8>) {
    let reading = tokio::task::spawn_blocking(move || {
        let mut read = vec![0; bytes];
        client.stdout.as_mut().unwrap().read_exact(&mut read).unwrap();
        (client, read)
    });
    reading.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piped_conversation_prints_exactly_the_stored_texts() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(&scratch, &["--builtin-pace", "0", "--builtin-words", "300"]);
    let said = talk(
        &[&server.url, "--new", "A script"],
        "Tell me about the sea\n\nAnd\\\nmore?\r\nBye",
    )
    .await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let messages = messages(&server).await;
    assert_eq!(said.stdout, replies(&messages));
    let asked: Vec<_> = messages
        .iter()
        .filter(|message| message["author"] == "USER")
        .collect();
    let asked: Vec<_> = asked
        .iter()
        .map(|message| message["text"].as_str().unwrap())
        .collect();
    assert_eq!(asked, ["Tell me about the sea", "And\nmore?", "Bye"]);
    assert!(said.stderr.contains("A script"), "{}", said.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_in_hindi_goes_on_in_its_chat() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    let first = talk(&[&server.url], "मुझे समुद्र के बारे में बताओ\n").await;
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert!(
        first.stderr.contains(": मुझे समुद्र के बारे में बताओ]"),
        "{}",
        first.stderr
    );
    let id = first
        .stderr
        .split_whitespace()
        .nth(1)
        .unwrap()
        .trim_end_matches(':');
    // The documented endpoint is as good as the base address.
    let second = talk(
        &[&server.at("/graphql"), "--chat", id, "--language", "hi"],
        "क्षत्रिय और ज्ञान 🌊\n",
    )
    .await;
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    assert!(second.stdout.starts_with("आपने लिखा: क्षत्रिय"), "{}", second.stdout);
    let messages = messages(&server).await;
    assert_eq!(first.stdout + &second.stdout, replies(&messages));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_twice_costs_no_character() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(&scratch, &["--builtin-pace", "300", "--builtin-words", "200"]);
    // Each in the middle of a frame, and as a rule of a letter.
    let proxy = Cutter::start(&server, [Cut::Bytes(2_001), Cut::Bytes(1_502)]).await;
    let said = talk(&[&proxy.url], "मुझे समुद्र के बारे में बताओ 🌊\n").await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(proxy.cuts_left().is_empty());
    assert_eq!(said.stdout, replies(&messages(&server).await));
    // From where it was, and not from the beginning.
    let sockets: Vec<_> = proxy
        .sent()
        .iter()
        .filter_map(|line| said_over_socket(line))
        .collect();
    let after: Vec<_> = sockets
        .iter()
        .map(|said| &said[1]["payload"]["variables"]["after"])
        .collect();
    assert_eq!(
        after.iter().map(|after| after.is_string()).collect::<Vec<_>>(),
        [false, true, true]
    );
    assert_ne!(after[1], after[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_answer_is_lost_is_stored_once() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    let proxy = Cutter::start(&server, [Cut::Answer("sendMessage")]).await;
    let said = talk(&[&proxy.url], "Hello\n").await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(proxy.cuts_left().is_empty());
    let messages = messages(&server).await;
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!(said.stdout, replies(&messages));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_in_the_middle_leaves_an_interrupted_reply() {
    let scratch = Scratch::embedded().await;
    let start_server =
        || Server::start_with(&scratch, &["--builtin-pace", "60", "--builtin-words", "100000"]);
    let server = start_server();
    let proxy = Cutter::start(&server, []).await;
    let mut client = start(&[&proxy.url], &[]);
    client
        .stdin
        .take()
        .unwrap()
        .write_all(b"Tell me about the sea\n")
        .unwrap();
    let (client, read) = read_some(client, 300).await;
    server.kill();
    let server = start_server();
    proxy.lead_to(&server);
    let said = end(client, read).await;
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("INTERRUPTED"), "{}", said.stderr);
    let messages = messages(&server).await;
    assert_eq!(messages[1]["reply"]["state"], "INTERRUPTED");
    // What was shown beyond the last checkpoint is not stored: then the text stands there once more.
    let stored = replies(&messages);
    let shown = said
        .stdout
        .strip_suffix(&stored)
        .unwrap_or_else(|| panic!("{}", said.stdout));
    let is_corrected = said.stderr.contains("was not kept");
    assert_eq!(!shown.is_empty(), is_corrected, "{}", said.stderr);
    assert!(
        shown.is_empty() || shown.starts_with(stored.trim_end()),
        "{}",
        said.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_is_told_by_its_code_and_the_next_one_is_sent() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    let too_long = "x".repeat(33 * 1024);
    let said = talk(&[&server.url], &format!("{too_long}\nOne word\n")).await;
    assert_eq!(said.code, Some(1));
    assert!(
        said.stderr.contains("colloquy: INVALID_TEXT: "),
        "{}",
        said.stderr
    );
    assert_eq!(said.stdout, "You wrote: One word\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_fails_is_told_and_makes_the_exit_code_1() {
    for (fault, words) in [
        ("status=401", "[FAILED: UPSTREAM_UNAUTHORIZED: "),
        ("cut@20", "[TRUNCATED: "),
    ] {
        let scratch = Scratch::embedded().await;
        let server = Server::start_with(&scratch, &["--builtin-pace", "0", "--builtin-faults", fault]);
        let said = talk(&[&server.url], "Hello, how are you?\n").await;
        assert_eq!(said.code, Some(1));
        assert!(said.stderr.contains(words), "{}", said.stderr);
        let stored = replies(&messages(&server).await);
        assert_eq!(said.stdout.trim_end(), stored.trim_end());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_stops_the_reply_and_ends_the_script() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(&scratch, &["--builtin-pace", "60", "--builtin-words", "100000"]);
    let mut client = start(&[&server.url], &[]);
    client.stdin.take().unwrap().write_all(b"One\nTwo\n").unwrap();
    let (client, read) = read_some(client, 100).await;
    kill_process(Pid::from_child(&client), Signal::INT).unwrap();
    let said = end(client, read).await;
    assert_eq!(said.code, Some(130), "{}", said.stderr);
    assert!(said.stderr.contains("[STOPPED: "), "{}", said.stderr);
    let messages = messages(&server).await;
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!(messages[1]["reply"]["state"], "STOPPED");
    assert_eq!(said.stdout, replies(&messages));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_one_line_and_exit_code_1() {
    for input in ["", "Hello\n"] {
        let said = talk(&["http://127.0.0.1:1"], input).await;
        assert_eq!(said.code, Some(1));
        assert_eq!(said.stdout, "");
        assert_eq!(
            said.stderr,
            "colloquy: cannot reach http://127.0.0.1:1/graphql: Connection refused (os error 111)\n"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_is_not_there_is_refused_by_its_code() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    for (id, code) in [("6b06efe9508daf1f28099384", "NOT_FOUND"), ("mine", "INVALID_ID")] {
        let said = talk(&[&server.url, "--chat", id], "Hello\n").await;
        assert_eq!(said.code, Some(1));
        assert!(
            said.stderr.starts_with(&format!("colloquy: {code}: ")),
            "{}",
            said.stderr
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_goes_with_every_request_and_into_connection_init_and_is_never_printed() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    let proxy = Cutter::start(&server, []).await;
    let said = talk(
        &[&proxy.url, "--header", "Authorization: Bearer a-secret"],
        "Hello\n",
    )
    .await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(!said.stderr.contains("a-secret"), "{}", said.stderr);
    let mut sockets = 0;
    for line in proxy.sent() {
        let head = String::from_utf8_lossy(&line).to_lowercase();
        assert!(head.contains("authorization: bearer a-secret\r\n"), "{head}");
        if let Some(messages) = said_over_socket(&line) {
            sockets += 1;
            let init = serde_json::json!({ "Authorization": "Bearer a-secret" });
            assert_eq!(messages[0]["type"], "connection_init");
            assert_eq!(messages[0]["payload"], init);
        }
    }
    assert_eq!(sockets, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_read_from_the_environment_or_a_file_and_never_printed() {
    let scratch = Scratch::embedded().await;
    let secret = [("COLLOQUY_JWT_SECRET", SECRET)];
    let server = Server::start_in(&scratch, &["--builtin-pace", "0"], &secret);
    let token = Token::of("mira").signed();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{token}\n")).unwrap();
    for variable in [
        ("COLLOQUY_TOKEN", token.as_str()),
        ("COLLOQUY_TOKEN_FILE", file.to_str().unwrap()),
    ] {
        let said = talk_in(&[&server.url], &[variable], "One word\n").await;
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        assert_eq!(said.stdout, "You wrote: One word\n");
        assert!(!said.stderr.contains(&token), "{}", said.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_that_is_taken_it_says_so_and_ends_with_exit_code_3() {
    let scratch = Scratch::embedded().await;
    let secret = [("COLLOQUY_JWT_SECRET", SECRET)];
    let server = Server::start_in(&scratch, &["--builtin-pace", "0"], &secret);
    let said = talk(&[&server.url], "One\nTwo\n").await;
    assert_eq!((said.code, said.stdout.as_str()), (Some(3), ""));
    assert_eq!(
        said.stderr,
        format!(
            "colloquy: {}/graphql asks for a token: set COLLOQUY_TOKEN to it, or COLLOQUY_TOKEN_FILE to a file that \
             holds it\n",
            server.url
        )
    );
    let expired = Token::of("mira").issued_in(-600).expires_in(-300).signed();
    for wrong in ["a.secret.word", &expired] {
        let said = talk_in(&[&server.url], &[("COLLOQUY_TOKEN", wrong)], "One\nTwo\n").await;
        assert_eq!((said.code, said.stdout.as_str()), (Some(3), ""));
        assert!(said.stderr.contains("does not take the token"), "{}", said.stderr);
        assert_eq!(said.stderr.lines().count(), 1, "{}", said.stderr);
        assert!(!said.stderr.contains(wrong), "{}", said.stderr);
    }
    let said = talk_in(&[&server.url], &[("COLLOQUY_TOKEN", "two words")], "").await;
    assert_eq!(said.code, Some(2));
    assert!(!said.stderr.contains("two words"), "{}", said.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_in_the_middle_of_a_reply_ends_the_script() {
    let scratch = Scratch::embedded().await;
    let variables = [
        ("COLLOQUY_JWT_SECRET", SECRET),
        ("COLLOQUY_JWT_LEEWAY_SECONDS", "0"),
    ];
    let server = Server::start_in(
        &scratch,
        &["--builtin-pace", "60", "--builtin-words", "100000"],
        &variables,
    );
    let token = Token::of("mira").expires_in(5).signed();
    let said = talk_in(&[&server.url], &[("COLLOQUY_TOKEN", &token)], "One\nTwo\n").await;
    assert_eq!(said.code, Some(3), "{}", said.stderr);
    assert!(said.stdout.starts_with("You wrote: One"), "{}", said.stdout);
    assert!(said.stderr.contains("does not take the token"), "{}", said.stderr);
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_exit_code_2_and_no_secret() {
    for (arguments, reason) in [
        (&["http://user:secret@host"][..], "--header"),
        (&["ftp://secret"], "URL"),
        (&["secret"], "URL"),
        (&["--header", "secret"], "NAME: VALUE"),
        (&["--chat", "a", "--new", "b"], "--new"),
    ] {
        let said = talk(arguments, "").await;
        assert_eq!(said.code, Some(2), "{arguments:?}");
        assert!(said.stderr.contains(reason), "{}", said.stderr);
        assert!(!said.stderr.contains("secret"), "{}", said.stderr);
    }
}

#[tokio::test]
async fn its_help_is_about_nothing_else() {
    let said = talk(&["--help"], "").await;
    for flag in ["[URL]", "--chat", "--new", "--user", "--language", "--header"] {
        assert!(said.stdout.contains(flag), "{}", said.stdout);
    }
    assert!(!said.stdout.contains("--store"), "{}", said.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_is_made_for_the_user_who_is_named() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    let said = talk(&[&server.url, "--user", "42"], "Hello\n").await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let query = "{ chats(userId: 42) { nodes { title userId } } }";
    let data = server.data(query, serde_json::json!({})).await;
    assert_eq!(
        data["chats"]["nodes"],
        serde_json::json!([{ "title": "Hello", "userId": 42 }])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn its_documents_can_be_the_only_ones_that_a_server_trusts() {
    let scratch = Scratch::embedded().await;
    let documents = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/chat/documents");
    let server = Server::start_with(
        &scratch,
        &["--builtin-pace", "0", "--trusted-documents", documents],
    );
    let said = talk(&[&server.url], "One word\n").await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(said.stdout, "You wrote: One word\n");
}
