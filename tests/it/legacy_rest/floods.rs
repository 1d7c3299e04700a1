//! Very many requests that are wrong.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::client::Client;
use crate::on_both_stores;
use crate::support::random::Random;
use crate::support::scratch::Scratch;

on_both_stores! { fifty_thousand_malformed_requests_leave_the_server_as_it_was }

const REQUESTS: usize = 50_000;
const CONNECTIONS: u64 = 8;
/// What an allocator may keep of so many requests, in KiB.
const GROWTH_KIB_MAX: u64 = 16 * 1024;

/// Bodies of which every field is wrong, so that a change of one byte leaves another fault.
const BODIES: [(&str, &str, &str); 4] = [
    (
        "POST",
        "/chat/",
        r#"{"user_id":null,"title":["नमस्ते"],"document_id":"7","status":null}"#,
    ),
    ("PUT", "/chat/CHAT", r#"{"title":7,"status":["नमस्ते"]}"#),
    (
        "POST",
        "/chat/CHAT/messages",
        r#"{"message":null,"is_bot":"maybe","type":7,"token":1.5}"#,
    ),
    (
        "PUT",
        "/chat/CHAT/messages/MESSAGE",
        r#"{"message":7,"reaction":{"a":1},"is_edited":9}"#,
    ),
];

/// What is neither a text nor a user nor a number of tokens.
const NO_VALUES: [&str; 10] = [
    "null",
    "1.5",
    "-1e308",
    "-0.5",
    "18446744073709551616",
    "123456789012345678901234567890123456789012345678901234567890",
    "[]",
    "[1]",
    "{}",
    r#"{"$ne":null}"#,
];

/// What looks like JSON and is none.
const NO_JSON: [&str; 7] = [
    "1e999",
    r#""\ud800""#,
    r#""\udc00\ud800""#,
    r#""\uZZZZ""#,
    "NaN",
    "-Infinity",
    "'text'",
];

const CONTENT_TYPES: [&[u8]; 11] = [
    b"application/json",
    b"application/json; charset=utf-16",
    b"application/merge-patch+json",
    b"APPLICATION/JSON",
    b"application/xml",
    b"application/",
    b"text/plain",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data; boundary=x",
    b"\xff\xfe",
    b"",
];

/// Lists in which nothing is.
const LISTS: [&str; 4] = [
    "/chat/user/9",
    "/chat/user/nobody",
    "/chat/EMPTY/messages",
    "/chat/EMPTY/full",
];

const NUMBERS: [&str; 20] = [
    "1000000",
    "-1",
    "1e9",
    "0",
    "",
    "101",
    "+1",
    "1.0",
    "1.5",
    "true",
    "null",
    "%00",
    "%ff%fe",
    "%zz",
    "%E0%A5%A7",
    "1_000",
    "9223372036854775807",
    "9223372036854775808",
    "-99999999999999999999999999",
    "[]",
];

const NO_IDS: [&str; 16] = [
    "0",
    "-1",
    "null",
    "undefined",
    "{chat_id}",
    "%00",
    "%ff%fe",
    "%zz",
    "%2F",
    "..",
    "%2e%2e%2f",
    "%F0%9F%98%80",
    "507f1f77bcf86cd79943901",
    "507f1f77bcf86cd7994390111",
    "507f1f77bcf86cd79943901g",
    "%20507f1f77bcf86cd799439011",
];

const NO_ROUTES: [(&str, &str); 11] = [
    // Which reaction is not said.
    ("POST", "/chat/CHAT/messages/MESSAGE/reaction"),
    ("GET", "/chat/CHAT/x"),
    ("GET", "/chat//messages"),
    ("GET", "/chat/user/1/2"),
    ("GET", "/chat/CHAT/messages/MESSAGE/reaction"),
    ("PATCH", "/chat/CHAT"),
    ("BREW", "/chat/CHAT/messages"),
    ("TRACE", "/chat/user/1"),
    ("DELETE", "/chat/"),
    ("PUT", "/chat/CHAT/full"),
    ("POST", "/chat/ws/CHAT"),
];

/// What is there: two chats, one with a message and one without.
struct There {
    chat: String,
    message: String,
    empty: String,
}

struct Request {
    method: &'static str,
    path: String,
    content_type: &'static [u8],
    body: Vec<u8>,
}

/// A request with something wrong, or one that finds nothing.
fn malformed(random: &mut Random, there: &There) -> Request {
    let (method, path, body) = match random.below(10) {
        0..3 => {
            let (method, path, body) = random.of(&BODIES);
            (method, path.to_owned(), damaged(random, body))
        }
        3 | 4 => {
            let (method, path, body) = random.of(&BODIES);
            (method, path.to_owned(), mistyped(random, body))
        }
        5 => {
            let (method, path, _) = random.of(&BODIES);
            (method, path.to_owned(), nested(random))
        }
        6 | 7 => ("GET", random.of(&LISTS).to_owned() + &query(random), Vec::new()),
        8 => {
            let method = random.of(&["GET", "PUT", "DELETE", "POST"]);
            let route = random.of(&[
                "/chat/ID",
                "/chat/ID/full",
                "/chat/ID/messages",
                "/chat/ID/messages/MESSAGE",
                "/chat/CHAT/messages/ID",
                "/chat/CHAT/messages/ID/reaction?reaction=x",
                "/chat/EMPTY/messages/MESSAGE",
            ]);
            let digits = "7".repeat(random.below(2_000));
            let id = match random.below(4) {
                0 if !digits.is_empty() => &digits,
                _ => random.of(&NO_IDS),
            };
            let body = random.of(&["", "{}", r#"{"message":"m","title":"t"}"#]);
            (method, route.replace("ID", id), body.as_bytes().to_vec())
        }
        _ => {
            let (method, path) = random.of(&NO_ROUTES);
            (method, path.to_owned() + &query(random), Vec::new())
        }
    };
    Request {
        method,
        path: path
            .replace("CHAT", &there.chat)
            .replace("MESSAGE", &there.message)
            .replace("EMPTY", &there.empty),
        content_type: match random.below(4) {
            0 => random.of(&CONTENT_TYPES),
            _ => CONTENT_TYPES[0],
        },
        body,
    }
}

/// A body cut, or with a byte changed, put in or taken out, or no body at all.
fn damaged(random: &mut Random, body: &str) -> Vec<u8> {
    let mut bytes = body.as_bytes().to_vec();
    let place = random.below(bytes.len());
    match random.below(5) {
        0 => bytes.truncate(place),
        1 => bytes[place] = random.byte(),
        2 => bytes.insert(place, random.byte()),
        3 => {
            bytes.remove(place);
        }
        _ => bytes = (0..random.below(60)).map(|_| random.byte()).collect(),
    }
    bytes
}

/// A body with values that are none of its fields'.
fn mistyped(random: &mut Random, body: &str) -> Vec<u8> {
    let names = body
        .split('"')
        .filter(|word| word.ends_with(|end: char| end.is_ascii_lowercase()));
    let fields: Vec<_> = names
        .map(|name| {
            let value = match random.below(16) {
                0 => random.of(&NO_JSON),
                _ => random.of(&NO_VALUES),
            };
            format!(r#""{name}":{value}"#)
        })
        .collect();
    format!("{{{}}}", fields.join(",")).into_bytes()
}

/// Lists or objects in each other, deeper than anybody should read.
fn nested(random: &mut Random) -> Vec<u8> {
    let depth = random.of(&[10, 127, 128, 129, 1_000, 5_000]);
    let (open, close) = random.of(&[("[", "]"), (r#"{"a":"#, "}")]);
    let close = if random.below(2) == 0 { close } else { "" };
    let inner = format!("{}1{}", open.repeat(depth), close.repeat(depth));
    let body = match random.below(2) {
        0 => inner,
        _ => format!(r#"{{"user_id":{inner},"title":{inner},"message":{inner}}}"#),
    };
    body.into_bytes()
}

/// A query string of numbers that are none, and of numbers far away.
fn query(random: &mut Random) -> String {
    let mut query = "?".to_owned();
    for _ in 0..random.below(4) {
        let name = random.of(&["page", "limit", "page%00", "Page", "", "skip"]);
        let digits = "9".repeat(random.below(400));
        let number = match random.below(4) {
            0 => &digits,
            _ => random.of(&NUMBERS),
        };
        query += &format!(
            "{name}{}{number}{}",
            random.of(&["=", "=", "=", "", "=="]),
            random.of(&["&", "&&", ";"])
        );
    }
    query
}

/// A connection that is kept.
struct Connection {
    address: String,
    stream: BufReader<TcpStream>,
}

impl Connection {
    async fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            address: address.to_owned(),
            stream: BufReader::new(stream),
        }
    }

    /// Sends a request: its status and its body.
    async fn ask(&mut self, request: &Request) -> (u16, String) {
        if let Ok(answer) = self.try_ask(request).await {
            return answer;
        }
        // A server may close a connection behind an answer whose request it did not read whole.
        *self = Self::open(&self.address).await;
        self.try_ask(request).await.unwrap()
    }

    async fn try_ask(&mut self, request: &Request) -> std::io::Result<(u16, String)> {
        let head = format!(
            "{} {} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n",
            request.method,
            request.path,
            self.address,
            request.body.len()
        );
        let mut bytes = head.into_bytes();
        if !request.content_type.is_empty() {
            bytes.extend_from_slice(b"content-type: ");
            bytes.extend_from_slice(request.content_type);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&request.body);
        self.stream.write_all(&bytes).await?;
        let (mut status, mut length) = (None, 0);
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end().to_ascii_lowercase();
            match (status, line.strip_prefix("content-length: ")) {
                (None, _) => status = Some(line.split(' ').nth(1).unwrap().parse().unwrap()),
                (_, Some(bytes)) => length = bytes.parse().unwrap(),
                _ if line.is_empty() => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok((status.unwrap(), String::from_utf8(body).unwrap()))
    }
}

/// Whether a request was refused in the documented way, or did and found nothing.
fn is_due(status: u16, body: &str) -> bool {
    match status {
        200 => {
            let body: Value = serde_json::from_str(body).unwrap();
            let list = body.get("chats").or(body.get("messages")).unwrap_or(&body);
            *list == json!([]) || body == json!({ "success": false, "message": "No changes made" })
        }
        // What was sent comes back within, so it may be deeper than what is read here.
        400..500 => body.starts_with(r#"{"detail":"#),
        _ => false,
    }
}

/// Sends so many, each of which must get what is due.
async fn flood(address: &str, there: &There, seed: u64, count: usize) {
    let mut random = Random(seed);
    let mut connection = Connection::open(address).await;
    for _ in 0..count {
        let request = malformed(&mut random, there);
        let (status, body) = connection.ask(&request).await;
        let Request { method, path, .. } = &request;
        let sent = String::from_utf8_lossy(&request.body);
        assert!(
            is_due(status, &body),
            "{method} {path} {sent:.300}\n{status} {body:.300}"
        );
    }
}

async fn fifty_thousand_malformed_requests_leave_the_server_as_it_was(scratch: &Scratch) {
    let client = Client::start(scratch);
    let chat = client.any_chat().await;
    let there = There {
        message: client.message(&chat, json!({ "message": "m" })).await,
        empty: client.any_chat().await,
        chat,
    };
    let paths = ["/chat/user/1".to_owned(), format!("/chat/{}/full", there.chat)];
    let mut before = Vec::new();
    for path in &paths {
        before.push(client.get(path).await);
    }
    let address = client.server.url.trim_start_matches("http://").to_owned();
    // So that what is loaded once is loaded.
    flood(&address, &there, 1, 2_000).await;
    let held = client.server.memory_kib();
    let floods = (0..CONNECTIONS).map(|n| {
        let count = REQUESTS / usize::try_from(CONNECTIONS).unwrap();
        flood(&address, &there, 0xC0110 + n, count)
    });
    futures_util::future::join_all(floods).await;
    let holds = client.server.memory_kib();
    assert!(holds < held + GROWTH_KIB_MAX, "{held} KiB, then {holds} KiB");
    for (path, before) in paths.iter().zip(before) {
        assert_eq!(client.get(path).await, before);
    }
}
