//! What replies used is written into a ledger when they end, and stays there.

use colloquy::domain::{
    Bill, Chat, ChatId, EndState, Message, MessageChange, MessageId, Timestamp, TokenCount, Usage, UsageRow,
    UserId,
};
use colloquy::store::{Claim, Store};
use futures_util::future::join_all;

use crate::on_every_store;
use crate::support::make;
use crate::support::scratch::Scratch;

on_every_store! {
    bills_are_summed_up_by_day_model_and_kind_of_figure,
    fifty_that_end_at_once_are_all_counted,
    only_what_has_a_bill_is_counted,
    users_and_days_are_kept_apart,
    nothing_that_happens_later_changes_the_ledger,
    a_reply_is_billed_once_whatever_became_of_it,
    what_an_owner_entered_is_not_entered_again_by_who_closes_its_reply,
    a_reply_that_its_owner_and_another_end_at_once_is_billed_once,
    a_reply_is_billed_once_although_a_thousand_end_before_it_is_billed_again,
    a_sum_past_what_an_integer_holds_is_no_error,
}

const DAY: i64 = 86_400_000;

fn user() -> UserId {
    UserId::Text("payer".to_owned())
}

fn bill(millis: i64, model: Option<&str>, prompt: (i64, bool), completion: (i64, bool)) -> Bill {
    let count = |(tokens, is_estimated)| TokenCount { tokens, is_estimated };
    Bill {
        user: user(),
        at: make::at(millis),
        model: model.map(str::to_owned),
        usage: Usage {
            prompt: count(prompt),
            completion: count(completion),
        },
    }
}

/// Ends a reply of its own with this bill.
async fn pay(store: &dyn Store, chat: ChatId, bill: &Bill) -> Message {
    let reply = make::streaming(chat, "us");
    store.insert_message(&reply).await.unwrap();
    let outcome = make::outcome(EndState::Complete, "x");
    let ended = store.finish_reply(chat, reply.id, Claim::Owner("us"), &outcome, Some(bill));
    ended.await.unwrap().unwrap()
}

fn row(day: i64, model: Option<&str>, reply_count: u64, prompt_tokens: i64, tokens: (i64, bool)) -> UsageRow {
    UsageRow {
        day: make::at(day * DAY),
        model: model.map(str::to_owned),
        reply_count,
        prompt_tokens,
        tokens: TokenCount {
            tokens: tokens.0,
            is_estimated: tokens.1,
        },
    }
}

async fn all(store: &dyn Store, user: &UserId) -> Vec<UsageRow> {
    store
        .usage(user, make::at(-9 * DAY), make::at(99 * DAY))
        .await
        .unwrap()
}

async fn bills_are_summed_up_by_day_model_and_kind_of_figure(scratch: &Scratch) {
    let store = scratch.open().await;
    let (one, other) = (make::chat().id, make::chat().id);
    for (chat, bill) in [
        (one, bill(DAY, Some("m-2"), (100, false), (10, false))),
        (other, bill(2 * DAY - 1, Some("m-2"), (200, false), (20, false))),
        // Each figure may be an estimate by itself.
        (one, bill(DAY, Some("m-2"), (1, true), (2, false))),
        (other, bill(DAY, Some("m-2"), (3, false), (4, true))),
        (
            one,
            bill(DAY, Some("M-1"), (5_000_000_000, false), (6_000_000_000, false)),
        ),
        (one, bill(DAY, Some("मॉडल"), (1, false), (1, false))),
        (one, bill(DAY, None, (50, false), (5, false))),
        (one, bill(2 * DAY, Some("m-2"), (7, false), (0, false))),
        (one, bill(-1, Some("m-2"), (8, false), (1, false))),
        (one, bill(-DAY, Some("m-2"), (9, false), (1, false))),
        (one, bill(-DAY - 1, Some("m-2"), (10, false), (1, false))),
    ] {
        pay(&*store, chat, &bill).await;
    }
    let expected = [
        row(-2, Some("m-2"), 1, 10, (1, false)),
        row(-1, Some("m-2"), 2, 17, (2, false)),
        row(1, None, 1, 50, (5, false)),
        row(1, Some("M-1"), 1, 5_000_000_000, (6_000_000_000, false)),
        row(1, Some("m-2"), 2, 300, (30, false)),
        row(1, Some("m-2"), 2, 4, (6, true)),
        row(1, Some("मॉडल"), 1, 1, (1, false)),
        row(2, Some("m-2"), 1, 7, (0, false)),
    ];
    assert_eq!(all(&*store, &user()).await, expected);
}

