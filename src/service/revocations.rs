//! Reads the revocations that other servers stored.
//!
//! A revocation has the moment at which its write began, by the clock of the store. It can be read once the write is
//! committed, and so after later ones: by milliseconds as a rule, by seconds if the write was held up, and by more
//! after a failover to a primary whose clock is behind. No cursor alone finds those. The clock of this server says
//! nothing about any of it, and is not used.

use std::collections::BTreeSet;

use crate::domain::{Revocation, Timestamp, UserId};
use crate::store::{RevocationStore, StoreError};

/// The most revocations in one answer.
const PAGE: usize = 1_000;
/// How many of the latest revocations each look reads again: more than are being written at once.
const OVERLAP: usize = 200;
/// How many of all revocations each look reads again, the next ones each time.
const CHECKED_PER_LOOK: usize = 500;

/// Where reading goes on. However many revocations are stored, a look that finds no news reads at most [`OVERLAP`] and
/// [`CHECKED_PER_LOOK`] of them.
#[derive(Default)]
pub(super) struct RevocationReader {
    /// The latest that were read, up to [`OVERLAP`].
    latest: BTreeSet<(Timestamp, UserId)>,
    /// The last one that was checked; none before the first.
    checked: Option<Revocation>,
}

impl RevocationReader {
    /// Reads what is new, and hands it to `note` with some that are not: at the first look, everything. A revocation
    /// that became readable among the latest is found at once; one that did so before them is found when the check
    /// comes past it, in `n / 500` looks if `n` are stored.
    pub(super) async fn look(
        &mut self,
        store: &(impl RevocationStore + ?Sized),
        note: impl Fn(Vec<Revocation>) + Send,
    ) -> Result<(), StoreError> {
        // As long as all that were read are among the latest, everything is read each time.
        let first = self.latest.first().filter(|_| self.latest.len() == OVERLAP);
        let mut after = first.cloned().map(|(at, user)| Revocation { user, at });
        let is_partial = after.is_some();
        loop {
            let page = store.revocations(after.as_ref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            after = page.last().cloned();
            self.keep_latest(&page);
            note(page);
            if is_last {
                break;
            }
        }
        if is_partial {
            let page = store.revocations(self.checked.as_ref(), CHECKED_PER_LOOK).await?;
            let is_end = page.len() < CHECKED_PER_LOOK;
            self.checked = page.last().filter(|_| !is_end).cloned();
            note(page);
        }
        Ok(())
    }

    fn keep_latest(&mut self, page: &[Revocation]) {
        for revocation in page {
            self.latest.insert((revocation.at, revocation.user.clone()));
            if self.latest.len() > OVERLAP {
                self.latest.pop_first();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use async_trait::async_trait;

    use super::*;

    /// Revocations in the order of the store, and how many were read.
    #[derive(Default)]
    struct Stored(Mutex<(BTreeSet<(Timestamp, UserId)>, usize)>);

    impl Stored {
        fn state(&self) -> MutexGuard<'_, (BTreeSet<(Timestamp, UserId)>, usize)> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn add(&self, at: i64, user: i64) {
            self.state()
                .0
                .insert((Timestamp::from_millis(at), UserId::Int(user)));
        }
    }

    #[async_trait]
    impl RevocationStore for Stored {
        async fn revoke(&self, _: &UserId) -> Result<Revocation, StoreError> {
            Err(StoreError::Failed("not here".into()))
        }

        async fn revocations(
            &self,
            after: Option<&Revocation>,
            limit: usize,
        ) -> Result<Vec<Revocation>, StoreError> {
            let after = after.map(|after| (after.at, after.user.clone()));
            let mut state = self.state();
            let is_after = |place: &&(Timestamp, UserId)| after.as_ref().is_none_or(|after| *place > after);
            let page = state.0.iter().filter(is_after).take(limit).cloned();
            let page: Vec<_> = page.map(|(at, user)| Revocation { user, at }).collect();
            state.1 += page.len();
            Ok(page)
        }
    }

    /// Looks once: how many were read, and the users.
    async fn look(reader: &mut RevocationReader, stored: &Stored) -> (usize, Vec<UserId>) {
        stored.state().1 = 0;
        let users = Mutex::new(Vec::new());
        let note = |page: Vec<Revocation>| {
            let mut users = users.lock().unwrap();
            users.extend(page.into_iter().map(|revocation| revocation.user));
        };
        reader.look(stored, note).await.unwrap();
        (stored.state().1, users.into_inner().unwrap())
    }

    #[tokio::test]
    async fn many_revocations_of_one_moment_are_read_once_and_then_a_few_each_time() {
        for moments in [1, 20_000] {
            let (mut reader, stored) = (RevocationReader::default(), Stored::default());
            for n in 0..20_000 {
                stored.add(n % moments, n);
            }
            assert_eq!(look(&mut reader, &stored).await.0, 20_000);
            for _ in 0..100 {
                let (read, _) = look(&mut reader, &stored).await;
                assert!(read <= OVERLAP + CHECKED_PER_LOOK, "{read}");
            }
            for n in 20_000..23_000 {
                stored.add(moments, n);
            }
            let (_, users) = look(&mut reader, &stored).await;
            for n in 20_000..23_000 {
                assert!(users.contains(&UserId::Int(n)));
            }
        }
    }

    #[tokio::test]
    async fn a_revocation_that_is_stored_late_is_found_at_once_among_the_latest_and_anywhere_in_time() {
        let (mut reader, stored) = (RevocationReader::default(), Stored::default());
        for n in 0..20_000 {
            stored.add(n, n);
        }
        look(&mut reader, &stored).await;
        stored.add(19_900, 30_000);
        let (_, users) = look(&mut reader, &stored).await;
        assert!(users.contains(&UserId::Int(30_000)));
        for (at, user) in [(10_000, 40_000), (i64::MIN, 40_001)] {
            stored.add(at, user);
            let mut looks = 0;
            while !look(&mut reader, &stored).await.1.contains(&UserId::Int(user)) {
                looks += 1;
                assert!(looks <= 20_000 / CHECKED_PER_LOOK + 1);
            }
        }
    }

    #[tokio::test]
    async fn while_there_are_few_any_one_that_is_stored_late_is_found_at_once() {
        let (mut reader, stored) = (RevocationReader::default(), Stored::default());
        for n in 0..150 {
            stored.add(1_000_000 + n, n);
            look(&mut reader, &stored).await;
        }
        stored.add(0, 1_000);
        let (_, users) = look(&mut reader, &stored).await;
        assert!(users.contains(&UserId::Int(1_000)));
    }
}
