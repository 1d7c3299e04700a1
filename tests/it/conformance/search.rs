//! Messages are found by whole words, the newest first.

use std::time::Duration;

use colloquy::domain::{
    Chat, ChatId, Message, MessageChange, Page, PageRequest, Position, ReplyOutcome, SearchScope,
    SearchWords, UserId,
};
use colloquy::store::{Claim, Store};

use crate::on_every_store;
use crate::support::make;
use crate::support::scratch::Scratch;

on_every_store! {
    all_words_are_found_in_any_order_and_case_and_none_within_a_longer_one,
    hindi_words_are_found_with_all_their_signs,
    whatever_else_is_in_a_query_does_no_harm,
    every_page_of_a_search_is_the_part_of_the_list_that_it_names,
    a_search_stays_within_its_chat_or_its_user,
    a_search_sees_edits_and_deletions_at_once,
    a_reply_is_found_once_it_has_ended_however_it_did,
    a_very_long_message_is_found_and_hides_no_other,
}

/// A chat of a user of its own, with a message of each text, one a millisecond.
async fn chat_of(store: &dyn Store, user: &str, texts: &[&str]) -> (Chat, Vec<Message>) {
    let chat = Chat {
        user_id: UserId::Text(user.to_owned()),
        ..make::chat()
    };
    store.insert_chat(&chat).await.unwrap();
    let mut messages = Vec::new();
    for (millis, text) in (1..).zip(texts) {
        let message = Message {
            text: (*text).to_owned(),
            ..make::message_at(chat.id, millis)
        };
        store.insert_message(&message).await.unwrap();
        messages.push(message);
    }
    (chat, messages)
}

async fn search(store: &dyn Store, scope: SearchScope, query: &str, request: &PageRequest) -> Page<Message> {
    let words = SearchWords::parse(query).unwrap();
    store.search_messages(&scope, &words, request).await.unwrap()
}

/// The texts that a search finds in both scopes, which hold the same messages.
async fn found(store: &dyn Store, chat: &Chat, query: &str) -> Vec<String> {
    let request = PageRequest::first(100);
    let in_chat = search(store, SearchScope::Chat(chat.id), query, &request).await;
    let of_user = search(store, SearchScope::User(chat.user_id.clone()), query, &request).await;
    assert_eq!(in_chat, of_user, "{query}");
    assert!(!in_chat.has_more);
    in_chat.items.into_iter().map(|message| message.text).collect()
}

async fn all_words_are_found_in_any_order_and_case_and_none_within_a_longer_one(scratch: &Scratch) {
    let store = scratch.open().await;
    let texts = [
        "The season of the ship",
        "Tell me about the SEA, and about a ship.",
        "ship\nsea-ship",
        "The sea",
        "Café by the sea",
        "sea_ship and seaship",
    ];
    let (chat, _) = chat_of(&*store, "u", &texts).await;
    let found = async |query| found(&*store, &chat, query).await;
    assert_eq!(found("sea").await, [texts[4], texts[3], texts[2], texts[1]]);
    assert_eq!(found("ship Sea").await, [texts[2], texts[1]]);
    assert_eq!(found("sea SHIP ship").await, [texts[2], texts[1]]);
    // The one is found by its index, the other is looked for in the text: neither may be a part of a longer word.
    assert_eq!(found("season").await, [texts[0]]);
    assert_eq!(found("ship seas").await, [""; 0]);
    assert_eq!(found("the sea ship").await, [texts[1]]);
    assert_eq!(found("CAFE").await, [texts[4]]);
    assert_eq!(found("CAFÉ sea").await, [texts[4]]);
    assert_eq!(found("sea_ship").await, [texts[5]]);
    assert_eq!(found("nowhere").await, [""; 0]);
}

