//! What holds of any bytes that are taken for a body or a query string of the documented REST API. Shared by the tests
//! here and a fuzz target.

use axum::http::Uri;
use colloquy::domain::{ChatId, ObjectId};
use colloquy::legacy::rest::reading;
use serde_json::{Value, json};

/// What a fault may be called.
const FAULTS: [&str; 12] = [
    "missing",
    "string_type",
    "string_too_long",
    "int_type",
    "int_parsing",
    "int_from_float",
    "greater_than_equal",
    "less_than_equal",
    "bool_type",
    "bool_parsing",
    "value_error",
    "model_attributes_type",
];

/// Every route takes it, and what is written again is taken for the same, or refuses it in the documented form.
pub fn check(bytes: &[u8]) {
    let chat = ChatId(ObjectId::from_bytes([7; 12]));
    check_body(bytes, reading::new_chat);
    check_body(bytes, reading::chat_change);
    check_body(bytes, |body| reading::new_message(chat, body));
    check_body(bytes, reading::message_edit);
    if let Ok(query) = std::str::from_utf8(bytes)
        && let Ok(uri) = format!("/?{query}").parse::<Uri>()
    {
        check_query(&uri);
    }
}

fn check_body<T, R>(bytes: &[u8], read: R)
where
    T: PartialEq + std::fmt::Debug,
    R: Fn(&[u8]) -> Result<T, Value>,
{
    let parsed = serde_json::from_slice::<Value>(bytes);
    match (read(bytes), parsed) {
        (Ok(taken), Ok(value)) => {
            assert!(value.is_object(), "{value}");
            assert_eq!(read(value.to_string().as_bytes()), Ok(taken), "{value}");
        }
        (Ok(taken), Err(error)) => panic!("{taken:?} of what is no JSON: {error}"),
        (Err(body), parsed) => {
            let faults = body["detail"].as_array().unwrap_or_else(|| panic!("{body}"));
            assert!(!faults.is_empty());
            for fault in faults {
                assert_eq!(fault["loc"][0], "body", "{fault}");
                match &parsed {
                    Ok(Value::Object(fields)) => check_fault(fault, fields.get(field(fault)), &parsed),
                    _ => check_no_object(bytes, fault, &parsed),
                }
            }
        }
    }
}

fn field(fault: &Value) -> &str {
    fault["loc"][1].as_str().unwrap_or_else(|| panic!("{fault}"))
}

/// A fault of one field tells what stood there, and the whole body where nothing did.
fn check_fault(fault: &Value, given: Option<&Value>, body: &Result<Value, serde_json::Error>) {
    assert!(FAULTS.iter().any(|kind| fault["type"] == *kind), "{fault}");
    assert!(
        fault["msg"].as_str().is_some_and(|text| !text.is_empty()),
        "{fault}"
    );
    match (given, body) {
        (Some(given), _) => assert_eq!(&fault["input"], given, "{fault}"),
        (None, Ok(body)) => {
            assert_eq!((&fault["type"], &fault["input"]), (&json!("missing"), body));
        }
        (None, Err(error)) => panic!("{fault} of {error}"),
    }
}

fn check_no_object(bytes: &[u8], fault: &Value, parsed: &Result<Value, serde_json::Error>) {
    match parsed {
        Ok(Value::Null) => assert_eq!(fault["type"], "missing", "{fault}"),
        Ok(other) => {
            assert_eq!(
                (&fault["type"], &fault["input"]),
                (&json!("model_attributes_type"), other)
            );
        }
        Err(_) if bytes.is_empty() => assert_eq!(fault["type"], "missing", "{fault}"),
        Err(_) => {
            assert_eq!(fault["type"], "json_invalid", "{fault}");
            let characters = String::from_utf8_lossy(bytes).chars().count();
            let place = fault["loc"][1].as_u64().unwrap_or_else(|| panic!("{fault}"));
            assert!(place <= characters as u64, "{fault} of {characters} characters");
            assert!(
                fault["ctx"]["error"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{fault}"
            );
        }
    }
}

fn check_query(uri: &Uri) {
    match reading::page(uri, 20, 100) {
        Ok(page) => assert!(page.number >= 1 && (1..=100).contains(&page.size), "{page:?}"),
        Err(body) => check_query_faults(&body, &["page", "limit"]),
    }
    if let Err(body) = reading::reaction(uri) {
        check_query_faults(&body, &["reaction"]);
    }
}

fn check_query_faults(body: &Value, fields: &[&str]) {
    let faults = body["detail"].as_array().unwrap_or_else(|| panic!("{body}"));
    assert!(!faults.is_empty());
    let mut places = Vec::new();
    for fault in faults {
        assert_eq!(fault["loc"][0], "query", "{fault}");
        assert!(FAULTS.iter().any(|kind| fault["type"] == *kind), "{fault}");
        let place = fields.iter().position(|name| *name == field(fault));
        places.push(place.unwrap_or_else(|| panic!("{fault}")));
    }
    // In the order of the fields, each once.
    assert!(places.is_sorted_by(|a, b| a < b), "{body}");
}
