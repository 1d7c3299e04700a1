use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn decode(frame: Value) -> Result<ClientFrame, DecodeError> {
    ClientFrame::decode(frame.to_string().as_bytes())
}

fn upload(frame: Value) -> Upload {
    match decode(frame) {
        Ok(ClientFrame::Upload(upload)) => upload,
        other => panic!("{other:?}"),
    }
}

#[test]
fn missing_fields_of_an_upload_take_their_defaults() {
    let bare = Upload {
        message: String::new(),
        user_id: "\"\"".to_owned(),
        timezone: "UTC".to_owned(),
        selected_language: "en".to_owned(),
        client_message_id: None,
        is_unconfirmed: false,
    };
    assert_eq!(upload(json!({ "mt": "message_upload" })), bare);
    let odd =
        json!({ "mt": "message_upload", "timezone": 7, "selectedLanguage": null, "clientMessageId": null });
    assert_eq!(upload(odd), bare);
}

#[test]
fn a_user_id_is_echoed_as_it_came() {
    for id in [
        "7",
        "\"7\"",
        "12345678901234567890123",
        "1.50",
        "null",
        "{\"a\":[ 1 ]}",
    ] {
        let frame = format!("{{\"mt\":\"message_upload\",\"userId\":{id}}}");
        match ClientFrame::decode(frame.as_bytes()) {
            Ok(ClientFrame::Upload(upload)) => assert_eq!(upload.user_id, id),
            other => panic!("{other:?}"),
        }
    }
    let long = json!({ "mt": "message_upload", "userId": "7".repeat(ECHO_BYTES_MAX) });
    assert_eq!(decode(long), Err(DecodeError::Unprocessable));
}

#[test]
fn a_message_that_is_no_text_cannot_be_processed() {
    for message in [json!(null), json!(7), json!(["a"]), json!({}), json!(true)] {
        let frame = json!({ "mt": "message_upload", "message": message });
        assert_eq!(decode(frame), Err(DecodeError::Unprocessable));
    }
    let frame = br#"{"mt":"message_upload","message":"\ud800"}"#;
    assert_eq!(ClientFrame::decode(frame), Err(DecodeError::Unprocessable));
    for frame in [
        json!([]),
        json!(["message_upload"]),
        json!("stop"),
        json!(7),
        json!(null),
    ] {
        assert_eq!(decode(frame), Err(DecodeError::Unprocessable));
    }
}

#[test]
fn what_is_no_json_is_told_apart() {
    let frames: [&[u8]; 9] = [
        b"",
        b" ",
        b"{",
        b"{}}",
        b"not json",
        b"{'mt':'stop'}",
        b"{\"mt\":NaN}",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
    ];
    for frame in frames {
        assert_eq!(ClientFrame::decode(frame), Err(DecodeError::NotJson), "{frame:?}");
    }
    let deep = "[".repeat(200_000);
    assert_eq!(ClientFrame::decode(deep.as_bytes()), Err(DecodeError::NotJson));
}

#[test]
fn a_frame_of_another_kind_is_unknown_and_the_last_of_two_fields_counts() {
    for frame in [
        json!({}),
        json!({ "mt": "ping" }),
        json!({ "mt": 7 }),
        json!({ "mt": null, "message": 7 }),
    ] {
        assert_eq!(decode(frame), Ok(ClientFrame::Unknown));
    }
    let twice = br#"{"mt":"ping","mt":"stop","message":"a","x":[{}],"message":{"b":1}}"#;
    let stop = ClientFrame::Stop {
        message: "{\"b\":1}".to_owned(),
    };
    assert_eq!(ClientFrame::decode(twice), Ok(stop));
}

#[test]
fn the_key_of_a_late_client_counts_whatever_its_value() {
    for value in [json!(true), json!(false), json!(null)] {
        assert!(upload(json!({ "mt": "message_upload", "useWebSearch": value })).is_unconfirmed);
    }
    assert!(!upload(json!({ "mt": "message_upload", "documentId": null })).is_unconfirmed);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let is_json = std::str::from_utf8(&bytes).is_ok_and(|text| serde_json::from_str::<Value>(text).is_ok());
        let decoded = ClientFrame::decode(&bytes);
        prop_assert!(!is_json || decoded != Err(DecodeError::NotJson));
    }

    #[test]
    fn any_message_arrives_as_it_was_sent(message in ".*", zone in ".{0,40}", language in ".{0,40}") {
        let frame = json!({ "mt": "message_upload", "message": message, "timezone": zone,
            "selectedLanguage": language, "userId": message.len(), "content": message });
        let upload = upload(frame);
        prop_assert_eq!((upload.message, upload.timezone, upload.selected_language), (message, zone, language));
    }
}
