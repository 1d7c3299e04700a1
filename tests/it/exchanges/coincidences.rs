//! Calls that coincide.

use colloquy::bot::BuiltinBot;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{CREATE, SEND, chats, messages};
use crate::on_both_stores;
use crate::support::figures::Figures;
use crate::support::follow::follow;
use crate::support::mt::Mt;
use crate::support::scratch::{Scratch, tries};
use crate::support::server::Server;

/// Pairs of calls: of the code that let them interfere, a tenth did.
const PAIRS_FEW: usize = 100;

on_both_stores! {
    a_reply_answers_its_prompt_whatever_is_written_in_the_same_moment,
    no_more_replies_of_a_chat_are_under_way_than_may_be,
}

/// Writes beside a prompt in the same moment, on these servers, and looks at what each reply answers.
async fn write_beside(senders: &Server, writers: &Server) {
    let bot = BuiltinBot::new(0.0, 0);
    let chats = chats(senders, tries(PAIRS_FEW)).await;
    for (n, chat) in chats.iter().enumerate() {
        let prompt = format!("What is {n} times two?");
        let send = json!({ "input": { "chatId": chat, "text": prompt } });
        let create = json!({ "input": { "chatId": chat, "text": format!("A note beside {n}") } });
        let (sent, _) = tokio::join!(senders.data(SEND, send), writers.data(CREATE, create));
        let reply = sent["sendMessage"]["reply"]["id"].as_str().unwrap();
        let (text, _) = follow(senders, reply).await;
        assert_eq!(text, bot.answer(&prompt, None), "pair {n}");
    }
}

