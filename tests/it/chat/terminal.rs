//! A person at a terminal.

use std::process::Command;

use rexpect::process::WaitStatus;
use rexpect::session::{PtySession, spawn_command};

use super::{client, messages, replies};
use crate::support::scratch::Scratch;
use crate::support::server::Server;

/// Longer than anything takes here; only a failure waits for it.
const WAIT_MAX_MS: u64 = 30_000;

/// A client in a terminal of its own.
struct Person(PtySession);

impl Person {
    fn start(server: &Server, arguments: &[&str]) -> Self {
        Self::start_as(client(&[&[server.url.as_str()], arguments].concat()))
    }

    fn start_as(mut client: Command) -> Self {
        client.env("TERM", "xterm");
        Self(spawn_command(client, Some(WAIT_MAX_MS)).unwrap())
    }

    /// Waits for the prompt; what stood before it.
    fn prompted(&mut self) -> String {
        // Only the editor asks for pastes to be bracketed, so that no text looks like its prompt.
        let before = self.expect("\x1b[?2004h");
        self.expect("> ");
        before
    }

    /// Waits for words; what stood before them.
    fn expect(&mut self, words: &str) -> String {
        let seen = self.0.exp_string(&as_it_comes(words));
        text(&seen.unwrap_or_else(|error| panic!("{words}: {error}")))
    }

    fn press(&mut self, keys: &str) {
        self.0.send(keys).unwrap();
        self.0.flush().unwrap();
    }

    /// Types a line.
    fn say(&mut self, line: &str) {
        self.press(&format!("{line}\r"));
    }

    /// Waits for the end: what was left to read, and the exit code.
    fn end(mut self) -> (String, i32) {
        let rest = self.0.exp_eof().unwrap();
        match self.0.process().wait().unwrap() {
            WaitStatus::Exited(_, code) => (text(&rest), code),
            other => panic!("{other:?}"),
        }
    }
}

/// The library takes each byte for a character.
fn as_it_comes(text: &str) -> String {
    text.bytes().map(char::from).collect()
}

fn text(seen: &str) -> String {
    let bytes: Vec<u8> = seen.chars().map(|letter| u8::try_from(letter).unwrap()).collect();
    String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_stops_the_reply_and_ctrl_d_leaves() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(&scratch, &["--builtin-pace", "60", "--builtin-words", "100000"]);
    let mut person = Person::start(&server, &[]);
    person.prompted();
    person.say("Tell me about the sea");
    person.expect("You wrote: ");
    person.press("\x03");
    person.expect("STOPPED: that is all");
    person.prompted();
    let messages = messages(&server).await;
    assert_eq!(messages[1]["reply"]["state"], "STOPPED");
    assert!(messages[1]["text"].as_str().unwrap().starts_with("You wrote: "));
    person.press("\x04");
    let (_, code) = person.end();
    assert_eq!(code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_empties_a_line_and_leaves_at_an_empty_one() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    let mut person = Person::start(&server, &[]);
    person.prompted();
    person.press("never said");
    person.expect("never said");
    person.press("\x03");
    person.say("said");
    person.expect("You wrote: said");
    person.prompted();
    person.press("\x03");
    let (_, code) = person.end();
    assert_eq!(code, 0);
    assert_eq!(messages(&server).await[0]["text"], "said");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pasted_or_ends_in_a_backslash_is_one_message() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    let mut person = Person::start(&server, &["--new", "A paste"]);
    person.prompted();
    person.press("\x1b[200~पहला\nदूसरा\x1b[201~\r");
    person.prompted();
    person.say("first\\\rsecond");
    person.expect("You wrote");
    person.prompted();
    person.say("/quit");
    assert_eq!(person.end().1, 0);
    let messages = messages(&server).await;
    assert_eq!(messages[0]["text"], "पहला\nदूसरा");
    assert_eq!(messages[2]["text"], "first\nsecond");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_can_list_open_react_regenerate_and_delete() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    let mut person = Person::start(&server, &[]);
    person.prompted();
    person.say("नमस्ते दुनिया");
    person.expect("आपने लिखा: नमस्ते दुनिया");
    person.prompted();
    let reply = messages(&server).await[1]["id"].as_str().unwrap().to_owned();

    person.say(&format!("/react {reply} 👍"));
    person.prompted();
    assert_eq!(messages(&server).await[1]["reaction"], "👍");

    person.say("/regenerate");
    person.expect("आपने लिखा: नमस्ते दुनिया");
    person.prompted();
    assert_eq!(messages(&server).await[2]["reply"]["regenerates"]["id"], reply);

    person.say("/new");
    person.expect("begins a new chat");
    person.prompted();
    person.say("/regenerate");
    person.expect("colloquy: no chat is open");
    person.prompted();
    person.say("/chats");
    let listed = person.expect(" नमस्ते दुनिया");
    let id = listed
        .split_whitespace()
        .find(|word| word.len() == 24)
        .unwrap()
        .to_owned();
    person.prompted();
    person.say(&format!("/open {id}"));
    person.expect("3 messages");
    person.expect(&format!("bot {reply} 👍"));
    person.expect("आपने लिखा: नमस्ते दुनिया");
    person.prompted();
    person.say("/opne");
    person.expect("there is no /opne; /help lists");
    person.prompted();
    person.say("/help");
    person.expect("/react ID EMOJI");
    person.prompted();

    person.say("/delete");
    person.expect("say /delete yes");
    person.prompted();
    assert_eq!(messages(&server).await.len(), 3);
    person.say("/delete yes");
    person.expect("deleted");
    person.prompted();
    let data = server
        .data("{ chats { nodes { id } } }", serde_json::json!({}))
        .await;
    assert_eq!(data["chats"]["nodes"], serde_json::json!([]));
    person.say("/quit");
    assert_eq!(person.end().1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_is_opened_while_a_reply_is_under_way_goes_on_with_it() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_with(&scratch, &["--builtin-pace", "60", "--builtin-words", "120"]);
    let chat = server.create_chat("A chat").await;
    server.send(&chat, "Tell me about the sea").await;
    let mut person = Person::start(&server, &["--chat", &chat]);
    let shown = person.prompted();
    let messages = messages(&server).await;
    assert_eq!(messages[1]["reply"]["state"], "COMPLETE");
    assert!(shown.contains(&replies(&messages)), "{shown}");
    person.press("\x04");
    assert_eq!(person.end().1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_prints_its_code_and_the_conversation_goes_on() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    let mut person = Person::start(&server, &["--language", "no such language"]);
    person.prompted();
    person.say("Hello");
    person.expect("colloquy: INVALID_LANGUAGE: ");
    person.prompted();
    person.say("/open 6b06efe9508daf1f28099384");
    person.expect("colloquy: NOT_FOUND: ");
    person.prompted();
    person.press("\x04");
    assert_eq!(person.end().1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_cannot_drive_the_terminal_and_no_color_is_heard() {
    let scratch = Scratch::embedded().await;
    let server = Server::start(&scratch);
    let chat = server.create_chat("A chat").await;
    crate::support::follow::follow(&server, &server.send(&chat, "before \x1b[31mred after").await).await;
    for has_color in [true, false] {
        let mut client = client(&[&server.url, "--chat", &chat]);
        if !has_color {
            client.env("NO_COLOR", "1");
        }
        let mut person = Person::start_as(client);
        let before = person.expect(&format!("[chat {chat}: A chat"));
        assert_eq!(before.contains("\x1b[2m"), has_color, "{before}");
        person.expect("You wrote: before ␛[31mred after");
        person.prompted();
        person.press("\x04");
        assert_eq!(person.end().1, 0);
    }
}
