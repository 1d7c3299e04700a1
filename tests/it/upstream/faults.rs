//! One row for each thing that a service can do to us: what becomes of the reply, and how often the prompt was sent.

use std::collections::HashMap;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{IMPATIENT, ask, server, server_at};
use crate::support::scratch::Scratch;
use crate::support::upstream::{
    Act, DONE, Script, Upstream, event, finish, head, piece, send, stream, usage,
};

/// One kind of day.
struct Row {
    /// What it is called, which is also the question.
    name: &'static str,
    /// What the service does with the first request, the second, and so on.
    scripts: Vec<Script>,
    /// The text that comes of it.
    text: String,
    /// How the reply ends.
    state: &'static str,
    /// Why it failed.
    error: Option<&'static str>,
    /// What the service reports; an estimate is shown where it reports nothing.
    usage: Option<(i64, i64)>,
    /// How often the prompt is sent.
    requests: usize,
}

impl Row {
    fn complete(name: &'static str, text: &str, script: Script) -> Self {
        Self {
            name,
            scripts: vec![script],
            text: text.to_owned(),
            state: "COMPLETE",
            error: None,
            usage: None,
            requests: 1,
        }
    }

    fn truncated(name: &'static str, text: &str, script: Script) -> Self {
        let state = "TRUNCATED";
        Self {
            state,
            ..Self::complete(name, text, script)
        }
    }

    fn failed(name: &'static str, code: &'static str, text: &str, script: Script) -> Self {
        Self {
            state: "FAILED",
            error: Some(code),
            ..Self::complete(name, text, script)
        }
    }

    fn with_usage(self, prompt: i64, completion: i64) -> Self {
        Self {
            usage: Some((prompt, completion)),
            ..self
        }
    }

    fn sent(self, requests: usize) -> Self {
        Self { requests, ..self }
    }

    /// What the service does before it does what the row says.
    fn after(self, first: Vec<Script>) -> Self {
        let requests = first.len() + 1;
        let scripts = [first, self.scripts].concat();
        Self {
            scripts,
            requests,
            ..self
        }
    }
}

/// An event with other things in a choice than a part of the text.
fn choices(choices: Value) -> String {
    event(&json!({ "choices": choices }))
}

fn hello() -> Script {
    vec![
        stream(),
        send(piece("नमस्ते ") + &piece("🙂") + &finish("stop") + DONE),
    ]
}

const HELLO: &str = "नमस्ते 🙂";

fn well_formed() -> Vec<Row> {
    let role = choices(json!([{ "index": 0, "delta": { "role": "assistant", "content": "" } }]));
    let odd = "\u{feff}: hi\r\n\r\nretry: 5\r\nid: 1\r\nevent: message\r\n".to_owned()
        + &piece("one ").replace('\n', "\r\n")
        + ": keep alive\n\n"
        + &piece("two").replace("data: ", "data:")
        + &finish("stop").replace('\n', "\r");
    let others = choices(json!([{ "index": 1, "delta": { "content": "no" }, "finish_reason": "length" }]));
    let thoughts = choices(json!([{ "index": 0, "delta": { "reasoning_content": "hm" } }]));
    let nothing = choices(json!([{ "index": 0, "delta": { "content": null }, "finish_reason": null }]));
    let answer = json!({
        "object": "chat.completion",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": HELLO }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 5, "completion_tokens": 6 },
    });
    let whole = (role + &piece("नमस्ते ") + &piece("🙂") + &finish("stop") + &usage(11, 2) + DONE).into_bytes();
    let large = "बड़ा ".repeat(20_000);
    vec![
        Row::complete(
            "all in one write",
            HELLO,
            vec![stream(), Act::Send(whole.clone())],
        )
        .with_usage(11, 2),
        Row::complete("one byte at a time", HELLO, vec![stream(), Act::Trickle(whole)]).with_usage(11, 2),
        Row::complete(
            "every oddity of event streams",
            "one two",
            vec![stream(), send(odd)],
        ),
        Row::complete(
            "a finish reason and no [DONE]",
            HELLO,
            vec![stream(), send(piece(HELLO) + &finish("stop"))],
        ),
        Row::complete(
            "[DONE] and no finish reason",
            HELLO,
            vec![stream(), send(piece(HELLO) + DONE)],
        ),
        Row::complete(
            "silence behind the finish reason",
            HELLO,
            vec![stream(), send(piece(HELLO) + &finish("stop")), Act::Hold],
        ),
        Row::complete(
            "a reset behind the finish reason",
            HELLO,
            vec![stream(), send(piece(HELLO) + &finish("stop")), Act::Reset],
        ),
        Row::complete(
            "text behind [DONE]",
            HELLO,
            vec![stream(), send(piece(HELLO) + DONE + &piece("more")), Act::Hold],
        ),
        Row::complete(
            "several choices",
            HELLO,
            vec![
                stream(),
                send(others.clone() + &piece(HELLO) + &others + &finish("stop") + DONE),
            ],
        ),
        Row::complete(
            "thoughts, and events with nothing in them",
            HELLO,
            vec![
                stream(),
                send(thoughts + &nothing + &piece(HELLO) + &nothing + &finish("stop") + DONE),
            ],
        ),
        Row::complete(
            "a very large piece",
            &large,
            vec![stream(), send(piece(&large) + DONE)],
        ),
        Row::complete(
            "an unknown finish reason",
            HELLO,
            vec![stream(), send(piece(HELLO) + &finish("tired"))],
        ),
        Row {
            state: "LENGTH",
            ..Row::complete(
                "a bound reached",
                HELLO,
                vec![stream(), send(piece(HELLO) + &finish("length") + DONE)],
            )
        },
        Row::complete(
            "an answer in one piece",
            HELLO,
            vec![
                head(200, "Content-Type: application/json"),
                send(answer.to_string()),
            ],
        )
        .with_usage(5, 6),
    ]
}

