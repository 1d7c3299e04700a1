//! A message is written in a chat that exists, and an exchange is begun in one, once for each client key.

use std::collections::HashSet;
use std::sync::Arc;

use colloquy::domain::{Chat, ChatId, EndState, Message, MessageId, UserId};
use colloquy::store::{
    ACTIVE_REPLIES_MAX, Asking, Begun, Claim, Exchange, Store, StoreError, Writing, Written,
};
use futures_util::future::join_all;

use crate::on_every_store;
use crate::support::make;
use crate::support::scratch::Scratch;

on_every_store! {
    a_message_is_written_and_moves_its_chat_up_if_it_is_to,
    of_twenty_equal_writes_one_is_new,
    what_cannot_be_written_is_not,
    an_exchange_stores_a_prompt_and_its_reply,
    a_reply_to_what_is_stored_is_stored_alone,
    what_cannot_begin_stores_nothing,
    of_twenty_exchanges_of_one_key_one_begins_and_the_others_join_it,
    of_twenty_replies_of_one_key_one_begins_and_the_others_join_it,
    an_attempt_that_is_repeated_is_begun_again,
    an_attempt_that_is_repeated_brings_no_deleted_prompt_back,
    another_owner_with_the_same_ids_joins_by_the_key_and_is_refused_without_one,
    whoever_joins_finds_the_reply_as_it_is,
    a_client_key_of_another_chat_is_another_one,
    an_id_that_is_taken_begins_nothing,
    of_forty_exchanges_at_once_eight_begin,
    of_twenty_that_wait_for_nobody_one_begins,
}

async fn count(store: &dyn Store, chat: ChatId) -> u64 {
    let counts = store.message_counts(&[chat]).await.unwrap();
    counts.get(&chat).copied().unwrap_or(0)
}

fn prompt_of(exchange: &Exchange) -> &Message {
    match &exchange.asking {
        Asking::New(prompt) => prompt,
        Asking::Stored => panic!("no prompt"),
    }
}

fn with_key(mut exchange: Exchange, key: &str, text: &str) -> Exchange {
    match &mut exchange.asking {
        Asking::New(prompt) => {
            prompt.client_key = make::key(key);
            text.clone_into(&mut prompt.text);
        }
        Asking::Stored => exchange.reply.client_key = make::key(key),
    }
    exchange
}

fn is_begun(begun: &Begun) -> bool {
    matches!(begun, Begun::Begun { .. })
}

/// Begins all of these at once.
async fn begin_all(store: &Arc<dyn Store>, exchanges: impl Iterator<Item = Exchange>) -> Vec<Begun> {
    let begins = exchanges.map(|exchange| {
        let store = store.clone();
        tokio::spawn(async move { store.begin_exchange(&exchange).await.unwrap() })
    });
    let begun = join_all(begins.collect::<Vec<_>>()).await;
    begun.into_iter().map(Result::unwrap).collect()
}

async fn a_message_is_written_and_moves_its_chat_up_if_it_is_to(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await;
    for moves_chat_up in [false, true] {
        let before = store.chats(&[chat.id]).await.unwrap().remove(0);
        let mut message = make::message(chat.id);
        let later = chat.updated_at.plus_millis(60_000);
        (message.created_at, message.updated_at) = (later, later);
        message.client_key = make::key(&format!("key-{moves_chat_up}"));
        let writing = Writing {
            moves_chat_up,
            chat_of: Some(chat.user_id.clone()),
            ..make::writing(message.clone())
        };
        let Written::New {
            chat: written_in,
            message: written,
        } = store.write_message(&writing).await.unwrap()
        else {
            panic!("not new");
        };
        assert!(written.created_at >= later);
        let expected = Message {
            created_at: written.created_at,
            updated_at: written.created_at,
            ..message
        };
        assert_eq!(*written, expected);
        assert_eq!(store.messages(&[expected.id]).await.unwrap(), [expected]);
        let updated_at = if moves_chat_up { later } else { before.updated_at };
        assert_eq!(*written_in, Chat { updated_at, ..before });
        assert_eq!(store.chats(&[chat.id]).await.unwrap(), [*written_in]);
    }
}

