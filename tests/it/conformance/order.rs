//! Within a chat the order never goes back, and a reply is asked for with what stands before it.

use colloquy::domain::{Chat, EndState, Message, Position};
use colloquy::store::{Before, Begun, Claim, Exchange, HistoryBounds, Store, Written};
use futures_util::future::join_all;

use crate::on_every_store;
use crate::support::make;
use crate::support::scratch::Scratch;

on_every_store! {
    fifty_at_once_have_moments_of_their_own,
    what_comes_after_a_message_that_is_dated_ahead_comes_after_it,
    nothing_is_written_before_the_moment_that_it_has,
    moments_rise_behind_a_message_that_is_dated_past_all_years,
    a_reply_follows_its_prompt_at_once,
    a_reply_is_dated_by_its_prompt_alone,
    the_history_ends_at_its_place_and_includes_it,
    a_history_is_bounded,
    what_was_asked_for_earlier_comes_before,
    there_is_nothing_before_what_is_gone_or_has_ended,
}

const BOUNDS: HistoryBounds = HistoryBounds {
    messages_max: 100,
    bytes_max: 1 << 20,
};

const HOUR: i64 = 3_600_000;

fn assert_rising(messages: &[Message]) {
    for pair in messages.windows(2) {
        assert!(pair[0].created_at < pair[1].created_at, "{pair:?}");
    }
}

/// Writes and begins so many at once, and returns what is said to be stored.
async fn at_once(store: &std::sync::Arc<dyn Store>, chat: &Chat, count: usize) -> Vec<Message> {
    let writes = (0..count).map(|n| {
        let (store, chat) = (store.clone(), chat.id);
        tokio::spawn(async move {
            if n % 5 > 0 {
                let writing = make::writing(make::message(chat));
                return match store.write_message(&writing).await.unwrap() {
                    Written::New { message, .. } => vec![*message],
                    other => panic!("{other:?}"),
                };
            }
            match store.begin_exchange(&make::exchange(chat, "us")).await.unwrap() {
                Begun::Begun { prompt, reply, .. } => {
                    let prompt = prompt.unwrap();
                    assert_eq!(reply.created_at, prompt.created_at.plus_millis(1));
                    vec![*prompt, *reply]
                }
                Begun::Full(_) => Vec::new(),
                other => panic!("{other:?}"),
            }
        })
    });
    let mut stored: Vec<_> = join_all(writes)
        .await
        .into_iter()
        .flat_map(Result::unwrap)
        .collect();
    stored.sort_by_key(Message::position);
    stored
}

async fn fifty_at_once_have_moments_of_their_own(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await;
    let told = at_once(&store, &chat, 50).await;
    assert!(told.len() >= 40 + 2 * 8, "{}", told.len());
    let stored = make::all(&*store, chat.id).await;
    assert_rising(&stored);
    assert_eq!(stored, told);
}

async fn what_comes_after_a_message_that_is_dated_ahead_comes_after_it(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await;
    // Written by somebody else, who keeps local time.
    let ahead = make::now().plus_millis(6 * HOUR);
    let foreign = Message {
        created_at: ahead,
        updated_at: ahead,
        ..make::message(chat.id)
    };
    store.insert_message(&foreign).await.unwrap();
    let told = at_once(&store, &chat, 50).await;
    let stored = make::all(&*store, chat.id).await;
    assert_eq!(stored[0], foreign);
    assert_rising(&stored);
    assert_eq!(stored[1..], told);
    // The chat is not listed as if it was used in six hours.
    let chat = store.chats(&[chat.id]).await.unwrap().remove(0);
    assert!(chat.updated_at <= make::now(), "{}", chat.updated_at);

    // Once more, further ahead than what followed the first.
    let further = make::now().plus_millis(7 * HOUR);
    let foreign = Message {
        created_at: further,
        updated_at: further,
        ..make::message(chat.id)
    };
    store.insert_message(&foreign).await.unwrap();
    let told = at_once(&store, &chat, 4).await;
    let stored = make::all(&*store, chat.id).await;
    assert_rising(&stored);
    assert!(stored.ends_with(&told));
}

async fn moments_rise_behind_a_message_that_is_dated_past_all_years(scratch: &Scratch) {
    let store = scratch.open().await;
    // The last moment of the year 9999, and the last one that there is.
    for millis in [253_402_300_799_999, i64::MAX] {
        let chat = make::stored_chat(&*store).await;
        store
            .insert_message(&make::message_at(chat.id, millis))
            .await
            .unwrap();
        let told = at_once(&store, &chat, 6).await;
        assert_rising(&told);
        let later = make::at(253_402_300_799_999).plus_millis(HOUR);
        assert!(told.iter().all(|message| message.created_at < later), "{told:?}");
    }
}

