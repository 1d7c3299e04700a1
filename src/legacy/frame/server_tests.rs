use super::*;

fn stamp() -> Stamp<'static> {
    Stamp {
        chat_id: "c",
        timestamp: "t",
    }
}

const PROGRESS: Progress<'static> = Progress {
    message_id: "m",
    offset: 3,
    cursor: Some("k"),
    state: None,
};

#[test]
fn every_frame_has_the_documented_fields_in_the_documented_order() {
    let confirm = ServerFrame::UserConfirm {
        message: "hi \"you\" 🙂",
        user_id: "7",
        time: "08:45",
        token: "1_c",
        message_id: "m",
        reply_id: "r",
    };
    let bot_confirm = ServerFrame::BotConfirm {
        message: "whole",
        time: "08:45",
        token: "2_c",
        message_id: "m",
    };
    let ended = Progress {
        cursor: None,
        state: Some("STOPPED"),
        ..PROGRESS
    };
    let new_message = ServerFrame::NewMessage {
        message_id: "m",
        message: "hi",
        is_bot: false,
    };
    let chunk = ServerFrame::Chunk {
        stream: "s",
        partial: " ",
        progress: PROGRESS,
    };
    for (frame, text) in [
        (
            confirm,
            r#"{"mt":"message_upload_confirm","chatId":"c","message":"hi \"you\" 🙂","userId":7,"time":"08:45","isBot":false,"token":"1_c","timestamp":"t","messageId":"m","replyId":"r"}"#,
        ),
        (
            ServerFrame::TypingIndicator,
            r#"{"mt":"typing_indicator","chatId":"c","isBot":true,"timestamp":"t"}"#,
        ),
        (
            new_message,
            r#"{"mt":"new_message","chatId":"c","messageId":"m","message":"hi","isBot":false,"timestamp":"t"}"#,
        ),
        (
            ServerFrame::Start {
                stream: "s",
                progress: Progress {
                    cursor: None,
                    ..PROGRESS
                },
            },
            r#"{"mt":"chat_message_bot_partial","chatId":"c","start":"s","timestamp":"t","messageId":"m","offset":3}"#,
        ),
        (
            chunk,
            r#"{"mt":"chat_message_bot_partial","chatId":"c","uuid":"s","partial":" ","message_context":"public","timestamp":"t","messageId":"m","offset":3,"cursor":"k"}"#,
        ),
        (
            ServerFrame::End {
                stream: "s",
                progress: ended,
            },
            r#"{"mt":"chat_message_bot_partial","chatId":"c","stop":"s","timestamp":"t","messageId":"m","offset":3,"state":"STOPPED"}"#,
        ),
        (
            bot_confirm,
            r#"{"mt":"message_upload_confirm","chatId":"c","message":"whole","message_context":"public","time":"08:45","isBot":true,"token":"2_c","timestamp":"t","messageId":"m"}"#,
        ),
        (
            ServerFrame::StopTypingIndicator,
            r#"{"mt":"stop_typing_indicator","chatId":"c","isBot":true,"timestamp":"t"}"#,
        ),
        (
            ServerFrame::StoppedGeneration {
                message: "{\"a\": 1}",
            },
            r#"{"mt":"stopped_generation","chatId":"c","isBot":true,"message":{"a": 1},"timestamp":"t"}"#,
        ),
        (
            ServerFrame::ChatAccessDenied,
            r#"{"mt":"chat_access_denied","chatId":"c","message":"Invalid chat ID: c"}"#,
        ),
        (
            ServerFrame::Error { message: "no" },
            r#"{"mt":"error","chatId":"c","message":"no"}"#,
        ),
    ] {
        assert_eq!(frame.encode(stamp()), text);
    }
}