async fn of_twenty_equal_writes_one_is_new(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await;
    let writes = (0..20).map(|_| {
        let store = store.clone();
        let writing = make::writing(Message {
            client_key: make::key("key"),
            ..make::message(chat.id)
        });
        tokio::spawn(async move { (store.write_message(&writing).await.unwrap(), writing) })
    });
    let (mut new, mut found) = (Vec::new(), HashSet::new());
    for written in join_all(writes).await {
        match written.unwrap() {
            (Written::New { message, .. }, writing) => new.push((message, writing)),
            (Written::Existing(message), _) => _ = found.insert(message.id),
            other => panic!("{other:?}"),
        }
    }
    let [(message, writing)] = &new[..] else {
        panic!("{new:?}");
    };
    assert_eq!(found, HashSet::from([message.id]));
    assert_eq!(count(&*store, chat.id).await, 1);
    // An attempt whose outcome its caller was not told, repeated as it was.
    let Written::New { message: again, .. } = store.write_message(writing).await.unwrap() else {
        panic!("not new");
    };
    assert_eq!(again, *message);
    assert_eq!(count(&*store, chat.id).await, 1);
}

async fn what_cannot_be_written_is_not(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await;
    let first = make::writing(Message {
        client_key: make::key("key"),
        ..make::message(chat.id)
    });
    store.write_message(&first).await.unwrap();
    let before = store.chats(&[chat.id]).await.unwrap();
    let other_text = make::writing(Message {
        text: "Other".to_owned(),
        client_key: make::key("key"),
        ..make::message(chat.id)
    });
    assert_eq!(
        store.write_message(&other_text).await.unwrap(),
        Written::KeyReused
    );
    let nowhere = make::writing(make::message(ChatId(make::id())));
    assert_eq!(store.write_message(&nowhere).await.unwrap(), Written::NoChat);
    let anothers = Writing {
        chat_of: Some(UserId::Text("7".to_owned())),
        ..make::writing(make::message(chat.id))
    };
    assert_eq!(store.write_message(&anothers).await.unwrap(), Written::NoChat);
    // Nor is it told of what there is.
    let anothers = Writing {
        chat_of: Some(UserId::Int(8)),
        ..first.clone()
    };
    assert_eq!(store.write_message(&anothers).await.unwrap(), Written::NoChat);
    for writing in [&nowhere, &anothers] {
        assert!(count(&*store, writing.message.chat_id).await <= 1);
    }
    assert_eq!(count(&*store, chat.id).await, 1);
    assert_eq!(store.chats(&[chat.id]).await.unwrap(), before);
}

async fn an_exchange_stores_a_prompt_and_its_reply(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await;
    let exchange = Exchange {
        chat_of: Some(chat.user_id.clone()),
        ..with_key(make::exchange(chat.id, "us"), "key", "नमस्ते")
    };
    let Begun::Begun {
        chat: begun_in,
        prompt: Some(prompt),
        reply,
    } = store.begin_exchange(&exchange).await.unwrap()
    else {
        panic!("not begun");
    };
    assert!(prompt.created_at >= prompt_of(&exchange).created_at);
    assert!(reply.created_at > prompt.created_at);
    let at = |message: &Message, moment| Message {
        created_at: moment,
        updated_at: moment,
        ..message.clone()
    };
    assert_eq!(*prompt, at(prompt_of(&exchange), prompt.created_at));
    let mut expected = at(&exchange.reply, reply.created_at);
    expected.reply.as_mut().unwrap().lease_until = reply.reply.as_ref().unwrap().lease_until;
    assert_eq!(*reply, expected);

    let mut stored = store.messages(&[prompt.id, reply.id]).await.unwrap();
    stored.sort_by_key(Message::position);
    assert_eq!(stored, [*prompt, (*reply).clone()]);
    let updated_at = chat.updated_at.max(prompt_of(&exchange).created_at);
    assert_eq!(*begun_in, Chat { updated_at, ..chat });
    assert_eq!(store.chats(&[chat.id]).await.unwrap(), [*begun_in]);
    let active = store.active_replies(&[chat.id]).await.unwrap();
    assert_eq!(active[&chat.id], [*reply]);
}

async fn a_reply_to_what_is_stored_is_stored_alone(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await;
    let exchange = make::reply_to_stored(chat.id, "us");
    let begun = store.begin_exchange(&exchange).await.unwrap();
    let Begun::Begun {
        prompt: None, reply, ..
    } = begun
    else {
        panic!("{begun:?}");
    };
    assert_eq!(reply.id, exchange.reply.id);
    assert_eq!(store.messages(&[reply.id]).await.unwrap(), [*reply]);
    assert_eq!(count(&*store, chat.id).await, 1);
}