async fn nothing_is_written_before_the_moment_that_it_has(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await;
    let mut last = None;
    for moment in [
        chat.created_at.plus_millis(HOUR),
        chat.created_at,
        chat.created_at.plus_millis(2 * HOUR),
    ] {
        let mut exchange = make::exchange(chat.id, "us");
        let mut message = make::message(chat.id);
        message.created_at = moment;
        if let colloquy::store::Asking::New(prompt) = &mut exchange.asking {
            prompt.created_at = moment;
        }
        exchange.reply.created_at = moment;
        store.write_message(&make::writing(message)).await.unwrap();
        store.begin_exchange(&exchange).await.unwrap();
        let stored = make::all(&*store, chat.id).await;
        assert_rising(&stored);
        let added = &stored[stored.len() - 3..];
        assert!(added[0].created_at >= moment);
        assert!(Some(added[0].created_at) > last);
        last = Some(added[2].created_at);
    }
}

async fn a_reply_follows_its_prompt_at_once(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await;
    // Both ids are minted before the calls, and the later call has the smaller ones.
    let (second, first) = (make::exchange(chat.id, "us"), make::exchange(chat.id, "us"));
    for exchange in [&first, &second] {
        store.begin_exchange(exchange).await.unwrap();
    }
    let stored = make::all(&*store, chat.id).await;
    let ids: Vec<_> = stored
        .iter()
        .map(|message| (message.id, message.reply.is_some()))
        .collect();
    let [p1, r1, p2, r2] = ids[..] else {
        panic!("{ids:?}");
    };
    assert_eq!([r1, r2], [(first.reply.id, true), (second.reply.id, true)]);
    assert_eq!([p1.1, p2.1], [false, false]);
    assert_eq!(
        store.last_messages(&[chat.id]).await.unwrap()[&chat.id].id,
        second.reply.id
    );
}

async fn a_reply_is_dated_by_its_prompt_alone(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await;
    let mut exchange = make::exchange(chat.id, "us");
    exchange.reply.created_at = exchange.reply.created_at.plus_millis(HOUR);
    let Begun::Begun { prompt, reply, .. } = store.begin_exchange(&exchange).await.unwrap() else {
        panic!("an empty chat refused an exchange");
    };
    assert_eq!(reply.created_at, prompt.unwrap().created_at.plus_millis(1));
}

/// A streaming reply of a moment, stored as it is.
async fn streaming_at(store: &dyn Store, chat: &Chat, millis: i64) -> Message {
    let reply = Message {
        created_at: make::at(millis),
        updated_at: make::at(millis),
        ..make::streaming(chat.id, "us")
    };
    store.insert_message(&reply).await.unwrap();
    reply
}

async fn before(
    store: &dyn Store,
    reply: &Message,
    until: Position,
    bounds: HistoryBounds,
) -> Option<Before> {
    store
        .before_reply(reply.chat_id, reply.id, until, bounds)
        .await
        .unwrap()
}

async fn the_history_ends_at_its_place_and_includes_it(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await;
    let mut messages: Vec<_> = [3, 1, 2, 2, 2, 1, 5]
        .map(|millis| make::message_at(chat.id, millis))
        .into();
    for message in &messages {
        store.insert_message(message).await.unwrap();
        store
            .insert_message(&make::message_at(make::chat().id, 2))
            .await
            .unwrap();
    }
    messages.sort_by_key(Message::position);
    let reply = streaming_at(&*store, &chat, 4).await;
    messages.insert(6, reply.clone());
    for (n, message) in messages.iter().enumerate() {
        let found = before(&*store, &reply, message.position(), BOUNDS).await.unwrap();
        assert_eq!(found.history, messages[..=n]);
        assert_eq!(found.earlier, []);
    }
    // A place where nothing is any more, and one before everything.
    assert!(store.delete_message(chat.id, messages[3].id).await.unwrap());
    let gone = messages.remove(3).position();
    let found = before(&*store, &reply, gone, BOUNDS).await.unwrap();
    assert_eq!(found.history, messages[..3]);
    let first = Position {
        at: make::at(0),
        ..gone
    };
    assert_eq!(before(&*store, &reply, first, BOUNDS).await.unwrap().history, []);
}

