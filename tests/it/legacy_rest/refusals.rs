//! What is refused, with the documented statuses and bodies.

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use super::client::{Client, read};
use crate::support::scratch::{Scratch, mongodb_uri};

async fn client() -> (Client, Scratch) {
    let scratch = Scratch::embedded().await;
    (Client::start(&scratch), scratch)
}

/// An entry of a 422 without what depends on its kind.
fn fault(kind: &str, loc: Value, msg: &str, input: Value) -> Value {
    json!({ "type": kind, "loc": loc, "msg": msg, "input": input })
}

fn with(mut fault: Value, ctx: Value) -> Value {
    fault["ctx"] = ctx;
    fault
}

const MISSING: &str = "Field required";
const STRING: &str = "Input should be a valid string";
const INT: &str = "Input should be a valid integer";
const INT_TEXT: &str = "Input should be a valid integer, unable to parse string as an integer";
const FRACTION: &str = "Input should be a valid integer, got a number with a fractional part";
const BOOL: &str = "Input should be a valid boolean";
const BOOL_TEXT: &str = "Input should be a valid boolean, unable to interpret input";

fn in_body(kind: &str, field: &str, msg: &str, input: Value) -> Value {
    fault(kind, json!(["body", field]), msg, input)
}

#[tokio::test]
async fn every_fault_of_a_new_chat_is_told_in_the_order_of_the_fields() {
    let (client, _scratch) = client().await;
    for (body, expected) in [
        (
            json!({}),
            vec![
                in_body("missing", "user_id", MISSING, json!({})),
                in_body("missing", "title", MISSING, json!({})),
            ],
        ),
        (
            json!({ "user_id": null, "document_id": 7, "training_doc_id": 7, "title": 1, "status": null }),
            vec![
                in_body("int_type", "user_id", INT, Value::Null),
                in_body("string_type", "document_id", STRING, json!(7)),
                in_body("string_type", "training_doc_id", STRING, json!(7)),
                in_body("string_type", "title", STRING, json!(1)),
                in_body("string_type", "status", STRING, Value::Null),
            ],
        ),
        (
            json!({ "user_id": 1.5, "document_id": "x", "title": {} }),
            vec![
                in_body("int_from_float", "user_id", FRACTION, json!(1.5)),
                in_body(
                    "value_error",
                    "document_id",
                    "Value error, an id is 24 hexadecimal digits",
                    json!("x"),
                ),
                in_body("string_type", "title", STRING, json!({})),
            ],
        ),
    ] {
        let answer = client.call("POST", "/chat/", body).await;
        assert_eq!(answer.both(), (422, json!({ "detail": expected })));
        // The keys of an entry have an order too.
        assert!(
            answer.text.starts_with(r#"{"detail":[{"type":""#),
            "{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn every_fault_of_a_body_is_told_before_anything_is_looked_for() {
    let (client, _scratch) = client().await;
    let (messages, message) = ("/chat/nonsense/messages", "/chat/nonsense/messages/nonsense");
    let lax = json!({ "is_bot": "maybe", "reaction": 1, "token": "many", "type": [], "is_edited": null });
    let too_large = "Input should be less than or equal to 9223372036854775807";
    for (method, path, body, expected) in [
        (
            "PUT",
            "/chat/nonsense",
            json!({ "title": 1, "status": false }),
            vec![
                in_body("string_type", "title", STRING, json!(1)),
                in_body("string_type", "status", STRING, json!(false)),
            ],
        ),
        (
            "POST",
            messages,
            lax.clone(),
            vec![
                in_body("missing", "message", MISSING, lax),
                in_body("bool_parsing", "is_bot", BOOL_TEXT, json!("maybe")),
                in_body("string_type", "reaction", STRING, json!(1)),
                in_body("int_parsing", "token", INT_TEXT, json!("many")),
                in_body("string_type", "type", STRING, json!([])),
                in_body("bool_type", "is_edited", BOOL, Value::Null),
            ],
        ),
        (
            "POST",
            messages,
            json!({ "message": "m", "token": u64::MAX }),
            vec![with(
                in_body("less_than_equal", "token", too_large, json!(u64::MAX)),
                json!({ "le": i64::MAX }),
            )],
        ),
        (
            "PUT",
            message,
            json!({ "message": 1, "reaction": [], "is_edited": 2 }),
            vec![
                in_body("string_type", "message", STRING, json!(1)),
                in_body("string_type", "reaction", STRING, json!([])),
                in_body("bool_parsing", "is_edited", BOOL_TEXT, json!(2)),
            ],
        ),
    ] {
        let answer = client.call(method, path, body).await;
        assert_eq!(
            answer.both(),
            (422, json!({ "detail": expected })),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn every_fault_of_a_query_string_is_told_with_the_raw_text() {
    let (client, _scratch) = client().await;
    let bound = |kind, field, input, words, ctx| {
        let msg = format!("Input should be {words}");
        with(fault(kind, json!(["query", field]), &msg, json!(input)), ctx)
    };
    for path in ["/chat/user/1", "/chat/nonsense/messages", "/chat/nonsense/full"] {
        let page = bound(
            "greater_than_equal",
            "page",
            "0",
            "greater than or equal to 1",
            json!({ "ge": 1 }),
        );
        let limit = bound(
            "less_than_equal",
            "limit",
            "101",
            "less than or equal to 100",
            json!({ "le": 100 }),
        );
        let answer = client.bare("GET", &format!("{path}?limit=101&page=0")).await;
        assert_eq!(answer.both(), (422, json!({ "detail": [page, limit] })), "{path}");
        let answer = client.bare("GET", &format!("{path}?page=1.5&limit=")).await;
        let faults = json!([
            fault("int_parsing", json!(["query", "page"]), INT_TEXT, json!("1.5")),
            fault("int_parsing", json!(["query", "limit"]), INT_TEXT, json!("")),
        ]);
        assert_eq!(answer.both(), (422, json!({ "detail": faults })), "{path}");
        let answer = client
            .bare("GET", &format!("{path}?page=99999999999999999999"))
            .await;
        assert_eq!(answer.status, 422, "{path}");
    }
    let answer = client
        .bare("POST", "/chat/nonsense/messages/nonsense/reaction?other=x")
        .await;
    let missing = fault("missing", json!(["query", "reaction"]), MISSING, Value::Null);
    assert_eq!(answer.both(), (422, json!({ "detail": [missing] })));
    let answer = client.bare("GET", "/chat/user/99999999999999999999?page=x").await;
    let faults = answer.json();
    assert_eq!(faults["detail"][0]["loc"], json!(["path", "user_id"]));
    assert_eq!(faults["detail"][1]["loc"], json!(["query", "page"]));
}

#[tokio::test]
async fn a_body_that_is_none_is_refused_as_a_whole() {
    let (client, _scratch) = client().await;
    let missing = json!({ "detail": [fault("missing", json!(["body"]), MISSING, Value::Null)] });
    let no_object = |input: Value| {
        let msg = "Input should be a valid dictionary or object to extract fields from";
        json!({ "detail": [fault("model_attributes_type", json!(["body"]), msg, input)] })
    };
    let broken = |offset: usize, error: &str| {
        let fault = fault(
            "json_invalid",
            json!(["body", offset]),
            "JSON decode error",
            json!({}),
        );
        json!({ "detail": [with(fault, json!({ "error": error }))] })
    };
    let property = "Expecting property name enclosed in double quotes";
    for (method, path) in [
        ("POST", "/chat/"),
        ("PUT", "/chat/nonsense"),
        ("POST", "/chat/nonsense/messages"),
        ("PUT", "/chat/nonsense/messages/nonsense"),
    ] {
        let bare = client.bare(method, path).await;
        assert_eq!(bare.both(), (422, missing.clone()), "{method} {path}");
        for (body, expected) in [
            ("null", missing.clone()),
            ("[]", no_object(json!([]))),
            (r#""text""#, no_object(json!("text"))),
            ("7", no_object(json!(7))),
            ("{", broken(1, property)),
            ("{\"title\":", broken(9, "Expecting value")),
            ("{\"é\":\n }", broken(7, "Expecting value")),
            ("{\"a\":1", broken(6, "Expecting ',' delimiter")),
            ("{\"a\" 1}", broken(5, "Expecting ':' delimiter")),
            ("{\"a\":1 2}", broken(7, "Expecting ',' delimiter")),
            ("{a}", broken(1, property)),
            ("{} x", broken(3, "Extra data")),
        ] {
            let answer = client.raw(method, path, body).await;
            assert_eq!(answer.both(), (422, expected), "{method} {path} {body}");
        }
        for body in [
            "nonsense",
            r#"{"title":"\ud800"}"#,
            r#"{"title":1e999}"#,
            &"[".repeat(100_000),
        ] {
            let (status, answer) = client.raw(method, path, body).await.both();
            assert_eq!(
                (status, &answer["detail"][0]["type"]),
                (422, &json!("json_invalid"))
            );
        }
        // What a page of another site could send without asking first is no JSON.
        let form = Some((
            "text/plain",
            br#"{"user_id":1,"title":"t","message":"m"}"#.to_vec(),
        ));
        let answer = read(client.send(method, path, form).await).await;
        assert_eq!(answer.json()["detail"][0]["type"], "model_attributes_type");
    }
}

#[tokio::test]
async fn a_body_that_says_nothing_of_its_type_is_json_unless_a_page_sends_it() {
    let (client, _scratch) = client().await;
    let http = reqwest::Client::new();
    for (origin, kind, expected) in [
        (None, None, 200),
        (None, Some("application/json"), 200),
        (None, Some("Application/JSON; charset=utf-8"), 200),
        (None, Some("application/merge-patch+json"), 200),
        (None, Some("text/plain"), 422),
        (None, Some("application/x-www-form-urlencoded"), 422),
        (None, Some("text/json"), 422),
        (Some("http://localhost:3000"), Some("application/json"), 200),
        // A page may send this without asking first: one that is let in must say what it is, and another sends nothing.
        (Some("http://localhost:3000"), None, 422),
        (Some("https://example.org"), None, 403),
        (Some("null"), None, 403),
    ] {
        let mut request = http.post(client.server.at("/chat/"));
        request = request.body(r#"{"user_id":1,"title":"t"}"#);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let answer = read(request.send().await.unwrap()).await;
        assert_eq!(answer.status, expected, "{origin:?} {kind:?}");
        if expected == 422 {
            assert_eq!(answer.json()["detail"][0]["type"], "model_attributes_type");
        }
    }
}

#[tokio::test]
async fn a_body_of_more_than_eight_megabytes_is_refused_and_one_of_less_is_not_by_size() {
    let (client, _scratch) = client().await;
    let body = |bytes: usize| {
        let text = json!({ "user_id": 1, "title": "t", "padding": "x".repeat(bytes) });
        Some(("application/json", text.to_string().into_bytes()))
    };
    let answer = read(client.send("POST", "/chat/", body(7 << 20)).await).await;
    assert_eq!(answer.status, 200);
    let answer = read(client.send("POST", "/chat/", body(8 << 20)).await).await;
    assert_eq!(
        answer.both(),
        (413, json!({ "detail": "Request body too large" }))
    );
    // GraphQL has a bound of its own.
    let answer = client.send("POST", "/graphql", body(300 << 10)).await;
    assert_eq!(answer.status().as_u16(), 413);
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_done_there_says_so() {
    let (mut client, _scratch) = client().await;
    let not_found = json!({ "detail": "Not Found" });
    for prefix in ["", "/api/v1"] {
        client.below(prefix);
        for path in [
            "/chat/a/b",
            "/chat/a/messages/b/c",
            "/chat/a/b/reaction",
            "/chats",
            // No id is not an empty one.
            "/chat//",
            "/chat//messages",
            "/chat//full",
            "/chat/a/messages//reaction",
        ] {
            let answer = client.bare("GET", path).await;
            assert_eq!(answer.both(), (404, not_found.clone()), "{path}");
        }
        for (method, path, allowed) in [
            ("GET", "/chat/", "POST"),
            ("PATCH", "/chat/a", "GET,HEAD,PUT,DELETE"),
            ("POST", "/chat/user/1", "GET,HEAD"),
            ("DELETE", "/chat/a/full", "GET,HEAD"),
            ("PUT", "/chat/a/messages", "GET,HEAD,POST"),
            ("POST", "/chat/a/messages/b", "GET,HEAD,PUT,DELETE"),
            ("GET", "/chat/a/messages/b/reaction", "POST,DELETE"),
        ] {
            let response = client.send(method, path, None).await;
            let mut methods: Vec<_> = response.headers()["allow"].to_str().unwrap().split(',').collect();
            methods.sort_unstable();
            let mut allowed: Vec<_> = allowed.split(',').collect();
            allowed.sort_unstable();
            assert_eq!(methods, allowed, "{method} {path}");
            let answer = read(response).await;
            assert_eq!(answer.both(), (405, json!({ "detail": "Method Not Allowed" })));
        }
        for (method, path) in [
            ("GET", "/chat/nonsense"),
            ("DELETE", "/chat/nonsense"),
            ("GET", "/chat/user"),
        ] {
            let answer = client.bare(method, path).await;
            assert_eq!(
                answer.both(),
                (404, json!({ "detail": "Chat not found" })),
                "{path}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_id_is_not_found_even_while_the_store_is_away() {
    let mongod = mongodb_uri();
    let mongod = mongod.trim_start_matches("mongodb://");
    let mongod = mongod[..mongod.find(['/', ',']).unwrap_or(mongod.len())].to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let wire = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            let mongod = mongod.clone();
            connections.spawn(async move {
                let mut far = TcpStream::connect(&mongod).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    let options = "directConnection=true&serverSelectionTimeoutMS=1000";
    let scratch = Scratch::on_mongod(&format!("mongodb://{address}/?{options}"));
    let client = Client::start(&scratch);
    let chat = client.any_chat().await;
    // Cut, with every connection that goes through it.
    wire.abort();
    let _ = wire.await;
    for (path, detail) in [
        ("/chat/nonsense".to_owned(), "Chat not found"),
        ("/chat/nonsense/messages".to_owned(), "Chat not found"),
        ("/chat/nonsense/messages/nonsense".to_owned(), "Chat not found"),
        (format!("/chat/{chat}/messages/nonsense"), "Message not found"),
    ] {
        let answer = client.bare("GET", &path).await;
        assert_eq!(answer.both(), (404, json!({ "detail": detail })), "{path}");
    }
    for path in [
        format!("/chat/{chat}"),
        format!("/chat/{chat}/full"),
        "/chat/user/1".to_owned(),
    ] {
        let response = client.send("GET", &path, None).await;
        assert_eq!(response.headers()["retry-after"], "2");
        let answer = read(response).await;
        let detail = "The store is not available. Please try again.";
        assert_eq!(answer.both(), (503, json!({ "detail": detail })), "{path}");
    }
}
