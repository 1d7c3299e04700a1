//! Lists by number, as the documented API cuts them.

use std::cmp::Reverse;

use colloquy::domain::{Chat, Slice, UserId};

use crate::on_every_store;
use crate::support::make;
use crate::support::scratch::Scratch;

on_every_store! {
    every_part_of_a_users_chats_is_the_newest_first_and_ties_come_as_they_were_made,
    every_part_of_a_chats_messages_is_the_oldest_first_and_ties_come_as_they_were_made,
    of_nobody_there_is_nothing,
}

/// Times with ties at the beginning, in the middle and at the end, not in the order of insertion.
const TIMES: [i64; 12] = [3, 1, 2, 1, 3, 2, 1, 5, 2, 5, 4, 2];

fn slices() -> impl Iterator<Item = Slice> {
    (0..=13).flat_map(|skip| [1, 5, 12, 13].map(|limit| Slice { skip, limit }))
}

fn cut<T: Clone>(list: &[T], slice: Slice) -> Vec<T> {
    let skip = usize::try_from(slice.skip).unwrap();
    list.iter().skip(skip).take(slice.limit).cloned().collect()
}

async fn every_part_of_a_users_chats_is_the_newest_first_and_ties_come_as_they_were_made(scratch: &Scratch) {
    let store = scratch.open().await;
    let user = UserId::Int(1);
    let mut list = TIMES.map(|millis| Chat {
        user_id: user.clone(),
        created_at: make::at(millis),
        // The other way round, which must not count.
        updated_at: make::at(-millis),
        ..make::chat()
    });
    for chat in &list {
        store.insert_chat(chat).await.unwrap();
    }
    for other in [UserId::Int(0), UserId::Int(2), UserId::Text("1".to_owned())] {
        let other = Chat {
            user_id: other,
            created_at: make::at(2),
            ..make::chat()
        };
        store.insert_chat(&other).await.unwrap();
    }
    list.sort_by_key(|chat| (Reverse(chat.created_at), chat.id));
    assert_eq!(store.chat_count(&user).await.unwrap(), 12);
    for slice in slices() {
        let read = store.chat_slice(&user, slice).await.unwrap();
        assert_eq!(read, cut(&list, slice), "{slice:?}");
    }
}

async fn every_part_of_a_chats_messages_is_the_oldest_first_and_ties_come_as_they_were_made(
    scratch: &Scratch,
) {
    let store = scratch.open().await;
    let chat = make::chat().id;
    let mut list = TIMES.map(|millis| make::message_at(chat, millis));
    for message in &list {
        store.insert_message(message).await.unwrap();
        let elsewhere = make::message_at(make::chat().id, 2);
        store.insert_message(&elsewhere).await.unwrap();
    }
    list.sort_by_key(|message| (message.created_at, message.id));
    for slice in slices() {
        let read = store.message_slice(chat, slice).await.unwrap();
        assert_eq!(read, cut(&list, slice), "{slice:?}");
    }
}

async fn of_nobody_there_is_nothing(scratch: &Scratch) {
    let store = scratch.open().await;
    let slice = Slice { skip: 0, limit: 9 };
    let nobody = UserId::Text("nobody".to_owned());
    assert_eq!(store.chat_count(&nobody).await.unwrap(), 0);
    assert_eq!(store.chat_slice(&nobody, slice).await.unwrap(), []);
    assert_eq!(store.message_slice(make::chat().id, slice).await.unwrap(), []);
}