async fn a_reply_answers_its_prompt_whatever_is_written_in_the_same_moment(scratch: &Scratch) {
    let server = Server::start(scratch);
    write_beside(&server, &server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_answers_its_prompt_also_where_another_server_writes_beside_it() {
    let scratch = Scratch::mongo_and_redis().await;
    let (a, b) = (Server::start(&scratch), Server::start(&scratch));
    write_beside(&a, &b).await;
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_sent_to_two_servers_at_once_is_one_exchange() {
    let scratch = Scratch::mongo_and_redis().await;
    let (a, b) = (Server::start(&scratch), Server::start(&scratch));
    let chats = chats(&a, tries(PAIRS_FEW)).await;
    for (n, chat) in chats.iter().enumerate() {
        let input = json!({ "input": { "chatId": chat, "text": "Hello", "clientKey": format!("key-{n}") } });
        let (one, other) = tokio::join!(a.data(SEND, input.clone()), b.data(SEND, input));
        assert_eq!(one["sendMessage"], other["sendMessage"]);
        let reply = one["sendMessage"]["reply"]["id"].as_str().unwrap();
        let (texts, ends): (Vec<_>, Vec<_>) = join_all([&a, &b].map(|server| follow(server, reply)))
            .await
            .into_iter()
            .unzip();
        assert_eq!(texts[0], texts[1]);
        assert!(ends.iter().all(|end| end["reply"]["state"] == "COMPLETE"));
        assert_eq!(messages(&a, chat).await.len(), 2, "pair {n}");
    }
    // Each prompt was answered by one of the two, once.
    let mut answered = 0.0;
    for server in [&a, &b] {
        let figures = Figures::of(server).await;
        answered += figures.sum("colloquy_replies_total", &[]).unwrap();
    }
    assert_eq!(answered, chats.len() as f64);
    scratch.remove().await;
}

async fn no_more_replies_of_a_chat_are_under_way_than_may_be(scratch: &Scratch) {
    let endless = ["--builtin-pace", "1", "--builtin-words", "1000"];
    let server = Server::start_with(scratch, &endless);
    let chat = server.create_chat("A chat").await;
    let sends = (0..24).map(|n| {
        let input = json!({ "input": { "chatId": chat, "text": format!("Prompt {n}") } });
        server.request(SEND, input)
    });
    let answers = join_all(sends).await;
    let begun = answers.iter().filter(|answer| answer["errors"].is_null());
    assert_eq!(begun.count(), 8);
    let refused = answers.iter().filter(|answer| !answer["errors"].is_null());
    for answer in refused {
        assert_eq!(answer["errors"][0]["extensions"]["code"], "TOO_MANY_REPLIES");
    }
    // What is refused is not stored.
    assert_eq!(messages(&server, &chat).await.len(), 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_knows_all_that_is_under_way_and_bounds_and_stops_it() {
    let scratch = Scratch::mongo_and_redis().await;
    let endless = ["--builtin-pace", "20", "--builtin-words", "10000"];
    let [a, b] = [(); 2].map(|()| Server::start_with(&scratch, &endless));
    let chat = a.create_chat("A chat").await;
    let mut replies = Vec::new();
    for n in 0..8 {
        replies.push(a.send(&chat, &format!("Prompt {n}")).await);
    }
    let input = json!({ "input": { "chatId": chat, "text": "One too many" } });
    assert_eq!(b.code(SEND, input).await, "TOO_MANY_REPLIES");
    let reject = json!({ "input": { "chatId": chat, "text": "Now", "whileReplying": "REJECT" } });
    assert_eq!(b.code(SEND, reject).await, "REPLY_UNDER_WAY");
    let interrupt = json!({ "input": { "chatId": chat, "text": "Now", "whileReplying": "INTERRUPT" } });
    b.data(SEND, interrupt).await;
    for reply in &replies {
        let (_, message) = follow(&b, reply).await;
        assert_eq!(message["reply"]["state"], "STOPPED");
    }
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_that_is_deleted_before_its_turn_ends_its_replies_without_a_call() {
    let scratch = Scratch::mongo_and_redis().await;
    let endless = ["--builtin-pace", "20", "--builtin-words", "10000"];
    let [a, b] = [(); 2].map(|()| Server::start_with(&scratch, &endless));
    let chat = a.create_chat("A chat").await;
    let send = async |text: &str| {
        let input = json!({ "input": { "chatId": chat, "text": text } });
        let mut sent = a.data(SEND, input).await["sendMessage"].take();
        (sent["message"]["id"].take(), sent["reply"]["id"].take())
    };
    let stop = async |reply: &Value| {
        let stop = "mutation ($id: ID!) { stopReply(input: { messageId: $id }) { receipt { outcome } } }";
        b.data(stop, json!({ "id": reply })).await;
        follow(&b, reply.as_str().unwrap()).await;
    };
    let regenerate = async |reply: &Value| {
        let again = "mutation ($id: ID!) { regenerateReply(input: { messageId: $id, whileReplying: QUEUE }) {
            reply { id } } }";
        let mut again = a.data(again, json!({ "id": reply })).await;
        again["regenerateReply"]["reply"]["id"].take()
    };
    // What a bot would be asked that is asked what stands before the deleted prompt.
    let (_, before) = send("Before").await;
    stop(&before).await;
    let (first, answer) = send("First").await;
    stop(&answer).await;
    let (_, running) = send("Second").await;
    let (third, waiting) = send("Third").await;
    let again = regenerate(&answer).await;
    let delete = "mutation ($id: ID!) { deleteMessage(input: { id: $id }) { deletedMessageId } }";
    for prompt in [first, third] {
        b.data(delete, json!({ "id": prompt })).await;
    }
    stop(&running).await;
    let ended = async |reply: &Value| {
        let (text, message) = follow(&b, reply.as_str().unwrap()).await;
        assert_eq!(text, "");
        assert_eq!(message["reply"]["state"], "FAILED");
        assert_eq!(message["reply"]["error"]["code"], "PROMPT_DELETED");
        assert_eq!(message["reply"]["usage"]["prompt"]["tokens"], 0);
    };
    ended(&waiting).await;
    ended(&again).await;
    ended(&regenerate(&again).await).await;
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupting_prompt_that_is_sent_twice_stops_others_and_not_itself() {
    let scratch = Scratch::mongo_and_redis().await;
    let paced = ["--builtin-pace", "200", "--builtin-words", "60"];
    let [a, b] = [(); 2].map(|()| Server::start_with(&scratch, &paced));
    for n in 0..tries(PAIRS_FEW) / 5 {
        let chat = a.create_chat("A chat").await;
        let earlier = a.send(&chat, "First").await;
        let input = json!({ "input": { "chatId": chat, "text": "Now", "clientKey": format!("key-{n}"),
            "whileReplying": "INTERRUPT" } });
        let (one, other) = tokio::join!(a.data(SEND, input.clone()), b.data(SEND, input));
        assert_eq!(
            one["sendMessage"]["reply"]["id"],
            other["sendMessage"]["reply"]["id"]
        );
        let (_, stopped) = follow(&b, &earlier).await;
        assert_eq!(stopped["reply"]["state"], "STOPPED", "pair {n}");
        let (_, end) = follow(&a, one["sendMessage"]["reply"]["id"].as_str().unwrap()).await;
        assert_eq!(end["reply"]["state"], "COMPLETE", "pair {n}");
    }
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_regeneration_that_is_asked_for_twice_at_once_is_one_reply_that_goes_on() {
    let scratch = Scratch::mongo_and_redis().await;
    let paced = ["--builtin-pace", "200", "--builtin-words", "60"];
    let [a, b] = [(); 2].map(|()| Server::start_with(&scratch, &paced));
    let regenerate =
        "mutation ($input: RegenerateReplyInput!) { regenerateReply(input: $input) { reply { id } } }";
    for n in 0..tries(PAIRS_FEW) / 5 {
        let chat = a.create_chat("A chat").await;
        let first = a.send(&chat, "First").await;
        follow(&a, &first).await;
        let input = json!({ "input": { "messageId": first, "clientKey": format!("key-{n}"),
            "whileReplying": "INTERRUPT" } });
        let second = if n % 2 == 0 { &a } else { &b };
        let (one, other) = tokio::join!(a.data(regenerate, input.clone()), second.data(regenerate, input));
        assert_eq!(one["regenerateReply"], other["regenerateReply"]);
        let (_, end) = follow(&b, one["regenerateReply"]["reply"]["id"].as_str().unwrap()).await;
        assert_eq!(end["reply"]["state"], "COMPLETE", "pair {n}");
    }
    scratch.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_documented_prompt_that_was_posted_and_is_sent_to_two_servers_is_answered_once() {
    let scratch = Scratch::mongo_and_redis().await;
    let [a, b] = [(); 2].map(|()| Server::start(&scratch));
    for n in 0..tries(PAIRS_FEW) / 5 {
        let chat = a.create_chat("A chat").await;
        let text = format!("Posted and sent {n}");
        let post = reqwest::Client::new().post(a.at(&format!("/chat/{chat}/messages")));
        let posted = post
            .json(&json!({ "message": text, "chat_id": chat }))
            .send()
            .await
            .unwrap();
        assert!(posted.status().is_success(), "{}", posted.status());
        let (mut first, mut second) = tokio::join!(Mt::open(&a, &chat), Mt::open(&b, &chat));
        tokio::join!(first.upload(&text), second.upload(&text));
        tokio::join!(first.until("user confirm"), second.until("user confirm"));
        // A second sending that comes when the first was answered is a prompt of its own.
        let stored = messages(&a, &chat).await;
        let is_answer = |message: &&Value| message["reply"]["inReplyTo"]["id"] == stored[0]["id"];
        assert_eq!(stored.iter().filter(is_answer).count(), 1, "{stored:?}");
    }
    scratch.remove().await;
}