async fn what_cannot_begin_stores_nothing(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await;
    let first = with_key(make::exchange(chat.id, "us"), "key", "Hello");
    assert!(is_begun(&store.begin_exchange(&first).await.unwrap()));
    let plain = Message {
        client_key: make::key("plain"),
        ..make::message(chat.id)
    };
    store.write_message(&make::writing(plain)).await.unwrap();
    let before = store.chats(&[chat.id]).await.unwrap();

    let begin = async |exchange: &Exchange| {
        let begun = store.begin_exchange(exchange).await.unwrap();
        let mut ids = vec![exchange.reply.id];
        if let Asking::New(prompt) = &exchange.asking {
            ids.push(prompt.id);
        }
        assert_eq!(store.messages(&ids).await.unwrap(), [], "{begun:?}");
        begun
    };
    let make_of = [make::exchange, make::reply_to_stored];
    for make in make_of {
        assert_eq!(begin(&make(ChatId(make::id()), "us")).await, Begun::NoChat);
        for user in [UserId::Text("7".to_owned()), UserId::Int(8)] {
            let anothers = Exchange {
                chat_of: Some(user),
                ..with_key(make(chat.id, "us"), "key", "Hello")
            };
            assert_eq!(begin(&anothers).await, Begun::NoChat);
        }
        let alone = Exchange {
            others_max: 0,
            ..make(chat.id, "us")
        };
        assert_eq!(begin(&alone).await, Begun::Full(first.reply.id));
    }
    let reused = with_key(make::exchange(chat.id, "us"), "key", "Other");
    assert_eq!(begin(&reused).await, Begun::KeyReused);
    // The same text, but no prompt; and no reply to a prompt.
    let reused = with_key(make::exchange(chat.id, "us"), "plain", "Hello");
    assert_eq!(begin(&reused).await, Begun::KeyReused);
    let reused = with_key(make::reply_to_stored(chat.id, "us"), "key", "");
    assert_eq!(begin(&reused).await, Begun::KeyReused);

    assert_eq!(count(&*store, chat.id).await, 3);
    assert_eq!(store.chats(&[chat.id]).await.unwrap(), before);
    assert_eq!(store.active_replies(&[chat.id]).await.unwrap()[&chat.id].len(), 1);
}

