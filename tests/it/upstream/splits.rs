//! A transcript cut at every byte: into two packets, which changes nothing; and off, which is never called complete.

use std::collections::HashMap;

use colloquy::bot::{Bot, BotEvent, OpenAiBot, Prompt, Turn};
use colloquy::config::{OpenAiConfig, UpstreamTimeouts, UpstreamUrl};
use colloquy::domain::{Author, FinishReason, TimeZone, Timestamp, Usage};
use futures_util::StreamExt;

use crate::support::upstream::{Act, DONE, Script, Upstream, finish, piece, send, stream, usage};

const PIECES: [&str; 5] = ["नमस्ते", ", ", "दुनिया", " 👩‍👩‍👧", " — क्षि"];

/// How an answer ended: complete with its cost, broken off, or with an error of this code.
#[derive(Debug, PartialEq)]
enum End {
    Complete(Option<Usage>),
    BrokenOff,
    Failed(&'static str),
}

fn bot(upstream: &Upstream) -> OpenAiBot {
    let config = OpenAiConfig {
        base_url: UpstreamUrl::parse(&upstream.base_url()).unwrap(),
        model: "a-model".to_owned(),
        api_key: None,
        system_prompt: OpenAiConfig::SYSTEM_PROMPT.to_owned(),
        max_tokens: None,
        timeouts: UpstreamTimeouts::default(),
    };
    OpenAiBot::new(&config).unwrap()
}

async fn hear(bot: &OpenAiBot, question: String) -> (String, End) {
    let turn = Turn {
        author: Author::User,
        text: question,
    };
    let mut events = bot.reply(Prompt {
        turns: vec![turn],
        language: None,
        timezone: TimeZone::parse("Asia/Kolkata"),
        now: Timestamp::parse_rfc3339("2026-01-31T08:45:51Z").unwrap(),
        faults: None,
    });
    let mut text = String::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(BotEvent::Piece(piece)) => text.push_str(&piece),
            Ok(BotEvent::Reasoning(_)) => panic!("nothing was thought"),
            Ok(BotEvent::Finished { reason, usage }) => {
                assert_eq!(reason, FinishReason::Complete);
                return (text, End::Complete(usage));
            }
            Err(error) => return (text, End::Failed(error.code)),
        }
    }
    (text, End::BrokenOff)
}

fn transcript() -> Vec<u8> {
    // The characters themselves, not escapes of them, and one that is escaped.
    let pieces: String = PIECES.map(piece).concat();
    let escaped = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\" \\ud83d\\ude42\"}}]}\r\n\r\n";
    (pieces + escaped + &finish("stop") + &usage(3, 9) + DONE).into_bytes()
}

fn text() -> String {
    PIECES.concat() + " 🙂"
}

/// Asks once for each script, and returns what was heard, in order.
async fn hear_each(scripts: Vec<Script>) -> Vec<(String, End)> {
    let count = scripts.len();
    let scripts: HashMap<_, _> = scripts
        .into_iter()
        .enumerate()
        .map(|(number, script)| (number.to_string(), vec![script]))
        .collect();
    let upstream = Upstream::start(scripts).await;
    let bot = bot(&upstream);
    let mut heard = Vec::new();
    for number in 0..count {
        heard.push(hear(&bot, number.to_string()).await);
        assert_eq!(upstream.requests(&number.to_string()).len(), 1);
    }
    heard
}

#[tokio::test]
async fn two_packets_cut_at_any_byte_are_the_same_text() {
    let transcript = transcript();
    let scripts = (0..=transcript.len()).map(|place| {
        let (first, second) = transcript.split_at(place);
        vec![stream(), send(first), Act::Breathe, send(second)]
    });
    for (place, (heard, end)) in hear_each(scripts.collect()).await.into_iter().enumerate() {
        assert_eq!(heard, text(), "{place}");
        assert!(matches!(end, End::Complete(Some(_))), "{place}: {end:?}");
    }
}

#[tokio::test]
async fn a_stream_that_ends_at_any_byte_is_a_beginning_and_complete_only_if_it_said_so() {
    let transcript = transcript();
    let end_of = |part: &str| {
        let place = transcript
            .windows(part.len())
            .position(|window| window == part.as_bytes());
        place.unwrap() + part.len()
    };
    let first_event = end_of("\n\n");
    let finished = end_of(&finish("stop"));
    let paid = end_of(&usage(3, 9));
    let scripts = (0..transcript.len()).map(|place| vec![stream(), send(&transcript[..place])]);
    for (place, (heard, end)) in hear_each(scripts.collect()).await.into_iter().enumerate() {
        assert!(text().starts_with(&heard), "{place}: {heard}");
        match end {
            End::Complete(usage) => {
                // The LF that ends the event is there, or the CR that ends as much.
                assert!(place >= finished, "{place}");
                assert_eq!((heard, usage.is_some()), (text(), place >= paid), "{place}");
            }
            End::BrokenOff => assert!((first_event..finished).contains(&place), "{place}"),
            End::Failed(code) => assert_eq!(
                (code, place < first_event),
                ("UPSTREAM_PROTOCOL", true),
                "{place}"
            ),
        }
    }
}
