//! What comes of one message, in which order, and what is stored of it.

use serde_json::{Value, json};

use super::{STEADY, chat, messages, post};
use crate::on_every_pair;
use crate::support::mt::{Mt, kinds, replies, upload};
use crate::support::scratch::Scratch;
use crate::support::server::Server;

on_every_pair! {
    an_upload_is_answered_in_the_documented_order,
    two_greetings_are_two_streams,
    an_upload_with_use_web_search_has_no_bot_confirm,
    the_chunks_together_are_the_reply_that_is_stored,
    a_reply_that_is_reacted_to_while_it_grows_goes_on_as_one_stream,
    an_empty_or_missing_message_is_stored_and_answered,
    several_uploads_at_once_are_answered_each_in_order,
    a_failed_reply_is_followed_by_an_apology_in_the_language_that_was_selected,
    the_selected_language_decides_where_the_text_does_not,
    a_text_that_was_posted_a_moment_ago_is_answered_and_not_stored_again,
    two_uploads_of_the_same_text_are_two_messages,
    a_pending_chat_is_named_after_its_first_message,
    an_upload_that_is_sent_again_under_its_key_is_stored_once,
    whoever_uploads_and_leaves_at_once_is_answered_all_the_same,
}

const ORDER: [&str; 8] = [
    "user confirm",
    "typing_indicator",
    "new_message",
    "start",
    "chunk",
    "end",
    "bot confirm",
    "stop_typing_indicator",
];

async fn an_upload_is_answered_in_the_documented_order(scratch: &Scratch) {
    for arguments in [&["--builtin-pace", "0"][..], &STEADY] {
        let scratch = scratch.beside();
        let server = Server::start_with(&scratch, arguments);
        let chat = server.create_chat("A chat").await;
        for prefix in ["/chat", "/api/v1/chat"] {
            let mut socket = Mt::open_at(&server, &format!("{prefix}/ws/{chat}")).await;
            for text in ["hello", "hello", "Tell me about the sea"] {
                socket.upload(text).await;
                let frames = socket.until("stop_typing_indicator").await;
                assert_eq!(kinds(&frames), ORDER);
                assert_eq!(frames[2]["message"], text);
            }
        }
        drop(server);
        scratch.remove().await;
    }
}

async fn a_reply_that_is_reacted_to_while_it_grows_goes_on_as_one_stream(scratch: &Scratch) {
    let server = Server::start_with(scratch, &["--builtin-pace", "40", "--builtin-words", "60"]);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    socket.upload("Tell me about the sea").await;
    let mut frames = socket.until("chunk").await;
    let reply = &messages(&server, &chat).await[1]["id"];
    let react = "mutation ($id: ID!) { addReaction(input: { messageId: $id, reaction: \"heart\" }) { message { id } } }";
    server.data(react, json!({ "id": reply })).await;
    frames.extend(socket.until("stop_typing_indicator").await);
    let shown = replies(&frames);
    assert_eq!(shown.len(), 1, "{frames:?}");
    let stored = messages(&server, &chat).await;
    assert_eq!(stored[1]["text"], shown[0].text);
}

async fn two_greetings_are_two_streams(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    let mut frames = Vec::new();
    for text in ["hello", "hello", "thanks", "thanks", "नमस्ते", "नमस्ते"] {
        socket.upload(text).await;
        frames.extend(socket.until("stop_typing_indicator").await);
    }
    // Which fails on an id that was there before.
    let shown = replies(&frames);
    let stored = messages(&server, &chat).await;
    let ids: Vec<_> = stored.iter().skip(1).step_by(2).map(|it| &it["id"]).collect();
    assert_eq!(ids, shown.iter().map(|it| it.stream.as_str()).collect::<Vec<_>>());
}

async fn an_upload_with_use_web_search_has_no_bot_confirm(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    for value in [json!(false), json!(true), Value::Null] {
        let mut frame = upload("hello");
        frame["useWebSearch"] = value;
        socket.send(frame).await;
        let frames = socket.until("stop_typing_indicator").await;
        let expected: Vec<_> = ORDER.into_iter().filter(|kind| *kind != "bot confirm").collect();
        assert_eq!(kinds(&frames), expected);
    }
    // The next one says nothing of it.
    socket.upload("hello").await;
    assert_eq!(kinds(&socket.until("stop_typing_indicator").await), ORDER);
}

