//! A chat is deleted with all its messages, and nothing else.

use colloquy::domain::{ChatFilter, ChatId, MessageFilter, MessageId, PageRequest};
use colloquy::store::Claim;

use crate::on_both_stores;
use crate::support::make;
use crate::support::scratch::Scratch;

on_both_stores! {
    a_chat_is_deleted_with_all_its_messages_and_no_others,
    a_message_is_deleted_once,
}

async fn a_chat_is_deleted_with_all_its_messages_and_no_others(scratch: &Scratch) {
    let store = scratch.open().await;
    let (doomed, kept) = (make::chat(), make::chat());
    let mut messages = Vec::new();
    for chat in [&doomed, &kept] {
        store.insert_chat(chat).await.unwrap();
        for n in 0..150 {
            let message = make::message_at(chat.id, n);
            store.insert_message(&message).await.unwrap();
            messages.push(message);
        }
    }
    let reply = make::streaming(doomed.id, "somebody");
    store.insert_message(&reply).await.unwrap();

    assert!(store.delete_chat(doomed.id).await.unwrap());
    assert!(!store.delete_chat(doomed.id).await.unwrap());
    assert!(!store.delete_chat(ChatId(make::id())).await.unwrap());

    let both = [doomed.id, kept.id];
    assert_eq!(store.chats(&both).await.unwrap(), std::slice::from_ref(&kept));
    let page = store
        .chat_page(&kept.user_id, &ChatFilter::default(), &PageRequest::first(9))
        .await
        .unwrap();
    assert_eq!(page.items, std::slice::from_ref(&kept));
    let ids: Vec<_> = messages.iter().map(|message| message.id).collect();
    assert_eq!(store.messages(&ids).await.unwrap().len(), 150);
    let counts = store.message_counts(&both).await.unwrap();
    assert_eq!(
        (counts.get(&doomed.id).copied().unwrap_or(0), counts[&kept.id]),
        (0, 150)
    );
    let pages = store
        .message_pages(&both, &MessageFilter::default(), &PageRequest::first(9))
        .await
        .unwrap();
    assert!(
        pages
            .get(&doomed.id)
            .is_none_or(|page| page.items.is_empty() && !page.has_more)
    );
    assert_eq!(store.active_replies(&both).await.unwrap().len(), 0);
    assert_eq!(store.claimable_replies(Claim::Alone, 9).await.unwrap(), []);
}

async fn a_message_is_deleted_once(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::chat();
    store.insert_chat(&chat).await.unwrap();
    let (gone, kept) = (make::message(chat.id), make::message(chat.id));
    for message in [&gone, &kept] {
        store.insert_message(message).await.unwrap();
    }
    assert!(store.delete_message(gone.id).await.unwrap());
    assert!(!store.delete_message(gone.id).await.unwrap());
    assert!(!store.delete_message(MessageId(make::id())).await.unwrap());
    assert_eq!(store.messages(&[gone.id, kept.id]).await.unwrap(), [kept]);
}
