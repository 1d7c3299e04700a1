//! Revocations are listed by moment and user, page by page.

use std::collections::BTreeSet;

use colloquy::domain::{Revocation, UserId};
use futures_util::future::join_all;

use crate::on_every_store;
use crate::support::make;
use crate::support::scratch::Scratch;

on_every_store! {
    pages_of_any_size_have_every_revocation_once_and_in_order,
    a_user_who_is_revoked_again_is_listed_once_and_not_earlier,
}

/// Integers and texts by turns: their order must not depend on which of them a page ends with.
fn users() -> Vec<UserId> {
    let user = |n: i64| match n % 2 {
        0 => UserId::Int(n),
        _ => UserId::Text(n.to_string()),
    };
    (0..60).map(user).collect()
}

async fn pages_of_any_size_have_every_revocation_once_and_in_order(scratch: &Scratch) {
    let store = scratch.open().await;
    let users = users();
    // At once, so that many have the same moment.
    let revoked = join_all(users.iter().map(|user| store.revoke(user))).await;
    let revoked = revoked.into_iter().map(Result::unwrap);
    let expected: BTreeSet<_> = revoked
        .map(|revocation| (revocation.at, revocation.user))
        .collect();
    let expected: Vec<_> = expected.into_iter().collect();
    for size in [1, 7, 59, 60, 61] {
        let (mut after, mut listed): (Option<Revocation>, Vec<_>) = (None, Vec::new());
        loop {
            let page = store.revocations(after.as_ref(), size).await.unwrap();
            assert!(page.len() <= size);
            let Some(last) = page.last() else {
                break;
            };
            after = Some(last.clone());
            listed.extend(
                page.into_iter()
                    .map(|revocation| (revocation.at, revocation.user)),
            );
        }
        assert_eq!(listed, expected, "{size}");
    }
    // After a place where none is stored.
    let (at, user) = expected[30].clone();
    let absent = Revocation {
        user: UserId::Text(format!("{user}!")),
        at: at.plus_millis(-1),
    };
    let place = (absent.at, absent.user.clone());
    let behind = expected.iter().filter(|other| **other > place).count();
    assert_eq!(store.revocations(Some(&absent), 100).await.unwrap().len(), behind);
}

async fn a_user_who_is_revoked_again_is_listed_once_and_not_earlier(scratch: &Scratch) {
    let store = scratch.open().await;
    let (asha, ravi) = (UserId::Text("asha".to_owned()), UserId::Int(7));
    let first = store.revoke(&asha).await.unwrap();
    store.revoke(&ravi).await.unwrap();
    let again = store.revoke(&asha).await.unwrap();
    assert!(again.at >= first.at);
    let listed = store.revocations(None, 10).await.unwrap();
    assert_eq!(listed.len(), 2);
    assert!(listed.contains(&again), "{listed:?}");
    let beginning = Revocation {
        user: ravi,
        at: make::at(0),
    };
    assert_eq!(store.revocations(Some(&beginning), 10).await.unwrap(), listed);
}