async fn the_chunks_together_are_the_reply_that_is_stored(scratch: &Scratch) {
    let server = Server::start_with(scratch, &STEADY);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    socket.upload("नमस्ते  👩‍👩‍👧\n\n tell me").await;
    let frames = socket.until("stop_typing_indicator").await;
    let shown = replies(&frames).remove(0);
    let stored = messages(&server, &chat).await;
    assert_eq!(stored.len(), 2);
    assert_eq!(
        (&stored[1]["text"], &stored[1]["author"]),
        (&json!(shown.text), &json!("BOT"))
    );
    assert_eq!(stored[1]["reply"]["state"], "COMPLETE");
    // The stream is named by the stored message, and no other has that name.
    assert_eq!(stored[1]["id"], shown.stream);
    assert!(shown.chunks > 3, "{}", shown.chunks);
    let confirm = &frames[frames.len() - 2];
    assert_eq!(confirm["message"], shown.text);
    assert_eq!(frames[2]["messageId"], stored[0]["id"]);
}

async fn an_empty_or_missing_message_is_stored_and_answered(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    for frame in [upload(""), json!({ "mt": "message_upload" }), upload(" ")] {
        socket.send(frame).await;
        let frames = socket.until("stop_typing_indicator").await;
        assert_eq!(kinds(&frames), ORDER);
    }
    let stored = messages(&server, &chat).await;
    let texts: Vec<_> = stored.iter().step_by(2).map(|message| &message["text"]).collect();
    assert_eq!(texts, [&json!(""), &json!(""), &json!(" ")]);
}

async fn several_uploads_at_once_are_answered_each_in_order(scratch: &Scratch) {
    let server = Server::start_with(scratch, &STEADY);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    for n in 0..5 {
        socket.upload(&format!("prompt {n}")).await;
    }
    let mut frames = Vec::new();
    for _ in 0..5 {
        frames.extend(socket.until("stop_typing_indicator").await);
    }
    let confirms: Vec<_> = frames
        .iter()
        .filter(|frame| frame["mt"] == "message_upload_confirm" && frame["isBot"] == false)
        .map(|frame| frame["message"].as_str().unwrap())
        .collect();
    assert_eq!(
        confirms,
        ["prompt 0", "prompt 1", "prompt 2", "prompt 3", "prompt 4"]
    );
    let shown = replies(&frames);
    let stored = messages(&server, &chat).await;
    assert_eq!((shown.len(), stored.len()), (5, 10));
    for (n, shown) in shown.iter().enumerate() {
        assert!(
            shown.text.starts_with(&format!("You wrote: prompt {n}")),
            "{}",
            shown.text
        );
        assert_eq!(stored[2 * n + 1]["text"], shown.text);
    }
}

async fn a_failed_reply_is_followed_by_an_apology_in_the_language_that_was_selected(scratch: &Scratch) {
    let english = "I'm having trouble right now. You can try again.";
    for (faults, language, expected) in [
        ("status=500", "en", false),
        ("status=500", "hi", false),
        ("cut@9", "en", true),
    ] {
        let scratch = scratch.beside();
        let server = Server::start_with(&scratch, &["--builtin-pace", "0", "--builtin-faults", faults]);
        let chat = server.create_chat("A chat").await;
        let mut socket = Mt::open(&server, &chat).await;
        let mut frame = upload("Tell me about the sea");
        frame["selectedLanguage"] = json!(language);
        socket.send(frame).await;
        let frames = socket.until("bot confirm").await;
        let mut order = vec!["user confirm", "typing_indicator", "new_message"];
        if expected {
            order.extend(["start", "chunk", "end"]);
        }
        order.extend(["stop_typing_indicator", "bot confirm"]);
        assert_eq!(kinds(&frames), order);
        let apology = frames.last().unwrap()["message"].as_str().unwrap();
        assert_eq!(apology == english, language == "en", "{apology}");
        let stored = messages(&server, &chat).await;
        // Neither the apology nor anybody's raw error is stored, and the socket is as good as before.
        assert_eq!(stored[1]["text"], if expected { "You wrote" } else { "" });
        assert_eq!(stored[1]["type"], "text");
        socket.expect_silence().await;
        drop(server);
        scratch.remove().await;
    }
}

async fn the_selected_language_decides_where_the_text_does_not(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    for (text, language, beginning) in [
        ("42", "hi", "आपने लिखा"),
        ("42", "en", "You wrote"),
        ("hello", "hi", "Hello"),
        ("नमस्ते", "en", "नमस्ते"),
        // What is no language, or no zone, is as good as none.
        ("43", "not a language!", "You wrote"),
    ] {
        let mut frame = upload(text);
        frame["selectedLanguage"] = json!(language);
        frame["timezone"] = json!(if language == "hi" {
            "Asia/Kolkata"
        } else {
            "Nowhere/Else"
        });
        socket.send(frame).await;
        let frames = socket.until("stop_typing_indicator").await;
        let reply = &replies(&frames)[0];
        assert!(reply.text.starts_with(beginning), "{}", reply.text);
    }
}