fn broken_in_the_middle() -> Vec<Row> {
    let begun = |more: &[u8]| vec![stream(), send([piece(HELLO).as_bytes(), more].concat())];
    let then = |act: Act| [begun(b""), vec![act]].concat();
    let thought = choices(json!([{ "delta": { "reasoning": "hm" } }]));
    let chunked = head(200, "Content-Type: text/event-stream|Transfer-Encoding: chunked");
    let chunk = format!("{:x}\r\n{}\r\n", piece(HELLO).len(), piece(HELLO));
    let error = event(&json!({ "error": { "message": "out of memory", "code": 500 } }));
    vec![
        Row::truncated("an end in the middle", HELLO, begun(b"")),
        Row::truncated(
            "an end within a character",
            HELLO,
            begun(b"data: {\"choices\":[{\"delta\":{\"content\":\"\xe0\xa4"),
        ),
        Row::truncated("a reset in the middle", HELLO, then(Act::Reset)),
        Row::truncated(
            "a reset after a thought",
            "",
            vec![stream(), send(thought), Act::Reset],
        ),
        Row::truncated(
            "a chunk cut short",
            HELLO,
            vec![chunked.clone(), send(chunk.clone() + "40\r\ndata: {")],
        ),
        Row::truncated(
            "a chunk of no size",
            HELLO,
            vec![chunked, send(chunk + "zz\r\ndata")],
        ),
        Row::failed(
            "silence in the middle",
            "UPSTREAM_TIMEOUT",
            HELLO,
            then(Act::Hold),
        ),
        Row::failed(
            "nothing but comments in the middle",
            "UPSTREAM_TIMEOUT",
            HELLO,
            then(Act::Beat(b": still here\n\n".to_vec())),
        ),
        Row::failed(
            "an error in the middle",
            "UPSTREAM_ERROR",
            HELLO,
            begun(error.as_bytes()),
        ),
        Row::failed(
            "an error named so",
            "UPSTREAM_ERROR",
            HELLO,
            begun(b"event: error\ndata: oh no\n\n"),
        ),
        Row::failed(
            "an event that is no JSON",
            "UPSTREAM_PROTOCOL",
            HELLO,
            begun(b"data: {\"choices\":\n\n"),
        ),
        Row::failed(
            "bytes that are no UTF-8",
            "UPSTREAM_PROTOCOL",
            HELLO,
            begun(b"data: \xff\xfe\n\n"),
        ),
        Row::failed(
            "a line without an end",
            "UPSTREAM_TOO_LARGE",
            HELLO,
            then(Act::Repeat(vec![b'x'; 64 * 1024])),
        ),
        Row::failed(
            "an event without an end",
            "UPSTREAM_TOO_LARGE",
            HELLO,
            then(Act::Repeat([b"data: ", &[b'x'; 8 * 1024][..], b"\n"].concat())),
        ),
        Row::failed(
            "a filter",
            "UPSTREAM_FILTERED",
            HELLO,
            begun(finish("content_filter").as_bytes()),
        ),
    ]
}

