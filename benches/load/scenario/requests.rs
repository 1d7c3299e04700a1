//! Reads, and durable writes: what each costs, and how long it takes.

use std::time::Duration;

use colloquy::domain::{self, Position, Timestamp};
use serde_json::{Value, json};

use super::Stage;
use crate::data::{LISTED_CHATS, USER};
use crate::driver::calls::Call;
use crate::process::{Process, own_cpu};
use crate::report::{Figures, Report, Subject, median};

/// Connections that ask as fast as they are answered.
const CONNECTIONS: usize = 16;
/// How often each is measured. They take turns, so that what else the machine does falls on all of them.
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(3);
/// How long calls come at their own moments.
const OPEN: Duration = Duration::from_secs(5);
/// How many of the calls that the slowest of them could answer.
const OPEN_SHARE: f64 = 0.4;
/// How long each is asked before it counts.
const WARM_UP: Duration = Duration::from_millis(500);
/// Messages of a page.
const PAGE: usize = 50;

const CHAT: &str = "query Chat($id: ID!) { chat(id: $id) { id title status updatedAt
    messages(last: 50) { nodes { id author text type reaction isEdited createdAt updatedAt }
        pageInfo { hasPreviousPage startCursor } } } }";
const CHATS: &str = "query Chats($user: UserId!) { chats(userId: $user, first: 20) { nodes {
        id title status updatedAt messageCount
        lastMessage { id author text type reaction isEdited createdAt updatedAt } }
    pageInfo { hasNextPage endCursor } } }";
const PAGE_BEHIND: &str = "query Page($id: ID!, $after: String!) { chat(id: $id) { id title status updatedAt
    messages(first: 50, after: $after) { nodes { id author text type reaction isEdited createdAt updatedAt }
        pageInfo { hasNextPage endCursor } } } }";
const CREATE: &str = "mutation Create($input: CreateMessageInput!) { createMessage(input: $input) {
    message { id createdAt } } }";
const TEXT: &str =
    "The tide was coming in by then, and the boats that had lain on the sand all afternoon began to stir.";

/// One of those that are compared.
struct Contender<'a> {
    subject: Subject,
    process: &'a Process,
    call: Call,
    /// Where in the answer the list is, and how long it must be.
    list: Option<(&'a str, usize)>,
}