async fn a_text_that_was_posted_a_moment_ago_is_answered_and_not_stored_again(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    let posted = post(&server, &chat, "Tell me about the sea", "USER").await;
    assert_eq!(socket.expect("new_message").await["messageId"], posted);
    socket.upload("Tell me about the sea").await;
    let frames = socket.until("stop_typing_indicator").await;
    let order: Vec<_> = ORDER.into_iter().filter(|kind| *kind != "new_message").collect();
    assert_eq!(kinds(&frames), order);
    assert_eq!(frames[0]["messageId"], posted);
    let stored = messages(&server, &chat).await;
    assert_eq!(stored.len(), 2);
    assert_eq!(stored[1]["reply"]["inReplyTo"]["id"], posted);
    // It is answered once: the same again is another message, and so is what the other side said.
    socket.upload("Tell me about the sea").await;
    socket.until("stop_typing_indicator").await;
    post(&server, &chat, "hello", "BOT").await;
    socket.upload("hello").await;
    socket.until("stop_typing_indicator").await;
    assert_eq!(messages(&server, &chat).await.len(), 7);
}

async fn two_uploads_of_the_same_text_are_two_messages(scratch: &Scratch) {
    let server = Server::start(scratch);
    let chat = server.create_chat("A chat").await;
    let mut socket = Mt::open(&server, &chat).await;
    socket.upload("again").await;
    socket.upload("again").await;
    for _ in 0..2 {
        socket.until("stop_typing_indicator").await;
    }
    assert_eq!(messages(&server, &chat).await.len(), 4);
}

async fn a_pending_chat_is_named_after_its_first_message(scratch: &Scratch) {
    let server = Server::start(scratch);
    let create = "mutation ($input: CreateChatInput!) { createChat(input: $input) { chat { id } } }";
    let long = "सागर ".repeat(20);
    let cut: String = long.chars().take(50).collect::<String>() + "...";
    for (status, text, title) in [
        ("pending", long.as_str(), cut.as_str()),
        ("pending", "hello", "hello"),
        ("active", "hello", "Mine"),
        ("inactive", "hello", "Mine"),
    ] {
        let input = json!({ "input": { "title": "Mine", "status": status } });
        let data = server.data(create, input).await;
        let id = data["createChat"]["chat"]["id"].as_str().unwrap();
        let mut socket = Mt::open(&server, id).await;
        for text in [text, "another"] {
            socket.upload(text).await;
            socket.until("stop_typing_indicator").await;
        }
        let stored = chat(&server, id).await;
        let expected = if status == "pending" { "active" } else { status };
        assert_eq!(
            (&stored["title"], &stored["status"]),
            (&json!(title), &json!(expected))
        );
    }
}

async fn an_upload_that_is_sent_again_under_its_key_is_stored_once(scratch: &Scratch) {
    let server = Server::start_with(scratch, &STEADY);
    let chat = server.create_chat("A chat").await;
    let mut frame = upload("Tell me about the sea");
    frame["clientMessageId"] = json!("one");
    let mut first = Mt::open(&server, &chat).await;
    first.send(frame.clone()).await;
    first.until("chunk").await;
    drop(first);
    // Another line, the same message: joined while it grows, and once more after its end.
    let mut streams = Vec::new();
    let mut socket = Mt::open(&server, &chat).await;
    for _ in 0..2 {
        socket.send(frame.clone()).await;
        let frames = socket.until("stop_typing_indicator").await;
        let stored = messages(&server, &chat).await;
        assert_eq!(stored.len(), 2);
        let shown = replies(&frames);
        assert_eq!(shown.len(), 1);
        assert_eq!(stored[1]["text"], shown[0].text);
        assert!(kinds(&frames).contains(&"bot confirm"));
        streams.push(shown[0].stream.clone());
    }
    // A client that has some of the text already does not append the whole to it.
    assert_ne!(streams[0], streams[1]);
    frame["message"] = json!("Something else");
    socket.send(frame).await;
    socket.expect("error").await;
}

async fn whoever_uploads_and_leaves_at_once_is_answered_all_the_same(scratch: &Scratch) {
    let server = Server::start_with(scratch, &STEADY);
    let chat = server.create_chat("A chat").await;
    let mut watcher = Mt::open(&server, &chat).await;
    watcher.expect_silence().await;
    let mut socket = Mt::open(&server, &chat).await;
    socket.upload("one").await;
    socket.upload("two").await;
    socket.leave().await;
    let mut frames = Vec::new();
    for _ in 0..2 {
        frames.extend(watcher.until("stop_typing_indicator").await);
    }
    let shown = replies(&frames);
    let stored = messages(&server, &chat).await;
    assert_eq!((stored.len(), shown.len()), (4, 2));
    assert_eq!(stored[3]["text"], shown[1].text);
    assert_eq!(stored[3]["reply"]["state"], "COMPLETE");
}