fn refused() -> Vec<Row> {
    let status = |code, headers| vec![head(code, headers), send("{\"error\": {\"message\": \"no\"}}")];
    let refused = |name, code, error| Row::failed(name, error, "", status(code, ""));
    let event_stream = "Content-Type: text/event-stream";
    vec![
        refused("a key that is wrong", 401, "UPSTREAM_UNAUTHORIZED"),
        refused("a key that may not", 403, "UPSTREAM_UNAUTHORIZED"),
        refused("a request that is wrong", 400, "UPSTREAM_REFUSED"),
        refused("a model that is not there", 404, "UPSTREAM_REFUSED"),
        refused("no content", 204, "UPSTREAM_PROTOCOL"),
        refused("something not implemented", 501, "UPSTREAM_UNAVAILABLE"),
        Row::failed(
            "a redirect",
            "UPSTREAM_PROTOCOL",
            "",
            vec![head(307, "Location: /v1/chat/completions")],
        ),
        Row::failed(
            "a page",
            "UPSTREAM_PROTOCOL",
            "",
            vec![head(200, "Content-Type: text/html"), send("<p>")],
        ),
        Row::failed(
            "no content type",
            "UPSTREAM_PROTOCOL",
            "",
            vec![head(200, ""), send(piece(HELLO))],
        ),
        Row::failed("an empty body", "UPSTREAM_PROTOCOL", "", vec![stream()]),
        Row::failed(
            "a compressed body",
            "UPSTREAM_PROTOCOL",
            "",
            vec![
                head(200, &format!("{event_stream}|Content-Encoding: gzip")),
                send(b"\x1f\x8b\x08"),
            ],
        ),
        Row::failed(
            "an answer in one piece that is none",
            "UPSTREAM_PROTOCOL",
            "",
            vec![head(200, "Content-Type: application/json"), send("{}")],
        ),
        Row::failed(
            "an error with status 200",
            "UPSTREAM_ERROR",
            "",
            vec![
                head(200, "Content-Type: application/json"),
                send("{\"error\": \"no\"}"),
            ],
        ),
        Row::failed(
            "an answer in one piece without an end",
            "UPSTREAM_TOO_LARGE",
            "",
            vec![
                head(200, "Content-Type: application/json"),
                Act::Repeat(vec![b' '; 64 * 1024]),
            ],
        ),
        Row::failed(
            "busy for an hour",
            "UPSTREAM_RATE_LIMITED",
            "",
            status(429, "Retry-After: 3600"),
        ),
        Row::failed(
            "busy for ever",
            "UPSTREAM_RATE_LIMITED",
            "",
            status(429, "Retry-After: 0"),
        )
        .sent(3),
        Row::failed(
            "down for ever",
            "UPSTREAM_UNAVAILABLE",
            "",
            status(503, "Retry-After: 0"),
        )
        .sent(3),
        Row::failed(
            "a refusal without an end",
            "UPSTREAM_REFUSED",
            "",
            vec![head(400, ""), Act::Repeat(vec![b'x'; 64 * 1024])],
        ),
        Row::failed(
            "a refusal that stops short",
            "UPSTREAM_REFUSED",
            "",
            vec![head(422, ""), send("{"), Act::Hold],
        ),
    ]
}

