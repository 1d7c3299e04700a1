//! Chats are kept as they were given, listed by owner, changed.

use colloquy::domain::{Chat, ChatChange, ChatFilter, ChatId, ChatStatus, DocumentId, PageRequest, UserId};
use colloquy::store::Store;

use crate::on_every_store;
use crate::support::make;
use crate::support::scratch::Scratch;

on_every_store! {
    a_chat_reads_back_exactly_as_it_was_written,
    a_chat_inserted_again_by_a_retry_is_one_chat,
    chats_that_do_not_exist_are_absent,
    a_user_sees_their_own_chats_only_and_a_number_is_not_its_text,
    filters_let_through_what_they_say,
    a_change_returns_the_chat_and_leaves_the_rest,
    an_update_never_moves_a_chat_back_in_time,
    a_chat_that_does_not_exist_is_not_changed,
}

async fn a_chat_reads_back_exactly_as_it_was_written(scratch: &Scratch) {
    let store = scratch.open().await;
    let users = [
        UserId::Int(0),
        UserId::Int(i64::from(i32::MAX)),
        UserId::Int(i64::from(i32::MAX) + 1),
        UserId::Int(i64::MIN),
        UserId::Int(i64::MAX),
        UserId::Text("auth0|5f7c8ec7c33c6c004bbafe82".to_owned()),
        UserId::Text("ü".repeat(127)),
    ];
    let titles = [
        "x",
        "नमस्ते 👩‍👩‍👧 ",
        "nul \u{0} inside",
        "$where: {\"$gt\": \"\"}",
        "ﷺ\u{202e}\u{feff}",
    ];
    // The first and the last millisecond that a calendar year of four digits has, and those around the epoch.
    let times = [
        -62_135_596_800_000,
        -1,
        0,
        1,
        1_732_460_400_123,
        253_402_300_799_999,
    ];
    let count = users.len().max(titles.len()).max(times.len());
    let mut chats = Vec::new();
    for n in 0..count {
        let chat = Chat {
            user_id: users[n % users.len()].clone(),
            title: titles[n % titles.len()].to_owned(),
            document_id: (n % 2 == 0).then(|| DocumentId(make::id())),
            status: ChatStatus(["active", "inactive", "pending"][n % 3].to_owned()),
            created_at: make::at(times[n % times.len()]),
            updated_at: make::at(times[(n + 1) % times.len()]),
            ..make::chat()
        };
        store.insert_chat(&chat).await.unwrap();
        chats.push(chat);
    }
    let ids: Vec<_> = chats.iter().map(|chat| chat.id).collect();
    let mut read = store.chats(&ids).await.unwrap();
    read.sort_by_key(|chat| chat.id);
    assert_eq!(read, chats);
}

async fn a_chat_inserted_again_by_a_retry_is_one_chat(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::chat();
    store.insert_chat(&chat).await.unwrap();
    store.insert_chat(&chat).await.unwrap();
    assert_eq!(
        list(&*store, &chat.user_id, &ChatFilter::default()).await,
        [chat.id]
    );
    let other = Chat {
        user_id: UserId::Int(8),
        ..chat.clone()
    };
    assert!(store.insert_chat(&other).await.is_err());
    assert_eq!(store.chats(&[chat.id]).await.unwrap(), [chat]);
}

async fn chats_that_do_not_exist_are_absent(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::chat();
    store.insert_chat(&chat).await.unwrap();
    assert_eq!(store.chats(&[]).await.unwrap(), []);
    assert_eq!(store.chats(&[ChatId(make::id())]).await.unwrap(), []);
    let asked = [ChatId(make::id()), chat.id, chat.id];
    assert_eq!(store.chats(&asked).await.unwrap().first(), Some(&chat));
}