async fn fifty_that_end_at_once_are_all_counted(scratch: &Scratch) {
    let store = scratch.open().await;
    let ends = (0..50).map(|n| {
        let store = store.clone();
        let bill = bill(n, Some("m"), (n, false), (1, false));
        tokio::spawn(async move { pay(&*store, make::chat().id, &bill).await })
    });
    for ended in join_all(ends).await {
        ended.unwrap();
    }
    assert_eq!(
        all(&*store, &user()).await,
        [row(0, Some("m"), 50, 49 * 50 / 2, (50, false))]
    );
}

async fn only_what_has_a_bill_is_counted(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = Chat {
        user_id: user(),
        ..make::chat()
    };
    store.insert_chat(&chat).await.unwrap();
    // What a client says of its own messages counts for nothing.
    let counted = Message {
        token_count: make::tokens(1_000),
        created_at: make::at(5),
        ..make::message(chat.id)
    };
    store.insert_message(&counted).await.unwrap();
    store
        .write_message(&make::writing(Message {
            token_count: make::tokens(-1_000),
            ..make::message(chat.id)
        }))
        .await
        .unwrap();
    for state in make::ENDS {
        let reply = make::streaming(chat.id, "us");
        store.insert_message(&reply).await.unwrap();
        let outcome = make::outcome(state, "x");
        store
            .finish_reply(chat.id, reply.id, Claim::Alone, &outcome, None)
            .await
            .unwrap()
            .unwrap();
    }
    let far = make::now().plus_millis(9 * DAY);
    assert_eq!(store.usage(&user(), make::at(-9 * DAY), far).await.unwrap(), []);

    // However a reply ends, and whoever ends it.
    for (n, state) in (1..).zip(make::ENDS) {
        let reply = make::streaming(chat.id, "us");
        store.insert_message(&reply).await.unwrap();
        let (outcome, bill) = (make::outcome(state, "x"), bill(0, None, (2, false), (1, false)));
        store
            .finish_reply(chat.id, reply.id, Claim::Alone, &outcome, Some(&bill))
            .await
            .unwrap()
            .unwrap();
        let tokens = i64::try_from(n).unwrap();
        assert_eq!(
            all(&*store, &user()).await,
            [row(0, None, n, 2 * tokens, (tokens, false))]
        );
    }
}

async fn users_and_days_are_kept_apart(scratch: &Scratch) {
    let store = scratch.open().await;
    let users = [UserId::Int(7), UserId::Text("7".to_owned()), UserId::Int(70)];
    for (user, tokens) in users.iter().zip([1, 100, 10_000]) {
        for day in 0..3 {
            let bill = Bill {
                user: user.clone(),
                ..bill(
                    day * DAY + 5,
                    Some("m"),
                    (tokens, false),
                    (tokens * (day + 1), false),
                )
            };
            pay(&*store, make::chat().id, &bill).await;
        }
    }
    let sum = async |from: i64, to: i64| {
        let (from, to): (Timestamp, Timestamp) = (make::at(from), make::at(to));
        let rows = store.usage(&users[0], from, to).await.unwrap();
        rows.iter().map(|row| row.tokens.tokens).sum::<i64>()
    };
    assert_eq!(sum(0, 3 * DAY).await, 6);
    assert_eq!(sum(DAY, 3 * DAY).await, 5);
    assert_eq!(sum(DAY, 2 * DAY).await, 2);
    // Days are not cut: what begins or ends within one has all of it.
    assert_eq!(sum(DAY + 9, 2 * DAY + 1).await, 5);
    assert_eq!(sum(3 * DAY, 9 * DAY).await, 0);
    assert_eq!(sum(DAY, DAY).await, 0);
    assert_eq!(sum(2 * DAY, 0).await, 0);
    assert_eq!(
        all(&*store, &users[1]).await,
        [1, 2, 3].map(|n| row(n - 1, Some("m"), 1, 100, (100 * n, false)))
    );
    assert_eq!(all(&*store, &UserId::Int(8)).await, []);
}

