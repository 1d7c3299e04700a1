//! What the service is told, and what nobody else is.

use std::collections::HashMap;

use serde_json::json;

use super::server;
use crate::support::follow::follow;
use crate::support::scratch::Scratch;
use crate::support::upstream::{DONE, Upstream, event, finish, head, piece, send, stream};

const KEY: &str = "sk-this-is-the-key-0123456789";

#[tokio::test(flavor = "multi_thread")]
async fn the_service_is_told_the_conversation_the_language_and_the_key() {
    let answer = |text: &str| vec![stream(), send(piece(text) + &finish("stop") + DONE)];
    let scripts = HashMap::from([
        ("Who are you?".to_owned(), vec![answer("A bot.")]),
        ("और तुम?".to_owned(), vec![answer("मैं भी।")]),
    ]);
    let upstream = Upstream::start(scripts).await;
    let scratch = Scratch::embedded().await;
    let arguments = ["--system-prompt", "Be kind.", "--openai-max-tokens", "77"];
    let server = server(&scratch, &upstream, &arguments, &[("OPENAI_API_KEY", KEY)]);
    let chat = server.create_chat("A chat").await;
    let reply = server.send(&chat, "Who are you?").await;
    let (_, message) = follow(&server, &reply).await;
    assert_eq!(message["reply"]["model"], "a-model");
    let query = "mutation ($input: SendMessageInput!) { sendMessage(input: $input) { reply { id } } }";
    let input = json!({ "input": { "chatId": chat, "text": "और तुम?", "language": "pt-br",
        "timezone": "asia/kolkata" } });
    let reply = server.data(query, input).await["sendMessage"]["reply"]["id"].take();
    let (text, _) = follow(&server, reply.as_str().unwrap()).await;
    assert_eq!(text, "मैं भी।");

    let first = &upstream.requests("Who are you?")[0];
    assert_eq!(first.line, "POST /v1/chat/completions HTTP/1.1");
    assert_eq!(first.headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(first.headers["accept-encoding"], "identity");
    let second = &upstream.requests("और तुम?")[0].body;
    let rest = json!([
        second["model"],
        second["stream"],
        second["stream_options"],
        second["max_tokens"]
    ]);
    assert_eq!(rest, json!(["a-model", true, { "include_usage": true }, 77]));
    let system = second["messages"][0]["content"].as_str().unwrap();
    assert!(system.starts_with("Be kind.\n"), "{system}");
    assert!(system.contains(" pt-BR,"), "{system}");
    assert!(system.contains("Asia/Kolkata"), "{system}");
    let turns = second["messages"].as_array().unwrap()[1..].to_vec();
    assert_eq!(
        json!(turns),
        json!([
            { "role": "user", "content": "Who are you?" },
            { "role": "assistant", "content": "A bot." },
            { "role": "user", "content": "और तुम?" },
        ])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_is_told_the_latest_turns_within_the_budget_and_always_the_question() {
    let answer = |text: &str| vec![stream(), send(piece(text) + &finish("stop") + DONE)];
    let questions = [
        "one two three",
        "four five six",
        "seven eight nine ten eleven twelve",
    ];
    let scripts = questions.map(|question| (question.to_owned(), vec![answer("well")]));
    let upstream = Upstream::start(HashMap::from(scripts)).await;
    let scratch = Scratch::embedded().await;
    let server = server(&scratch, &upstream, &["--history-tokens", "5"], &[]);
    let chat = server.create_chat("A chat").await;
    for question in questions {
        let reply = server.send(&chat, question).await;
        follow(&server, &reply).await;
    }
    let told = |question: &str| {
        let request = upstream.requests(question)[0].body["messages"].clone();
        let turns = request.as_array().unwrap().iter().skip(1);
        turns
            .map(|turn| turn["content"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(told(questions[0]), [questions[0]]);
    // Three tokens of the question, one of the answer before it, and no room for what came before that.
    assert_eq!(told(questions[1]), ["well", questions[1]]);
    assert_eq!(told(questions[2]), [questions[2]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_model_thinks_is_kept_apart_from_what_it_says() {
    let thought = |text: &str| event(&json!({ "choices": [{ "delta": { "reasoning_content": text } }] }));
    let thoughts = "सोच ".repeat(30_000);
    let long = thought(&thoughts[..thoughts.len() / 2]) + &thought(&thoughts[thoughts.len() / 2..]);
    let scripts = HashMap::from([
        (
            "short".to_owned(),
            vec![vec![
                stream(),
                send(thought("Let me ") + &thought("see.") + &piece("नमस्ते") + &finish("stop") + DONE),
            ]],
        ),
        (
            "long".to_owned(),
            vec![vec![stream(), send(long + &piece("x") + DONE)]],
        ),
    ]);
    let upstream = Upstream::start(scripts).await;
    let scratch = Scratch::embedded().await;
    let server = server(&scratch, &upstream, &[], &[]);
    let (text, message) = super::ask(&server, "short").await;
    assert_eq!(
        (text.as_str(), &message["reply"]["reasoning"]),
        ("नमस्ते", &json!("Let me see."))
    );
    // Bounded, and cut between characters.
    let (text, message) = super::ask(&server, "long").await;
    let kept = message["reply"]["reasoning"].as_str().unwrap();
    assert_eq!(text, "x");
    assert!(
        thoughts.starts_with(kept) && (256 * 1024 - 3..=256 * 1024).contains(&kept.len()),
        "{}",
        kept.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_and_the_texts_are_in_no_log_and_the_services_words_only_there() {
    let refusal = format!("{{\"error\": {{\"message\": \"the quota of {KEY} is used up\"}}}}");
    let answer = vec![
        stream(),
        send(piece("a secret answer") + "data: {a broken event}\n\n"),
    ];
    let scripts = HashMap::from([
        (
            "a private question".to_owned(),
            vec![vec![head(402, ""), send(refusal)]],
        ),
        ("another private question".to_owned(), vec![answer]),
    ]);
    let upstream = Upstream::start(scripts).await;
    let scratch = Scratch::embedded().await;
    let variables = [
        ("OPENAI_API_KEY", KEY),
        ("RUST_LOG", "info,colloquy=trace,reqwest=trace,hyper_util=trace"),
    ];
    let server = server(&scratch, &upstream, &[], &variables);
    let (_, message) = super::ask(&server, "a private question").await;
    assert_eq!(message["reply"]["error"]["code"], "UPSTREAM_REFUSED");
    assert!(!message.to_string().contains("quota"), "{message}");
    let (_, message) = super::ask(&server, "another private question").await;
    assert_eq!(message["reply"]["error"]["code"], "UPSTREAM_PROTOCOL");
    assert_eq!(
        upstream.requests("a private question")[0].headers["authorization"],
        format!("Bearer {KEY}")
    );
    let (_, log) = server.stop();
    assert!(log.contains("the quota of [masked] is used up"), "{log}");
    for secret in [KEY, "private question", "secret answer", "broken event"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}