async fn a_history_is_bounded(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await;
    let mut messages = Vec::new();
    for millis in 0..40 {
        let message = Message {
            text: "x".repeat(1_000),
            ..make::message_at(chat.id, millis)
        };
        store.insert_message(&message).await.unwrap();
        messages.push(message);
    }
    let reply = streaming_at(&*store, &chat, 99).await;
    let until = messages[35].position();
    let history = async |bounds| {
        let found = before(&*store, &reply, until, bounds).await.unwrap().history;
        let read = found.len();
        assert_eq!(found, messages[36 - read..36], "{bounds:?}");
        read
    };
    for messages_max in [1, 2, 35, 36] {
        let bounds = HistoryBounds {
            messages_max,
            ..BOUNDS
        };
        assert_eq!(history(bounds).await, messages_max);
    }
    assert_eq!(history(BOUNDS).await, 36);
    // About as many bytes, and always the latest message.
    for (bytes_max, expected) in [
        (0, 1..=1),
        (1, 1..=1),
        (999, 1..=1),
        (2_500, 2..=3),
        (20_500, 20..=21),
    ] {
        let bounds = HistoryBounds { bytes_max, ..BOUNDS };
        let read = history(bounds).await;
        assert!(expected.contains(&read), "{bytes_max}: {read}");
    }
}

async fn what_was_asked_for_earlier_comes_before(scratch: &Scratch) {
    let store = scratch.open().await;
    let (chat, other) = (make::stored_chat(&*store).await, make::stored_chat(&*store).await);
    streaming_at(&*store, &other, 1).await;
    // Two of one moment, which their ids put in order.
    let mut replies = Vec::new();
    for millis in [7, 5, 5, 9] {
        replies.push(streaming_at(&*store, &chat, millis).await);
    }
    replies.sort_by_key(Message::position);
    // The last ones first: one that is told that it need not wait runs, and an earlier one that comes later waits for it.
    for (n, reply) in replies.iter().enumerate().rev() {
        // Whatever the place that the history ends at.
        for until in [replies[0].position(), replies[3].position()] {
            let found = before(&*store, reply, until, BOUNDS).await.unwrap();
            assert_eq!(found.earlier, replies[..n]);
        }
    }
    let outcome = make::outcome(EndState::Complete, "x");
    store
        .finish_reply(chat.id, replies[1].id, Claim::Alone, &outcome, None)
        .await
        .unwrap()
        .unwrap();
    let found = before(&*store, &replies[3], replies[3].position(), BOUNDS)
        .await
        .unwrap();
    assert_eq!(found.earlier, [replies[0].clone(), replies[2].clone()]);
}

async fn there_is_nothing_before_what_is_gone_or_has_ended(scratch: &Scratch) {
    let store = scratch.open().await;
    let (chat, doomed) = (make::stored_chat(&*store).await, make::stored_chat(&*store).await);
    let begin = async |chat: &Chat| {
        let exchange: Exchange = make::exchange(chat.id, "us");
        store.begin_exchange(&exchange).await.unwrap();
        let found = before(&*store, &exchange.reply, last(), BOUNDS).await;
        assert!(found.is_some());
        exchange.reply
    };
    let is_gone = async |reply: &Message| before(&*store, reply, last(), BOUNDS).await.is_none();
    let ended = begin(&chat).await;
    let outcome = make::outcome(EndState::Complete, "x");
    store
        .finish_reply(chat.id, ended.id, Claim::Alone, &outcome, None)
        .await
        .unwrap();
    assert!(is_gone(&ended).await);

    let deleted = begin(&chat).await;
    assert!(store.delete_message(chat.id, deleted.id).await.unwrap());
    assert!(is_gone(&deleted).await);

    let in_doomed = begin(&doomed).await;
    let elsewhere = Message {
        chat_id: chat.id,
        ..in_doomed.clone()
    };
    assert!(is_gone(&elsewhere).await);
    assert!(store.delete_chat(doomed.id).await.unwrap());
    assert!(is_gone(&in_doomed).await);

    let message = make::message(chat.id);
    store.insert_message(&message).await.unwrap();
    assert!(is_gone(&message).await);
    assert!(is_gone(&make::streaming(chat.id, "us")).await);
}

/// After everything.
fn last() -> Position {
    Position {
        at: make::now().plus_millis(24 * HOUR),
        id: make::id(),
    }
}
