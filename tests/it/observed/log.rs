//! Log lines: each is JSON, says which request and which reply it belongs to, and repeats nothing that somebody wrote.

use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::follow::follow;
use crate::support::mt::Mt;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::socket::Socket;

/// A word that is nowhere but where it is planted.
const CANARY: &str = "kanarienvogel";
/// Everything that Colloquy itself can say, and what its libraries say without being asked.
const TALKATIVE: (&str, &str) = ("RUST_LOG", "colloquy=trace,info");
/// Longer than any answer takes.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// The lines of a server that has been told to stop.
fn lines(server: Server) -> (String, Vec<Value>) {
    let (status, log) = server.stop();
    assert!(status.success());
    let lines = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")));
    let lines = lines.collect();
    (log, lines)
}

/// What the spans around a line say under a name, the outermost first.
fn around<'a>(line: &'a Value, field: &str) -> Vec<&'a str> {
    let spans = line["spans"].as_array().into_iter().flatten();
    spans.filter_map(|span| span[field].as_str()).collect()
}

fn said<'a>(lines: &'a [Value], message: &str) -> Vec<&'a Value> {
    let is_it = |line: &&Value| line["fields"]["message"] == message;
    lines.iter().filter(is_it).collect()
}

#[tokio::test]
async fn a_request_id_comes_back_and_is_on_every_line_down_to_the_bot() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_in(&scratch, &["--builtin-pace", "0"], &[TALKATIVE]);
    let chat = server.create_chat("A chat").await;
    let query = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { reply { id } } }";
    let body = json!({ "query": query, "variables": { "input": { "chatId": chat, "text": "Hello" } } });
    let client = Client::new();
    let send = |id: &str| {
        let request = client.post(server.at("/graphql")).header("X-Request-Id", id);
        request.json(&body).send()
    };
    let answer = send("one:0f-A_b.c").await.unwrap();
    assert_eq!(answer.headers()["x-request-id"], "one:0f-A_b.c");
    let answer: Value = answer.json().await.unwrap();
    let reply = answer["data"]["sendMessage"]["reply"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    follow(&server, &reply).await;
    let mut made = Vec::new();
    for strange in ["", "a b", "a\"b", &"x".repeat(129)] {
        let answer = send(strange).await.unwrap();
        made.push(answer.headers()["x-request-id"].to_str().unwrap().to_owned());
    }
    for id in &made {
        assert!(
            id.len() == 36 && made.iter().filter(|other| *other == id).count() == 1,
            "{made:?}"
        );
    }
    for path in ["/health", "/health/live", "/health/ready", "/metrics"] {
        let answer = reqwest::get(server.at(path)).await.unwrap();
        assert!(answer.headers().contains_key("x-request-id"));
    }

    let (_, lines) = lines(server);
    let answered = said(&lines, "answered");
    let own = answered
        .iter()
        .filter(|line| around(line, "request.id") == ["one:0f-A_b.c"])
        .collect::<Vec<_>>();
    let [own] = own[..] else { panic!("{own:?}") };
    assert_eq!(
        (own["level"].as_str(), &own["fields"]["http.status"]),
        (Some("INFO"), &json!(200))
    );
    assert_eq!(around(own, "http.route"), ["/graphql"]);
    assert_eq!(around(own, "http.method"), ["POST"]);
    // Machines that ask all the time are not heard unless somebody wants to.
    for line in answered.iter().filter(|line| line["level"] == "INFO") {
        let route = around(line, "http.route");
        assert!(
            !["/health", "/metrics"]
                .iter()
                .any(|probe| route[0].starts_with(probe)),
            "{line}"
        );
    }
    let first_pieces = said(&lines, "the bot said its first piece");
    let of_reply = first_pieces
        .iter()
        .find(|line| around(line, "message.id") == [reply.as_str()]);
    let line = of_reply.unwrap();
    assert_eq!(around(line, "request.id"), ["one:0f-A_b.c"]);
    assert_eq!(around(line, "chat.id"), [chat.as_str()]);
    assert_eq!(
        around(line, "name"),
        ["request", "operation", "reply", "upstream"]
    );
    assert_eq!(around(line, "operation.field"), ["sendMessage"]);
}

