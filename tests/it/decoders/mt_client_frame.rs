//! What holds of any bytes that are taken for a client's `mt` frame. Shared by the tests here and a fuzz target.

use colloquy::legacy::frame::{ClientFrame, DecodeError, ServerFrame, Stamp, Upload};
use serde_json::Value;
use serde_json::value::RawValue;

/// The echo of what did not come.
const NOTHING: &str = "\"\"";

/// Whether this is JSON, however deep and however large its numbers.
fn is_json(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| serde_json::from_str::<&RawValue>(text).is_ok())
}

/// It is a frame or a typed error, and a frame that is written again is the same.
pub fn check(bytes: &[u8]) {
    let decoded = ClientFrame::decode(bytes);
    assert_eq!(decoded != Err(DecodeError::NotJson), is_json(bytes));
    let frame = match decoded {
        Ok(frame) => frame,
        Err(_) => return,
    };
    let again = match &frame {
        ClientFrame::Upload(upload) => encode(upload),
        ClientFrame::Stop { message } => format!("{{\"mt\":\"stop\",\"message\":{message}}}"),
        ClientFrame::Unknown => return,
    };
    assert_eq!(
        ClientFrame::decode(again.as_bytes()),
        Ok(frame.clone()),
        "{again}"
    );
    echo(bytes, &frame);
}

/// An upload as a client would write it.
fn encode(upload: &Upload) -> String {
    let text = |text: &str| Value::from(text).to_string();
    let mut fields = vec![
        "\"mt\":\"message_upload\"".to_owned(),
        format!("\"message\":{}", text(&upload.message)),
        format!("\"userId\":{}", upload.user_id),
        format!("\"timezone\":{}", text(&upload.timezone)),
        format!("\"selectedLanguage\":{}", text(&upload.selected_language)),
    ];
    if let Some(id) = &upload.client_message_id {
        fields.push(format!("\"clientMessageId\":{}", text(id)));
    }
    if upload.is_unconfirmed {
        fields.push("\"useWebSearch\":false".to_owned());
    }
    format!("{{{}}}", fields.join(","))
}

/// What is echoed of a frame is as it came, and makes an answer that is JSON, with the echo in its place.
fn echo(bytes: &[u8], frame: &ClientFrame) {
    let stamp = Stamp {
        chat_id: "a chat",
        timestamp: "2026-01-31T08:45:51",
    };
    let (answer, field, echoed) = match frame {
        ClientFrame::Upload(upload) => {
            let confirm = ServerFrame::UserConfirm {
                message: &upload.message,
                user_id: &upload.user_id,
                time: "08:45",
                token: "1_a chat",
                message_id: "1",
                reply_id: "2",
            };
            (confirm.encode(stamp), "userId", &upload.user_id)
        }
        ClientFrame::Stop { message } => {
            let stopped = ServerFrame::StoppedGeneration { message };
            (stopped.encode(stamp), "message", message)
        }
        ClientFrame::Unknown => return,
    };
    let came = String::from_utf8_lossy(bytes);
    assert!(echoed == NOTHING || came.contains(echoed), "{echoed} of {came}");
    assert!(is_json(answer.as_bytes()), "{answer}");
    assert!(answer.contains(&format!("\"{field}\":{echoed}")), "{answer}");
}