async fn nothing_that_happens_later_changes_the_ledger(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = Chat {
        user_id: user(),
        ..make::chat()
    };
    store.insert_chat(&chat).await.unwrap();
    let bill = bill(5, Some("m"), (10, false), (1, false));
    let (edited, deleted) = (
        pay(&*store, chat.id, &bill).await,
        pay(&*store, chat.id, &bill).await,
    );
    let expected = [row(0, Some("m"), 2, 20, (2, false))];
    let change = MessageChange {
        text: Some("shorter".to_owned()),
        token_count: make::tokens(-5),
        ..MessageChange::default()
    };
    store
        .update_message(chat.id, edited.id, &change, make::now())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(all(&*store, &user()).await, expected);
    assert!(store.delete_message(chat.id, deleted.id).await.unwrap());
    assert_eq!(all(&*store, &user()).await, expected);
    assert!(store.delete_chat(chat.id).await.unwrap());
    while store.sweep_deleted(100).await.unwrap().is_some() {}
    assert_eq!(all(&*store, &user()).await, expected);
}

async fn a_reply_is_billed_once_whatever_became_of_it(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await;
    let bill = bill(5, Some("m"), (10, false), (1, false));
    let outcome = make::outcome(EndState::Complete, "x");
    let begin = async || {
        let reply = make::streaming(chat.id, "us");
        store.insert_message(&reply).await.unwrap();
        reply.id
    };
    let finish = async |id, claim| {
        store
            .finish_reply(chat.id, id, claim, &outcome, Some(&bill))
            .await
            .unwrap()
            .is_some()
    };
    let reply_count = async || {
        all(&*store, &user())
            .await
            .first()
            .map_or(0, |row| row.reply_count)
    };

    let ours = begin().await;
    // Its owner lives, and will enter it.
    assert!(!finish(ours, Claim::Lapsed).await);
    assert_eq!(reply_count().await, 0);
    assert!(finish(ours, Claim::Owner("us")).await);
    // As where the answer was lost.
    assert!(!finish(ours, Claim::Owner("us")).await);
    assert!(!finish(ours, Claim::Alone).await);
    assert_eq!(reply_count().await, 1);

    let closed_by_another = begin().await;
    let closed = store.finish_reply(chat.id, closed_by_another, Claim::Alone, &outcome, None);
    assert!(closed.await.unwrap().is_some());
    for _ in 0..2 {
        assert!(!finish(closed_by_another, Claim::Owner("us")).await);
    }
    assert_eq!(reply_count().await, 2);

    let deleted = begin().await;
    assert!(store.delete_message(chat.id, deleted).await.unwrap());
    for claim in [Claim::Owner("us"), Claim::Owner("us"), Claim::Alone] {
        assert!(!finish(deleted, claim).await);
    }
    assert_eq!(reply_count().await, 3);

    let in_deleted_chat = begin().await;
    assert!(store.delete_chat(chat.id).await.unwrap());
    for claim in [Claim::Alone, Claim::Owner("us")] {
        assert!(!finish(in_deleted_chat, claim).await);
    }
    assert_eq!(
        all(&*store, &user()).await,
        [row(0, Some("m"), 4, 40, (4, false))]
    );
}

