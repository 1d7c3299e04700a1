//! What was stored is there when the store is opened again.

use colloquy::domain::{ChatFilter, EndState, MessageFilter, PageRequest};
use colloquy::store::Claim;

use crate::on_both_stores;
use crate::support::make;
use crate::support::scratch::Scratch;

on_both_stores! {
    everything_reads_back_after_the_store_was_opened_again,
    a_store_that_is_open_answers_a_ping,
}

async fn everything_reads_back_after_the_store_was_opened_again(scratch: &Scratch) {
    let chat = make::chat();
    let messages = [1, 2, 3].map(|millis| make::message_at(chat.id, millis));
    let (ended, streaming) = (make::streaming(chat.id, "us"), make::streaming(chat.id, "us"));
    let ended = {
        let store = scratch.open().await;
        store.insert_chat(&chat).await.unwrap();
        for message in messages.iter().chain([&ended, &streaming]) {
            store.insert_message(message).await.unwrap();
        }
        let outcome = make::outcome(EndState::Complete, "नमस्ते");
        store
            .finish_reply(chat.id, ended.id, Claim::Owner("us"), &outcome, None)
            .await
            .unwrap()
            .unwrap()
    };
    let store = scratch.open().await;
    assert_eq!(
        store.chats(&[chat.id]).await.unwrap(),
        std::slice::from_ref(&chat)
    );
    let list = store
        .chat_page(&chat.user_id, &ChatFilter::default(), &PageRequest::first(9))
        .await
        .unwrap();
    assert_eq!(list.items, std::slice::from_ref(&chat));
    let pages = store
        .message_pages(&[chat.id], &MessageFilter::default(), &PageRequest::first(9))
        .await
        .unwrap();
    let expected: Vec<_> = messages.into_iter().chain([ended, streaming.clone()]).collect();
    assert_eq!(pages[&chat.id].items, expected);
    assert_eq!(
        store.active_replies(&[chat.id]).await.unwrap()[&chat.id],
        [streaming]
    );
}

async fn a_store_that_is_open_answers_a_ping(scratch: &Scratch) {
    scratch.open().await.ping().await.unwrap();
}
