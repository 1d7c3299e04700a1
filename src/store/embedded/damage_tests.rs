//! What a store does that cannot be written, or that holds what cannot be read.

use super::EmbeddedStore;
use crate::domain::{
    Author, Chat, ChatId, ChatStatus, ClientKey, Message, MessageChange, MessageFilter, MessageId, ObjectId,
    PageRequest, SearchScope, SearchWords, Slice, Timestamp, UserId,
};
use crate::store::{ChatStore, MessageStore, SearchStore, Store, StoreError};

const CHAT: ChatId = ChatId(ObjectId::from_bytes([1; 12]));

fn message(n: u8) -> Message {
    let id = MessageId(ObjectId::from_bytes([n; 12]));
    let at = Timestamp::from_millis(n.into());
    Message {
        client_key: ClientKey::parse(&format!("k-{n}")),
        ..Message::plain(id, CHAT, Author::User, format!("sea {n}"), at)
    }
}

async fn execute(store: &EmbeddedStore, sql: &'static str) {
    let executed = store.writer.write(|connection| connection.execute_batch(sql));
    executed.await.unwrap();
}

#[tokio::test]
async fn a_ping_writes() {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path()).await.unwrap();
    store.ping().await.unwrap();
    // A transaction can still be begun and ended, and everything read; only to write is refused.
    execute(
        &store,
        "CREATE TRIGGER refused BEFORE UPDATE ON pulse BEGIN SELECT raise(ABORT, 'no room'); END",
    )
    .await;
    assert!(store.ping().await.is_err());
    execute(&store, "DROP TRIGGER refused").await;
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_left_out_of_lists_and_costs_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path()).await.unwrap();
    let now = Timestamp::from_millis(0);
    let chat = Chat {
        id: CHAT,
        user_id: UserId::Int(7),
        document_id: None,
        title: String::new(),
        status: ChatStatus::active(),
        created_at: now,
        updated_at: now,
    };
    store.insert_chat(&chat).await.unwrap();
    for n in 1..=9 {
        store.insert_message(&message(n)).await.unwrap();
    }
    // As a later version might name a state, at the beginning, in the middle and at the end of the chat.
    execute(
        &store,
        "UPDATE messages SET reply_state = 'DREAMING', is_bot = 1 WHERE created_at IN (1, 4, 5, 9)",
    )
    .await;
    let readable = [2, 3, 6, 7, 8].map(message);

    for (request, expected, has_more) in [
        (PageRequest::first(9), &readable[..], false),
        (PageRequest::first(3), &readable[..3], true),
        (PageRequest::last(1), &readable[4..], true),
        (PageRequest::last(4), &readable[1..], true),
        (PageRequest::last(5), &readable[..], false),
    ] {
        let pages = store
            .message_pages(&[CHAT], &MessageFilter::default(), &request)
            .await
            .unwrap();
        assert_eq!(pages[&CHAT].items, expected, "{request:?}");
        assert_eq!(pages[&CHAT].has_more, has_more, "{request:?}");
    }
    assert_eq!(store.last_messages(&[CHAT]).await.unwrap()[&CHAT], readable[4]);
    let all = Slice { skip: 0, limit: 99 };
    assert_eq!(store.message_slice(CHAT, all).await.unwrap(), readable);
    let ids: Vec<_> = (1..=9).map(|n| message(n).id).collect();
    assert_eq!(store.messages(&ids).await.unwrap(), readable);
    let words = SearchWords::parse("sea").unwrap();
    let found = store
        .search_messages(&SearchScope::Chat(CHAT), &words, &PageRequest::first(4))
        .await
        .unwrap();
    let mut newest: Vec<_> = readable[1..].to_vec();
    newest.reverse();
    assert_eq!((found.items, found.has_more), (newest, true));

    let key = ClientKey::parse("k-4").unwrap();
    let alone = store.message_of_key(CHAT, &key).await;
    assert!(matches!(alone, Err(StoreError::Corrupt(_))), "{alone:?}");
    let change = MessageChange::default();
    let changed = store.update_message(CHAT, message(4).id, &change, now).await;
    assert!(matches!(changed, Err(StoreError::Corrupt(_))), "{changed:?}");
    // It can be got rid of.
    assert!(store.delete_message(CHAT, message(4).id).await.unwrap());
}