async fn what_an_owner_entered_is_not_entered_again_by_who_closes_its_reply(scratch: &Scratch) {
    let store = scratch.open().await;
    let reply = make::streaming(make::chat().id, "us");
    store.insert_message(&reply).await.unwrap();
    let outcome = make::outcome(EndState::Interrupted, "x");
    let finish = async |claim, bill: &Bill| {
        let finished = store.finish_reply(reply.chat_id, reply.id, claim, &outcome, Some(bill));
        finished.await.unwrap()
    };
    // As a server leaves it that dies when the bill is entered and the end is not stored: here nothing ends because the
    // owner is another.
    let reported = bill(2 * DAY - 1, Some("m"), (10, false), (1, false));
    assert!(finish(Claim::Owner("them"), &reported).await.is_none());
    // Whoever closes it knows less, and the day may be the next.
    let estimated = bill(2 * DAY, Some("m"), (0, true), (9, true));
    assert!(finish(Claim::Alone, &estimated).await.is_some());
    assert_eq!(
        all(&*store, &user()).await,
        [row(1, Some("m"), 1, 10, (1, false))]
    );
}

async fn a_reply_that_its_owner_and_another_end_at_once_is_billed_once(scratch: &Scratch) {
    const REPLIES: u64 = 100;
    let store = scratch.open().await;
    let chat = make::stored_chat(&*store).await;
    let outcome = make::outcome(EndState::Complete, "x");
    // Of two rows, so that no row knows of the other's replies.
    let reported = bill(1, Some("m"), (10, false), (1, false));
    let estimated = bill(1, Some("m"), (0, true), (9, true));
    for _ in 0..REPLIES {
        let mut reply = make::streaming(chat.id, "us");
        reply.reply.as_mut().unwrap().lease_until = make::at(1);
        store.insert_message(&reply).await.unwrap();
        let (claim, id) = (Claim::Owner("us"), reply.id);
        let owner = store.finish_reply(chat.id, id, claim, &outcome, Some(&reported));
        let other = store.finish_reply(chat.id, id, Claim::Lapsed, &outcome, Some(&estimated));
        let (ended, closed) = tokio::join!(owner, other);
        assert!(ended.unwrap().is_some() != closed.unwrap().is_some());
    }
    let rows = all(&*store, &user()).await;
    let billed: u64 = rows.iter().map(|row| row.reply_count).sum();
    assert_eq!(billed, REPLIES, "{rows:?}");
}

async fn a_reply_is_billed_once_although_a_thousand_end_before_it_is_billed_again(scratch: &Scratch) {
    const OTHERS: usize = 1_200;
    let store = scratch.open().await;
    let chat = make::chat().id;
    let outcome = make::outcome(EndState::Complete, "x");
    let bill = bill(1, Some("m"), (10, false), (1, false));
    // Of replies that are gone, so that only the ledger knows of them.
    let finish = async |id| {
        let finished = store.finish_reply(chat, id, Claim::Owner("us"), &outcome, Some(&bill));
        assert!(finished.await.unwrap().is_none());
    };
    let first = MessageId(make::id());
    finish(first).await;
    let others = (0..OTHERS).map(|_| finish(MessageId(make::id())));
    join_all(others).await;
    finish(first).await;
    assert_eq!(all(&*store, &user()).await[0].reply_count, 1 + OTHERS as u64);
}

async fn a_sum_past_what_an_integer_holds_is_no_error(scratch: &Scratch) {
    let store = scratch.open().await;
    let chat = make::chat().id;
    let large = bill(1, None, (i64::MAX, false), (i64::MAX, false));
    let small = bill(1, None, (3, false), (0, false));
    for bill in [&small, &large, &large, &small] {
        pay(&*store, chat, bill).await;
        let rows = all(&*store, &user()).await;
        assert_eq!(rows.len(), 1, "{rows:?}");
    }
    assert_eq!(
        all(&*store, &user()).await,
        [row(0, None, 4, i64::MAX, (i64::MAX, false))]
    );
}