async fn hindi_words_are_found_with_all_their_signs(scratch: &Scratch) {
    let store = scratch.open().await;
    let texts = [
        "नमस्ते दुनिया!",
        "मुझे हिन्दी में बताओ।",
        "हिन्द महासागर",
        "कर्म",
        "करम",
        "क्षत्रिय और विद्यार्थी",
    ];
    let (chat, _) = chat_of(&*store, "u", &texts).await;
    let found = async |query| found(&*store, &chat, query).await;
    assert_eq!(found("नमस्ते").await, [texts[0]]);
    assert_eq!(found("दुनिया नमस्ते").await, [texts[0]]);
    assert_eq!(found("हिन्दी").await, [texts[1]]);
    assert_eq!(found("बताओ").await, [texts[1]]);
    assert_eq!(found("हिन्द").await, [texts[2]]);
    assert_eq!(found("विद्यार्थी क्षत्रिय").await, [texts[5]]);
    // Two words that differ in one sign.
    assert_eq!(found("कर्म").await, [texts[3]]);
    assert_eq!(found("करम").await, [texts[4]]);
    for part in ["नमस", "नमस्", "दुन", "हिन्दि", "विद्या"] {
        assert_eq!(found(part).await, [""; 0], "{part}");
    }
}

async fn whatever_else_is_in_a_query_does_no_harm(scratch: &Scratch) {
    let store = scratch.open().await;
    let texts = [
        "I don't know, see example.com",
        "sea NOT ship",
        "$sea costs 3.50",
        "nul \u{0} inside",
    ];
    let (chat, _) = chat_of(&*store, "u", &texts).await;
    let found = async |query| found(&*store, &chat, query).await;
    for query in [
        "don't",
        "DON'T know",
        "example.com",
        "\"know\" \"don't\"",
        "(know*)",
    ] {
        assert_eq!(found(query).await, [texts[0]], "{query}");
    }
    // What would be an operator in the one engine or the other.
    for query in [
        "-sea ship",
        "ship\" \"sea",
        "sea NOT ship",
        "NOT",
        "text:NOT",
        "^not",
    ] {
        let expected: &[&str] = if query.contains(':') { &[] } else { &texts[1..2] };
        assert_eq!(found(query).await, expected, "{query}");
    }
    for query in ["$sea 3.50", "costs", "\\sea 'costs'", "3.50"] {
        assert_eq!(found(query).await, [texts[2]], "{query}");
    }
    // What stands behind the character is not promised: MongoDB ends its index there.
    assert_eq!(found("nul").await, [texts[3]]);
    assert_eq!(found("NEAR(sea ship)").await, [""; 0]);
    assert_eq!(found("sea OR ship").await, [""; 0]);
}

async fn every_page_of_a_search_is_the_part_of_the_list_that_it_names(scratch: &Scratch) {
    let store = scratch.open().await;
    let user = UserId::Int(41);
    let mut list = Vec::new();
    for chat in [make::chat(), make::chat(), make::chat()] {
        let chat = Chat {
            user_id: user.clone(),
            ..chat
        };
        store.insert_chat(&chat).await.unwrap();
        for millis in [3, 1, 2, 1, 3, 2] {
            let message = Message {
                text: format!("a wave of {millis}"),
                ..make::message_at(chat.id, millis)
            };
            let calm = Message {
                text: "calm".to_owned(),
                ..make::message_at(chat.id, millis)
            };
            store.insert_message(&message).await.unwrap();
            store.insert_message(&calm).await.unwrap();
            list.push(message);
        }
    }
    let position = |message: &Message| Position {
        at: message.created_at,
        id: message.id.0,
    };
    list.sort_by_key(|message| std::cmp::Reverse(position(message)));
    let scope = || SearchScope::User(user.clone());
    for size in [1, 4, 17, 18, 19] {
        let (mut read, mut request) = (Vec::new(), PageRequest::first(size));
        loop {
            let page = search(&*store, scope(), "wave", &request).await;
            assert_eq!(page.items.len(), size.min(list.len() - read.len()));
            read.extend(page.items);
            assert_eq!(page.has_more, read.len() < list.len());
            if !page.has_more {
                break;
            }
            request.after = read.last().map(position);
        }
        assert_eq!(read, list, "{size}");
    }
    let between = PageRequest {
        after: Some(position(&list[2])),
        before: Some(position(&list[12])),
        ..PageRequest::last(5)
    };
    let page = search(&*store, scope(), "wave", &between).await;
    assert_eq!((page.items.as_slice(), page.has_more), (&list[7..12], true));
    let nothing = PageRequest {
        before: between.after,
        after: between.before,
        ..PageRequest::first(5)
    };
    assert_eq!(search(&*store, scope(), "wave", &nothing).await, Page::empty());
}