/// Measures all of them.
pub async fn measure(stage: &Stage, report: &mut Report) {
    let (data, server, baseline) = (&stage.data, &stage.server, &stage.baseline);
    let graphql = |document: &str, variables: Value| {
        let body = json!({ "query": document, "variables": variables });
        (Subject::Graphql, server, Call::post(server, "/graphql", &body))
    };
    let rest = |call| (Subject::Rest, server, call);
    let thin = |call| (Subject::Baseline, baseline, call);
    let of = |(subject, process, call), list| Contender {
        subject,
        process,
        call,
        list,
    };
    let (chat, deep) = (data.chat.to_hex(), data.deep_chat.to_hex());
    let (at, last) = data.depth;
    let (at, last) = (at.timestamp_millis(), last.to_hex());

    let path = format!("/chats/{chat}");
    contest(
        report,
        "a chat with its last 50 messages",
        vec![
            of(thin(Call::get(baseline, &path)), Some(("/messages/nodes", PAGE))),
            of(
                graphql(CHAT, json!({ "id": chat })),
                Some(("/data/chat/messages/nodes", PAGE)),
            ),
        ],
    )
    .await;

    let path = format!("/users/{USER}/chats");
    contest(
        report,
        "20 chats, each with its last message and how many",
        vec![
            of(thin(Call::get(baseline, &path)), Some(("/nodes", LISTED_CHATS))),
            of(
                graphql(CHATS, json!({ "user": USER })),
                Some(("/data/chats/nodes", LISTED_CHATS)),
            ),
        ],
    )
    .await;

    let path = format!("/chats/{deep}/after/{at}/{last}");
    let place = Position {
        at: Timestamp::from_millis(at),
        id: domain::ObjectId::parse(&last).unwrap(),
    };
    let after = place.encode();
    contest(
        report,
        "50 messages behind the 150,000th",
        vec![
            of(thin(Call::get(baseline, &path)), Some(("/messages/nodes", PAGE))),
            of(
                graphql(PAGE_BEHIND, json!({ "id": deep, "after": after })),
                Some(("/data/chat/messages/nodes", PAGE)),
            ),
        ],
    )
    .await;

    // Many write, each in a chat of their own.
    let written = || data.written_chats().iter().map(|chat| chat.to_hex());
    let new = json!({ "text": TEXT });
    let thinly = written().map(|chat| (format!("/chats/{chat}/messages"), new.clone()));
    let ours = written().map(|chat| {
        let variables = json!({ "input": { "chatId": chat, "text": TEXT } });
        (
            "/graphql".to_owned(),
            json!({ "query": CREATE, "variables": variables }),
        )
    });
    contest(
        report,
        "a message, stored durably",
        vec![
            of(thin(Call::posts(baseline, thinly)), None),
            of((Subject::Graphql, server, Call::posts(server, ours)), None),
        ],
    )
    .await;

    let path = format!("/documented/chats/{chat}/messages");
    contest(
        report,
        "REST: 50 messages of a chat",
        vec![
            of(thin(Call::get(baseline, &path)), Some(("", PAGE))),
            of(
                rest(Call::get(server, &format!("/chat/{chat}/messages"))),
                Some(("", PAGE)),
            ),
        ],
    )
    .await;

    let path = format!("/documented/users/{USER}/chats");
    contest(
        report,
        "REST: 20 chats of a user",
        vec![
            of(thin(Call::get(baseline, &path)), Some(("/chats", LISTED_CHATS))),
            of(
                rest(Call::get(server, &format!("/chat/user/{USER}"))),
                Some(("/chats", LISTED_CHATS)),
            ),
        ],
    )
    .await;

    let thinly = written().map(|chat| (format!("/documented/chats/{chat}/messages"), new.clone()));
    let documented = json!({ "message": TEXT });
    let ours = written().map(|chat| (format!("/chat/{chat}/messages"), documented.clone()));
    contest(
        report,
        "REST: a message, stored durably",
        vec![
            of(thin(Call::posts(baseline, thinly)), None),
            of(rest(Call::posts(server, ours)), None),
        ],
    )
    .await;
}

async fn contest(report: &mut Report, name: &'static str, mut contenders: Vec<Contender<'_>>) {
    if !report.wants(name) {
        return;
    }
    for contender in &mut contenders {
        let answer = contender.call.first().await;
        if let Some((place, length)) = contender.list {
            let list = answer.pointer(place).and_then(Value::as_array);
            assert_eq!(list.map(Vec::len), Some(length), "{answer}");
        }
        contender.call.as_fast_as_answered(CONNECTIONS, WARM_UP).await;
    }
    let mut costs = vec![Vec::new(); contenders.len()];
    let mut rates = costs.clone();
    let mut drivers = costs.clone();
    for _ in 0..ROUNDS {
        for (nth, contender) in contenders.iter().enumerate() {
            let (before, driver) = (contender.process.cpu(), own_cpu());
            let answered = contender.call.as_fast_as_answered(CONNECTIONS, ROUND).await as f64;
            costs[nth].push(contender.process.cpu().since(&before).as_secs_f64() * 1e6 / answered);
            rates[nth].push(answered / ROUND.as_secs_f64());
            drivers[nth].push(own_cpu().since(&driver).as_secs_f64() * 1e6 / answered);
        }
    }
    let slowest = rates
        .iter()
        .map(|rates| median(rates))
        .fold(f64::INFINITY, f64::min);
    let pace = slowest * OPEN_SHARE;
    for (nth, contender) in contenders.iter().enumerate() {
        let took = contender.call.at_its_moments(pace, OPEN).await;
        let figures = Figures {
            per_second: Some(median(&rates[nth])),
            cpu_us: Some(median(&costs[nth])),
            driver_cpu_us: Some(median(&drivers[nth])),
            ..Figures::default()
        };
        report.add(name, contender.subject, figures.with_latencies(&took));
    }
}
