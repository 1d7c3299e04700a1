//! Pages in both directions, from every position, against the list that they are cut from.

use colloquy::domain::{
    Author, Chat, ChatFilter, ChatId, Message, MessageFilter, Page, PageRequest, Position, UserId,
};

use crate::on_every_store;
use crate::support::make;
use crate::support::scratch::Scratch;

on_every_store! {
    every_page_of_messages_is_the_part_of_the_list_that_it_names,
    every_page_of_chats_is_the_part_of_the_list_that_it_names,
    pages_of_many_chats_are_those_of_each_alone,
    filtered_pages_walk_the_filtered_list,
    a_page_continues_after_a_message_that_is_gone,
}

/// Times with ties at the beginning, in the middle and at the end, not in the order of insertion.
const TIMES: [i64; 12] = [3, 1, 2, 1, 3, 2, 1, 5, 2, 5, 4, 2];

/// The sizes and the bounds worth asking for: each position in the list, and one that no item is at.
fn requests(positions: &[Position]) -> Vec<PageRequest> {
    let nowhere = Position {
        at: make::at(2),
        id: make::id(),
    };
    let bounds: Vec<_> = [None, Some(nowhere)]
        .into_iter()
        .chain(positions.iter().copied().map(Some))
        .collect();
    let mut requests = Vec::new();
    for size in [1, 5, positions.len(), positions.len() + 1] {
        for after in &bounds {
            for before in [
                None,
                bounds[1],
                bounds[bounds.len() / 2],
                bounds[bounds.len() - 1],
            ] {
                for backward in [false, true] {
                    requests.push(PageRequest {
                        size,
                        backward,
                        after: *after,
                        before,
                    });
                }
            }
        }
    }
    requests
}

/// What the page must be: cut by hand from the whole list, whose order `precedes` decides.
fn expected<T: Clone>(
    list: &[T],
    position: impl Fn(&T) -> Position,
    precedes: impl Fn(Position, Position) -> bool,
    request: &PageRequest,
) -> Page<T> {
    let within = |item: &&T| {
        request.after.is_none_or(|after| precedes(after, position(item)))
            && request
                .before
                .is_none_or(|before| precedes(position(item), before))
    };
    let mut items: Vec<T> = list.iter().filter(within).cloned().collect();
    let has_more = items.len() > request.size;
    if has_more && request.backward {
        items.drain(..items.len() - request.size);
    }
    items.truncate(request.size);
    Page { items, has_more }
}

fn message_position(message: &Message) -> Position {
    Position {
        at: message.created_at,
        id: message.id.0,
    }
}

fn chat_position(chat: &Chat) -> Position {
    Position {
        at: chat.updated_at,
        id: chat.id.0,
    }
}

async fn every_page_of_messages_is_the_part_of_the_list_that_it_names(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::chat().id;
    let mut list = TIMES.map(|millis| make::message_at(chat, millis));
    for message in &list {
        store.insert_message(message).await.unwrap();
    }
    // A neighbour on either side, which must not show.
    for (id, millis) in [([0; 12], 2), ([255; 12], 2)] {
        let other = ChatId(colloquy::domain::ObjectId::from_bytes(id));
        store
            .insert_message(&make::message_at(other, millis))
            .await
            .unwrap();
    }
    list.sort_by_key(message_position);
    for request in requests(&list.each_ref().map(message_position)) {
        let mut pages = store
            .message_pages(&[chat], &MessageFilter::default(), &request)
            .await
            .unwrap();
        let page = pages.remove(&chat).unwrap_or_else(Page::empty);
        assert_eq!(
            page,
            expected(&list, message_position, |a, b| a < b, &request),
            "{request:?}"
        );
    }
}

async fn every_page_of_chats_is_the_part_of_the_list_that_it_names(scratch: &Scratch) {
    let store = scratch.open().await;
    let user = UserId::Text("reader".to_owned());
    let mut list = TIMES.map(|millis| Chat {
        user_id: user.clone(),
        updated_at: make::at(millis),
        ..make::chat()
    });
    for chat in &list {
        store.insert_chat(chat).await.unwrap();
    }
    list.sort_by_key(|chat| std::cmp::Reverse(chat_position(chat)));
    for request in requests(&list.each_ref().map(chat_position)) {
        let page = store
            .chat_page(&user, &ChatFilter::default(), &request)
            .await
            .unwrap();
        assert_eq!(
            page,
            expected(&list, chat_position, |a, b| a > b, &request),
            "{request:?}"
        );
    }
}

async fn pages_of_many_chats_are_those_of_each_alone(scratch: &Scratch) {
    let store = scratch.open().await;
    let mut chats = Vec::new();
    for size in 0..20 {
        let chat = make::chat().id;
        for n in 0..size {
            store
                .insert_message(&make::message_at(chat, TIMES[n % TIMES.len()]))
                .await
                .unwrap();
        }
        chats.push(chat);
    }
    // Asked for twice, a chat is answered once.
    chats.push(chats[7]);
    let after = Some(Position {
        at: make::at(2),
        id: make::id(),
    });
    for request in [
        PageRequest::first(5),
        PageRequest::last(5),
        PageRequest {
            after,
            ..PageRequest::first(3)
        },
    ] {
        let filter = MessageFilter::default();
        let together = store.message_pages(&chats, &filter, &request).await.unwrap();
        for chat in &chats {
            let alone = store.message_pages(&[*chat], &filter, &request).await.unwrap();
            let empty = Page::empty();
            assert_eq!(
                together.get(chat).unwrap_or(&empty),
                alone.get(chat).unwrap_or(&empty),
                "{request:?}"
            );
        }
    }
}

async fn filtered_pages_walk_the_filtered_list(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::chat().id;
    let mut list = Vec::new();
    for n in 0..60_i64 {
        let message = Message {
            author: Author::from_is_bot(n % 2 == 0),
            kind: ["text", "image", "Text"][n as usize % 3].to_owned(),
            ..make::message_at(chat, n / 4)
        };
        store.insert_message(&message).await.unwrap();
        list.push(message);
    }
    for author in [None, Some(Author::User), Some(Author::Bot)] {
        for kind in [None, Some("text"), Some("image"), Some("none")] {
            let filter = MessageFilter {
                author,
                kind: kind.map(str::to_owned),
            };
            let passes = |message: &&Message| {
                author.is_none_or(|author| author == message.author)
                    && kind.is_none_or(|kind| kind == message.kind)
            };
            let expected: Vec<_> = list.iter().filter(passes).cloned().collect();
            let mut walked = Vec::new();
            let mut request = PageRequest::first(7);
            loop {
                let mut pages = store.message_pages(&[chat], &filter, &request).await.unwrap();
                let page = pages.remove(&chat).unwrap_or_else(Page::empty);
                request.after = page.items.last().map(message_position);
                walked.extend(page.items);
                if !page.has_more {
                    break;
                }
            }
            assert_eq!(walked, expected, "{filter:?}");
        }
    }
}

async fn a_page_continues_after_a_message_that_is_gone(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::chat().id;
    let list = [1, 1, 1, 1].map(|millis| make::message_at(chat, millis));
    for message in &list {
        store.insert_message(message).await.unwrap();
    }
    store.delete_message(chat, list[1].id).await.unwrap();
    let request = PageRequest {
        after: Some(message_position(&list[1])),
        ..PageRequest::first(9)
    };
    let pages = store
        .message_pages(&[chat], &MessageFilter::default(), &request)
        .await
        .unwrap();
    assert_eq!(pages[&chat].items, list[2..]);
}