async fn of_twenty_exchanges_of_one_key_one_begins_and_the_others_join_it(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await;
    for round in 1..=4 {
        let key = format!("round-{round}");
        let exchanges =
            (0..20).map(|n| with_key(make::exchange(chat.id, &format!("server-{n}")), &key, "Hello"));
        let (mut began, mut joined) = (Vec::new(), HashSet::new());
        for begun in begin_all(&store, exchanges).await {
            match begun {
                Begun::Begun { prompt, reply, .. } => began.push((prompt.unwrap().id, reply.id)),
                Begun::Joined { prompt, reply } => _ = joined.insert((prompt.unwrap().id, reply.unwrap().id)),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(began.len(), 1, "round {round}");
        assert_eq!(joined, HashSet::from([began[0]]));
        assert_eq!(count(&*store, chat.id).await, 2 * round);
    }
}

async fn of_twenty_replies_of_one_key_one_begins_and_the_others_join_it(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await;
    let exchanges =
        (0..20).map(|n| with_key(make::reply_to_stored(chat.id, &format!("server-{n}")), "key", ""));
    let (mut began, mut joined) = (Vec::new(), HashSet::new());
    for begun in begin_all(&store, exchanges).await {
        match begun {
            Begun::Begun {
                prompt: None, reply, ..
            } => began.push(reply.id),
            Begun::Joined { prompt: None, reply } => _ = joined.insert(reply.unwrap().id),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(began.len(), 1);
    assert_eq!(joined, HashSet::from([began[0]]));
    assert_eq!(count(&*store, chat.id).await, 1);
}

async fn an_attempt_that_is_repeated_is_begun_again(scratch: &Scratch) {
    let store = scratch.open().await;
    for exchange in [
        make::exchange(make::stored_chat(&*store).await.id, "us"),
        with_key(
            make::exchange(make::stored_chat(&*store).await.id, "us"),
            "key",
            "Hello",
        ),
        make::reply_to_stored(make::stored_chat(&*store).await.id, "us"),
        with_key(
            make::reply_to_stored(make::stored_chat(&*store).await.id, "us"),
            "key",
            "",
        ),
    ] {
        let chat = exchange.reply.chat_id;
        let places = |begun: Begun| match begun {
            Begun::Begun { prompt, reply, .. } => (prompt.map(|prompt| prompt.position()), reply.position()),
            other => panic!("{other:?}"),
        };
        let first = places(store.begin_exchange(&exchange).await.unwrap());
        let stored = count(&*store, chat).await;
        // Even where nothing else may be under way.
        let again = Exchange {
            others_max: 0,
            ..exchange.clone()
        };
        assert_eq!(places(store.begin_exchange(&again).await.unwrap()), first);
        assert_eq!(count(&*store, chat).await, stored);
    }
}

async fn an_attempt_that_is_repeated_brings_no_deleted_prompt_back(scratch: &Scratch) {
    let store = scratch.open().await;
    for exchange in [
        make::exchange(make::stored_chat(&*store).await.id, "us"),
        with_key(
            make::exchange(make::stored_chat(&*store).await.id, "us"),
            "key",
            "Hello",
        ),
    ] {
        let chat = exchange.reply.chat_id;
        let Begun::Begun {
            prompt: Some(prompt),
            reply,
            ..
        } = store.begin_exchange(&exchange).await.unwrap()
        else {
            panic!("not begun");
        };
        assert!(store.delete_message(chat, prompt.id).await.unwrap());
        for _ in 0..2 {
            let Begun::Begun {
                prompt: None,
                reply: again,
                ..
            } = store.begin_exchange(&exchange).await.unwrap()
            else {
                panic!("not begun again, or with a prompt");
            };
            assert_eq!((again.id, again.position()), (reply.id, reply.position()));
            assert_eq!(count(&*store, chat).await, 1);
        }
        let outcome = make::outcome(EndState::Failed, "");
        let ended = store.finish_reply(chat, reply.id, Claim::Owner("us"), &outcome, None);
        let ended = ended.await.unwrap().map(Box::new);
        assert!(ended.is_some());
        let joined = Begun::Joined {
            prompt: None,
            reply: ended,
        };
        assert_eq!(store.begin_exchange(&exchange).await.unwrap(), joined);
        assert_eq!(count(&*store, chat).await, 1);
    }
}

async fn another_owner_with_the_same_ids_joins_by_the_key_and_is_refused_without_one(scratch: &Scratch) {
    let store = scratch.open().await;
    let of_another = |exchange: &Exchange| {
        let mut theirs = exchange.clone();
        "them".clone_into(&mut theirs.reply.reply.as_mut().unwrap().owner);
        theirs
    };
    for make in [make::exchange, make::reply_to_stored] {
        let keyed = with_key(make(make::stored_chat(&*store).await.id, "us"), "key", "Hello");
        let Begun::Begun { prompt, reply, .. } = store.begin_exchange(&keyed).await.unwrap() else {
            panic!("not begun");
        };
        let joined = Begun::Joined {
            prompt,
            reply: Some(reply),
        };
        let theirs = store.begin_exchange(&of_another(&keyed)).await.unwrap();
        assert_eq!(theirs, joined);

        let plain = make(make::stored_chat(&*store).await.id, "us");
        assert!(is_begun(&store.begin_exchange(&plain).await.unwrap()));
        let theirs = store.begin_exchange(&of_another(&plain)).await;
        assert!(matches!(theirs, Err(StoreError::Failed(_))), "{theirs:?}");
        let stored = store.messages(&[plain.reply.id]).await.unwrap().remove(0);
        assert_eq!(stored.reply.unwrap().owner, "us");
    }
}

async fn whoever_joins_finds_the_reply_as_it_is(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await;
    let first = with_key(make::exchange(chat.id, "us"), "key", "Hello");
    let Begun::Begun { prompt, reply, .. } = store.begin_exchange(&first).await.unwrap() else {
        panic!("not begun");
    };
    let join = async || {
        // Where nobody waits for others, one joins all the same.
        let theirs = Exchange {
            others_max: 0,
            ..with_key(make::exchange(chat.id, "them"), "key", "Hello")
        };
        store.begin_exchange(&theirs).await.unwrap()
    };
    let joined = |reply| Begun::Joined {
        prompt: prompt.clone(),
        reply,
    };
    assert_eq!(join().await, joined(Some(reply.clone())));
    let outcome = make::outcome(EndState::Complete, "all");
    let ended = store
        .finish_reply(chat.id, reply.id, Claim::Owner("us"), &outcome, None)
        .await
        .unwrap();
    assert_eq!(join().await, joined(ended.map(Box::new)));
    assert!(store.delete_message(chat.id, reply.id).await.unwrap());
    assert_eq!(join().await, joined(None));
    assert_eq!(count(&*store, chat.id).await, 1);
}

async fn a_client_key_of_another_chat_is_another_one(scratch: &Scratch) {
    let store = scratch.open().await;
    for make in [make::exchange, make::reply_to_stored] {
        for _ in 0..2 {
            let exchange = with_key(make(make::stored_chat(&*store).await.id, "us"), "key", "Hello");
            assert!(is_begun(&store.begin_exchange(&exchange).await.unwrap()));
        }
    }
    // Without a key, equal prompts are two.
    let chat = make::stored_chat(&*store).await;
    for _ in 0..2 {
        assert!(is_begun(
            &store
                .begin_exchange(&make::exchange(chat.id, "us"))
                .await
                .unwrap()
        ));
    }
    assert_eq!(count(&*store, chat.id).await, 4);
}

async fn an_id_that_is_taken_begins_nothing(scratch: &Scratch) {
    let store = scratch.open().await;
    let (chat, other) = (make::stored_chat(&*store).await, make::stored_chat(&*store).await);
    let message = make::message(other.id);
    store.insert_message(&message).await.unwrap();
    let mut exchange = make::reply_to_stored(chat.id, "us");
    exchange.reply.id = message.id;
    let refused = store.begin_exchange(&exchange).await;
    assert!(
        matches!(refused, Err(StoreError::Failed(_) | StoreError::Unavailable(_))),
        "{refused:?}"
    );
    assert_eq!(store.messages(&[message.id]).await.unwrap(), [message]);
    assert_eq!(count(&*store, chat.id).await, 0);
}

async fn of_forty_exchanges_at_once_eight_begin(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await;
    // Half of them without a prompt: a reply is a reply.
    let exchange = |n: usize| match n % 2 {
        0 => make::exchange(chat.id, "us"),
        _ => make::reply_to_stored(chat.id, "them"),
    };
    let (mut began, mut prompts, mut oldest) = (HashSet::new(), 0, HashSet::new());
    for begun in begin_all(&store, (0..40).map(exchange)).await {
        match begun {
            Begun::Begun { prompt, reply, .. } => {
                began.insert(reply.id);
                prompts += u64::from(prompt.is_some());
            }
            Begun::Full(id) => _ = oldest.insert(id),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(began.len(), ACTIVE_REPLIES_MAX);
    assert!(oldest.is_subset(&began), "{oldest:?}");
    let active = store.active_replies(&[chat.id]).await.unwrap();
    let active: Vec<MessageId> = active[&chat.id].iter().map(|reply| reply.id).collect();
    assert_eq!(active.iter().copied().collect::<HashSet<_>>(), began);
    assert_eq!(count(&*store, chat.id).await, began.len() as u64 + prompts);

    // Whichever ends makes room for one.
    for ended in [active[7], active[0], active[3]] {
        let full = store.begin_exchange(&exchange(0)).await.unwrap();
        let oldest = store.active_replies(&[chat.id]).await.unwrap()[&chat.id][0].id;
        assert_eq!(full, Begun::Full(oldest));
        let outcome = make::outcome(EndState::Stopped, "");
        store
            .finish_reply(chat.id, ended, Claim::Alone, &outcome, None)
            .await
            .unwrap()
            .unwrap();
        assert!(is_begun(&store.begin_exchange(&exchange(0)).await.unwrap()));
    }
}

async fn of_twenty_that_wait_for_nobody_one_begins(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await;
    let exchanges = (0..20).map(|n| Exchange {
        others_max: 0,
        ..make::exchange(chat.id, &format!("server-{n}"))
    });
    let begun = begin_all(&store, exchanges).await;
    let began: Vec<_> = begun
        .iter()
        .filter_map(|begun| match begun {
            Begun::Begun { reply, .. } => Some(reply.id),
            _ => None,
        })
        .collect();
    assert_eq!(began.len(), 1, "{begun:?}");
    for begun in &begun {
        assert!(is_begun(begun) || *begun == Begun::Full(began[0]), "{begun:?}");
    }
    assert_eq!(count(&*store, chat.id).await, 2);
}