async fn a_user_sees_their_own_chats_only_and_a_number_is_not_its_text(scratch: &Scratch) {
    let store = scratch.open().await;
    let users = [
        UserId::Int(7),
        UserId::Text("7".to_owned()),
        UserId::Int(70),
        UserId::Text("7 ".to_owned()),
    ];
    let mut chats = Vec::new();
    for user in &users {
        let chat = Chat {
            user_id: user.clone(),
            ..make::chat()
        };
        store.insert_chat(&chat).await.unwrap();
        chats.push(chat.id);
    }
    for (user, chat) in users.iter().zip(chats) {
        assert_eq!(
            list(&*store, user, &ChatFilter::default()).await,
            [chat],
            "{user:?}"
        );
    }
    let nobody = UserId::Int(-7);
    assert_eq!(list(&*store, &nobody, &ChatFilter::default()).await, []);
}

async fn filters_let_through_what_they_say(scratch: &Scratch) {
    let store = scratch.open().await;
    let documents = [None, Some(DocumentId(make::id())), Some(DocumentId(make::id()))];
    let mut chats = Vec::new();
    for n in 0..12_i64 {
        let chat = Chat {
            status: ChatStatus(["active", "inactive"][n as usize % 2].to_owned()),
            document_id: documents[n as usize % 3],
            updated_at: make::at(-n),
            ..make::chat()
        };
        store.insert_chat(&chat).await.unwrap();
        chats.push(chat);
    }
    for status in [None, Some("active"), Some("inactive"), Some("Active"), Some("")] {
        for document_id in [None, documents[1], documents[2], Some(DocumentId(make::id()))] {
            let filter = ChatFilter {
                status: status.map(|status| ChatStatus(status.to_owned())),
                document_id,
            };
            let passes = |chat: &&Chat| {
                filter.status.as_ref().is_none_or(|status| *status == chat.status)
                    && (document_id.is_none() || document_id == chat.document_id)
            };
            let expected: Vec<_> = chats.iter().filter(passes).map(|chat| chat.id).collect();
            assert_eq!(
                list(&*store, &chats[0].user_id, &filter).await,
                expected,
                "{filter:?}"
            );
        }
    }
}

async fn a_change_returns_the_chat_and_leaves_the_rest(scratch: &Scratch) {
    let store = scratch.open().await;
    let (chat, other) = (make::chat(), make::chat());
    store.insert_chat(&chat).await.unwrap();
    store.insert_chat(&other).await.unwrap();
    let later = chat.updated_at.plus_millis(5);
    for (title, status) in [
        (Some("नया"), None),
        (None, Some("inactive")),
        (Some("both"), Some("active")),
        (None, None),
    ] {
        let before = store.chats(&[chat.id]).await.unwrap().remove(0);
        let change = ChatChange {
            title: title.map(str::to_owned),
            status: status.map(|status| ChatStatus(status.to_owned())),
        };
        let expected = Chat {
            title: change.title.clone().unwrap_or(before.title),
            status: change.status.clone().unwrap_or(before.status),
            updated_at: later,
            ..chat.clone()
        };
        let changed = store.update_chat(chat.id, &change, later).await.unwrap();
        assert_eq!(changed.as_ref(), Some(&expected));
        assert_eq!(store.chats(&[chat.id]).await.unwrap(), [expected]);
    }
    assert_eq!(store.chats(&[other.id]).await.unwrap(), [other]);
}

async fn an_update_never_moves_a_chat_back_in_time(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::chat();
    store.insert_chat(&chat).await.unwrap();
    let earlier = chat.updated_at.plus_millis(-1);
    let changed = store
        .update_chat(chat.id, &ChatChange::default(), earlier)
        .await
        .unwrap();
    assert_eq!(changed, Some(chat));
}

async fn a_chat_that_does_not_exist_is_not_changed(scratch: &Scratch) {
    let store = scratch.open().await;
    let id = ChatId(make::id());
    let change = ChatChange {
        title: Some("ghost".to_owned()),
        status: None,
    };
    assert_eq!(store.update_chat(id, &change, make::now()).await.unwrap(), None);
    assert_eq!(store.chats(&[id]).await.unwrap(), []);
}

/// The ids of a user's chats, in the list's order.
async fn list(store: &dyn Store, user: &UserId, filter: &ChatFilter) -> Vec<ChatId> {
    let page = store
        .chat_page(user, filter, &PageRequest::first(100))
        .await
        .unwrap();
    assert!(!page.has_more);
    page.items.into_iter().map(|chat| chat.id).collect()
}