async fn a_search_stays_within_its_chat_or_its_user(scratch: &Scratch) {
    let store = scratch.open().await;
    let mut messages = Vec::new();
    for user in [UserId::Int(7), UserId::Int(7), UserId::Text("7".to_owned())] {
        let chat = Chat {
            user_id: user,
            ..make::chat()
        };
        store.insert_chat(&chat).await.unwrap();
        let message = make::message_at(chat.id, messages.len() as i64);
        store.insert_message(&message).await.unwrap();
        messages.push(message);
    }
    let request = PageRequest::first(9);
    for message in &messages {
        let page = search(&*store, SearchScope::Chat(message.chat_id), "hello", &request).await;
        assert_eq!(page.items, std::slice::from_ref(message));
    }
    let of = async |user| {
        search(&*store, SearchScope::User(user), "hello", &request)
            .await
            .items
    };
    assert_eq!(
        of(UserId::Int(7)).await,
        [messages[1].clone(), messages[0].clone()]
    );
    assert_eq!(of(UserId::Text("7".to_owned())).await, [messages[2].clone()]);
    assert_eq!(of(UserId::Int(8)).await, []);
    let nowhere = SearchScope::Chat(ChatId(make::id()));
    assert_eq!(search(&*store, nowhere, "hello", &request).await, Page::empty());
}

async fn a_search_sees_edits_and_deletions_at_once(scratch: &Scratch) {
    let store = scratch.open().await;
    let (chat, messages) = chat_of(&*store, "u", &["old words", "other words", "old hat"]).await;
    let change = MessageChange {
        text: Some("new words".to_owned()),
        ..MessageChange::default()
    };
    store
        .update_message(chat.id, messages[0].id, &change, make::now())
        .await
        .unwrap();
    assert_eq!(found(&*store, &chat, "new").await, ["new words"]);
    assert_eq!(found(&*store, &chat, "old").await, ["old hat"]);
    assert_eq!(found(&*store, &chat, "words").await, ["other words", "new words"]);
    store.delete_message(chat.id, messages[1].id).await.unwrap();
    assert_eq!(found(&*store, &chat, "words").await, ["new words"]);
    assert!(store.delete_chat(chat.id).await.unwrap());
    while store.sweep_deleted(9).await.unwrap().is_some() {}
    for query in ["new", "words", "hat"] {
        assert_eq!(found(&*store, &chat, query).await, [""; 0]);
    }
}

async fn a_reply_is_found_once_it_has_ended_however_it_did(scratch: &Scratch) {
    let store = scratch.open().await;
    let (chat, _) = chat_of(&*store, "u", &[]).await;
    for (n, state) in (1..).zip(make::ENDS) {
        let reply = make::streaming(chat.id, "us");
        store.insert_message(&reply).await.unwrap();
        for text in ["begun", "begun to answer"] {
            store
                .checkpoint(chat.id, reply.id, "us", text, Duration::ZERO)
                .await
                .unwrap();
        }
        // Half of them end with the text of the last checkpoint.
        let outcome = ReplyOutcome {
            text: (n % 2 == 0).then(|| "begun to answer".to_owned()),
            ..ReplyOutcome::bare(state, make::now())
        };
        let ended = store
            .finish_reply(chat.id, reply.id, Claim::Alone, &outcome, None)
            .await
            .unwrap()
            .unwrap();
        let answers = found(&*store, &chat, "answer begun").await;
        assert_eq!(answers, vec!["begun to answer"; n], "{state:?}");
        let change = MessageChange {
            reaction: Some(Some("👍".to_owned())),
            ..MessageChange::default()
        };
        store
            .update_message(chat.id, ended.id, &change, make::now())
            .await
            .unwrap();
        assert_eq!(found(&*store, &chat, "begun").await.len(), n);
    }
}

async fn a_very_long_message_is_found_and_hides_no_other(scratch: &Scratch) {
    let store = scratch.open().await;
    let long = format!("{} lighthouse", "a b ".repeat(1 << 20));
    let (chat, _) = chat_of(&*store, "u", &["a lighthouse", &long]).await;
    let found = found(&*store, &chat, "lighthouse a").await;
    assert_eq!(
        found.iter().map(String::len).collect::<Vec<_>>(),
        [long.len(), 12]
    );
}