#[tokio::test]
async fn what_a_socket_asks_for_is_named_by_the_request_that_opened_it() {
    let scratch = Scratch::embedded().await;
    let server = Server::start_in(&scratch, &["--builtin-pace", "0"], &[TALKATIVE]);
    let chat = server.create_chat("A chat").await;
    let mut mt = Mt::open(&server, &chat).await;
    mt.upload("Hello").await;
    mt.until("stop_typing_indicator").await;
    let mut socket = Socket::acknowledged(&server).await;
    let query = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { reply { id } } }";
    let input = json!({ "input": { "chatId": chat, "text": "Hello again" } });
    socket.subscribe("1", query, input).await;
    let message = socket.message().await;
    let reply = message["payload"]["data"]["sendMessage"]["reply"]["id"]
        .as_str()
        .unwrap();
    follow(&server, reply).await;
    drop((mt, socket));
    let (_, lines) = lines(server);
    let mut stories = said(&lines, "the bot said its first piece")
        .into_iter()
        .map(|line| {
            let opened = around(line, "request.id")[0];
            let handshake = said(&lines, "answered")
                .into_iter()
                .find(|line| around(line, "request.id") == [opened]);
            assert_eq!(handshake.unwrap()["fields"]["http.status"], 101, "{line}");
            (around(line, "face"), around(line, "name"))
        });
    let mt = (vec!["mt"], vec!["socket", "frame", "reply", "upstream"]);
    let graphql = (vec!["graphql"], vec!["socket", "operation", "reply", "upstream"]);
    assert_eq!((stories.next(), stories.next()), (Some(mt), Some(graphql)));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_somebody_wrote_is_in_any_line() {
    let scratch = Scratch::embedded().await;
    let bot = [
        "--bot",
        "openai",
        "--openai-base-url",
        "http://127.0.0.1:1/v1",
        "--openai-model",
        "a-model",
    ];
    let key = ("OPENAI_API_KEY", CANARY);
    let server = Server::start_in(&scratch, &bot, &[TALKATIVE, key]);
    let client = Client::new();
    let chat = server.create_chat(CANARY).await;
    let reply = server.send(&chat, CANARY).await;
    // The service is not there, which is logged.
    follow(&server, &reply).await;
    let graphql = |body: String| {
        let request = client.post(server.at(&format!("/graphql?{CANARY}={CANARY}")));
        let request = request.header("Content-Type", "application/json");
        let request = request.header("Authorization", format!("Bearer {CANARY}"));
        let request = request.header("Cookie", format!("session={CANARY}"));
        let request = request.header("X-Request-Id", format!("{CANARY} {CANARY}"));
        let request = request.header("traceparent", CANARY).header("User-Agent", CANARY);
        request.body(body).send()
    };
    let quoted = json!(CANARY);
    let create =
        "mutation ($u: UserId, $t: String!) { createChat(input: {userId: $u, title: $t}) { chat { id } } }";
    for body in [
        json!({ "query": create, "variables": { "u": CANARY, "t": CANARY } }).to_string(),
        json!({ "query": create, "variables": { "u": { "x": CANARY }, "t": [CANARY] } }).to_string(),
        json!({ "query": create, "variables": { "u": 1, "t": CANARY.repeat(50) } }).to_string(),
        json!({ "query": format!("query {CANARY} {{ {CANARY} }}"), "operationName": CANARY }).to_string(),
        json!({ "query": format!("{{ message(id: {quoted}) {{ id }} }}") }).to_string(),
        json!({ "query": format!("{{ searchMessages(query: {quoted}) {{ edges {{ node {{ text }} }} }} }}") }).to_string(),
        json!({ "query": format!("{{ chats(after: {quoted}) {{ edges {{ node {{ id }} }} }} }}") }).to_string(),
        json!({ "query": format!("{{ viewer {{ isAnonymous }} # {CANARY}") }).to_string(),
        json!({ "documentId": CANARY }).to_string(),
        json!({ "query": [CANARY] }).to_string(),
        format!("{{\"query\": \"{CANARY}"),
    ] {
        graphql(body).await.unwrap();
    }
    // Not all of them were refused at the door.
    let query = "query ($u: UserId) { chats(userId: $u) { edges { node { title } } } }";
    let chats = server.data(query, json!({ "u": CANARY })).await;
    assert_eq!(chats["chats"]["edges"][0]["node"]["title"], CANARY);
    for (method, path, body) in [
        (
            "POST",
            "/chat/".to_owned(),
            json!({ "user_id": CANARY, "title": [CANARY] }),
        ),
        (
            "POST",
            "/chat/".to_owned(),
            json!({ "user_id": 1, "title": CANARY }),
        ),
        (
            "POST",
            format!("/chat/{chat}/messages"),
            json!({ "message": CANARY, "is_bot": CANARY, "token": CANARY }),
        ),
        (
            "POST",
            format!("/chat/{chat}/messages"),
            json!({ "message": CANARY, "is_bot": false }),
        ),
        (
            "PUT",
            format!("/chat/{chat}/messages/{reply}"),
            json!({ "message": CANARY }),
        ),
        (
            "PUT",
            format!("/chat/{chat}/messages/{reply}/reaction"),
            json!({ "reaction": CANARY }),
        ),
        ("GET", format!("/chat/user/{CANARY}?page={CANARY}"), json!(null)),
        ("GET", format!("/chat/{CANARY}/messages"), json!(null)),
        ("DELETE", format!("/{CANARY}"), json!(null)),
        (CANARY, format!("/{CANARY}?{CANARY}"), json!(CANARY)),
    ] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        client
            .request(method, server.at(&path))
            .json(&body)
            .send()
            .await
            .unwrap();
    }
    let mut mt = Mt::open_at(&server, &format!("/chat/ws/{chat}?after={CANARY}")).await;
    mt.upload(CANARY).await;
    for frame in [
        format!("{{\"mt\": \"{CANARY}\"}}"),
        CANARY.to_owned(),
        json!({ "mt": "message_upload", "message": [CANARY] }).to_string(),
    ] {
        mt.send_raw(Message::text(frame)).await;
    }
    mt.send(json!({ "mt": "stop", "message": CANARY })).await;
    mt.until("stopped_generation").await;
    drop(Mt::open_at(&server, &format!("/chat/ws/{CANARY}")).await);
    let mut socket = Socket::open(&server).await;
    socket
        .send(json!({ "type": "connection_init", "payload": { "authorization": CANARY } }))
        .await;
    socket.expect(json!({ "type": "connection_ack" })).await;
    let send = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { message { id } } }";
    let input =
        json!({ "input": { "chatId": chat, "text": CANARY, "clientKey": CANARY, "language": CANARY } });
    socket.subscribe(CANARY, send, input).await;
    socket.message().await;
    socket
        .subscribe(
            "2",
            &format!("subscription {{ reply(messageId: {quoted}) {{ {CANARY} }} }}"),
            json!({ "x": CANARY }),
        )
        .await;
    socket.send(json!({ "type": CANARY })).await;
    let ended = tokio::time::timeout(WAIT_MAX, socket.drain()).await;
    assert_eq!(ended.unwrap().1, 4400);

    let (log, lines) = lines(server);
    assert!(said(&lines, "answered").len() > 20, "{}", lines.len());
    let sung: Vec<_> = log
        .lines()
        .filter(|line| line.to_lowercase().contains(CANARY))
        .collect();
    assert!(sung.is_empty(), "{sung:#?}");
}

#[tokio::test]
async fn the_whole_cause_of_an_error_is_in_its_line() {
    let scratch = Scratch::embedded().await;
    // Nobody listens there.
    let service = ["--openai-base-url", "http://127.0.0.1:1/v1"];
    let bot = [&["--bot", "openai", "--openai-model", "a-model"][..], &service].concat();
    let server = Server::start_with(&scratch, &bot);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "Hello").await;
    follow(&server, &reply).await;
    let (_, lines) = lines(server);
    let refused = said(&lines, "the bot's service could not be reached");
    let cause = refused[0]["fields"]["error"].as_str().unwrap();
    assert!(
        cause.starts_with("error sending request: ") && cause.contains("refused"),
        "{cause}"
    );
}