fn tried_again() -> Vec<Row> {
    let status = |code, headers| vec![head(code, headers)];
    let header_bomb = format!("X-Bomb: {}|", "x".repeat(1_000)).repeat(1_000);
    let complete = |name| Row::complete(name, HELLO, hello());
    vec![
        complete("busy for a second").after(vec![status(429, "Retry-After: 1")]),
        complete("down twice").after(vec![status(500, ""), status(502, "")]),
        complete("a reset, then an answer").after(vec![vec![Act::Reset]]),
        complete("a reset before the first piece").after(vec![vec![stream(), Act::Reset]]),
        complete("silence, then an answer").after(vec![vec![Act::Hold]]),
        complete("nothing but comments, then an answer")
            .after(vec![vec![stream(), Act::Beat(b":\n".to_vec())]]),
        Row::failed("a reset each time", "UPSTREAM_UNAVAILABLE", "", vec![Act::Reset]).sent(3),
        Row::failed(
            "silence each time",
            "UPSTREAM_TIMEOUT",
            "",
            vec![stream(), Act::Hold],
        )
        .sent(3),
        Row::failed(
            "headers without an end",
            "UPSTREAM_UNAVAILABLE",
            "",
            vec![head(200, &header_bomb)],
        )
        .sent(3),
        Row::failed(
            "no HTTP",
            "UPSTREAM_UNAVAILABLE",
            "",
            vec![send("220 mail ready\r\n")],
        )
        .sent(3),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_day_ends_as_it_should_and_no_prompt_is_sent_again_once_an_answer_has_begun() {
    let rows = [well_formed(), broken_in_the_middle(), refused(), tried_again()];
    let rows: Vec<Row> = rows.into_iter().flatten().collect();
    let scripts: HashMap<_, _> = rows
        .iter()
        .map(|row| (row.name.to_owned(), row.scripts.clone()))
        .collect();
    assert_eq!(scripts.len(), rows.len(), "two rows have one name");
    let upstream = Upstream::start(scripts).await;
    let scratch = Scratch::embedded().await;
    let server = server(&scratch, &upstream, &IMPATIENT, &[]);
    let ends = join_all(rows.iter().map(|row| ask(&server, row.name))).await;
    let mut wrong = Vec::new();
    for (row, (text, message)) in rows.iter().zip(ends) {
        let reply = &message["reply"];
        let count = |part: &str| {
            let count = &reply["usage"][part];
            let is_reported = count["isEstimated"] == json!(false);
            count["tokens"].as_i64().filter(|_| is_reported)
        };
        let usage = count("prompt").zip(count("completion"));
        let requests = upstream.requests(row.name).len();
        let is_right = text == row.text
            && message["text"] == json!(row.text)
            && reply["state"] == json!(row.state)
            && reply["error"]["code"] == json!(row.error)
            && usage == row.usage
            && requests == row.requests;
        if !is_right {
            let text: String = text.chars().take(40).collect();
            wrong.push(format!("{}: {text:?}, {requests} requests, {reply}", row.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Of those that the service held open, none is left open here.
    for held in [
        "silence in the middle",
        "silence behind the finish reason",
        "silence each time",
    ] {
        upstream.closed(held).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_end_is_given_up() {
    let upstream = Upstream::always("Go on", vec![stream(), Act::Beat(piece("on ").into_bytes())]).await;
    let scratch = Scratch::embedded().await;
    let server = server(&scratch, &upstream, &["--upstream-reply-timeout-ms", "500"], &[]);
    let (text, message) = ask(&server, "Go on").await;
    assert_eq!(text, "on ".repeat(text.len() / 3));
    assert!(!text.is_empty());
    assert_eq!(message["reply"]["error"]["code"], "UPSTREAM_TIMEOUT");
    upstream.closed("Go on").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_take_the_connection_is_given_up() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody accepts, so the queue is full as soon as a connection is not made at once.
    let mut waiting = Vec::new();
    let moment = std::time::Duration::from_millis(200);
    while let Ok(connection) = tokio::time::timeout(moment, tokio::net::TcpStream::connect(address)).await {
        waiting.push(connection.unwrap());
    }
    let scratch = Scratch::embedded().await;
    let arguments = ["--upstream-connect-timeout-ms", "100"];
    let server = server_at(&format!("http://{address}/v1"), &scratch, &arguments, &[]);
    let (_, message) = ask(&server, "Hello").await;
    assert_eq!(message["reply"]["error"]["code"], "UPSTREAM_TIMEOUT");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_not_there_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let scratch = Scratch::embedded().await;
    let server = server_at(&base_url, &scratch, &[], &[]);
    let (text, message) = ask(&server, "Hello").await;
    assert_eq!(text, "");
    assert_eq!(message["reply"]["state"], "FAILED");
    assert_eq!(message["reply"]["error"]["code"], "UPSTREAM_UNAVAILABLE");
}
