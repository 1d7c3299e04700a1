//! Rate limits, and how many streams and replies a caller may have at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::sessions::Session;
use super::{Error, Service};
use crate::config::Limits;
use crate::domain::{Timestamp, UserId, Viewer};

/// How often the limiters drop callers whose rate is unused.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// The milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// The rate limiters of this server. Each server counts for itself.
#[derive(Clone)]
pub(super) struct Rates(Arc<Limiters>);

struct Limiters {
    operations: DefaultKeyedRateLimiter<UserId>,
    prompts: DefaultKeyedRateLimiter<UserId>,
    requests: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
}

impl Rates {
    pub(super) fn new(limits: &Limits) -> Self {
        Self(Arc::new(Limiters {
            operations: RateLimiter::keyed(per_minute(limits.operations_per_minute)),
            prompts: RateLimiter::keyed(per_minute(limits.prompts_per_minute)),
            requests: RateLimiter::keyed(per_minute(limits.requests_per_minute)),
            clock: DefaultClock::default(),
        }))
    }

    /// Drops callers whose rate is unused, again and again.
    pub(super) async fn keep_short(&self) {
        loop {
            tokio::time::sleep(FORGET_EVERY).await;
            self.0.operations.retain_recent();
            self.0.prompts.retain_recent();
            self.0.requests.retain_recent();
        }
    }

    fn take<K: Hash + Eq + Clone>(&self, of: &DefaultKeyedRateLimiter<K>, caller: &K) -> Result<(), Error> {
        of.check_key(caller).map_err(|until| Error::RateLimited {
            retry_after: until.wait_time_from(self.0.clock.now()),
        })
    }
}

fn per_minute(count: usize) -> Quota {
    let count = u32::try_from(count).ok().and_then(NonZeroU32::new);
    Quota::per_minute(count.unwrap_or(NonZeroU32::MIN))
}

/// The address that a request is counted for. Of IPv6 it is the /64 network, because providers give one to each
/// customer. `None` for loopback and private addresses: an unconfigured proxy there would be counted for all its
/// clients.
fn network(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V4(address) if address.is_private() || address.is_link_local() => None,
        IpAddr::V6(address) if address.is_unique_local() || address.is_unicast_link_local() => None,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Some(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
        }
        address => Some(address),
    }
}

/// Counts something for each caller.
#[derive(Clone)]
pub(super) struct Tally<K>(Arc<Mutex<HashMap<K, usize>>>);

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Hash + Eq + Clone> Tally<K> {
    /// Counts one more of `caller` until the result is dropped; `None` if they have `max`.
    pub(super) fn one_more(&self, caller: K, max: usize) -> Option<Counted<K>> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(caller.clone()).or_default();
        // Entries are never zero unless `max` is, so a rejected caller leaves no entry behind.
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Counted {
            tally: self.clone(),
            caller,
        })
    }
}

/// One that is counted until it is dropped.
pub(super) struct Counted<K: Hash + Eq> {
    tally: Tally<K>,
    caller: K,
}

impl<K: Hash + Eq> Drop for Counted<K> {
    fn drop(&mut self) {
        let mut counts = self.tally.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.caller);
            }
        }
    }
}

/// What each caller has open at once.
#[derive(Clone, Default)]
pub(super) struct Tallies {
    streams: Tally<UserId>,
    streams_from: Tally<IpAddr>,
    replies: Tally<UserId>,
}

/// One stream, counted for its user and its address.
pub struct StreamShare {
    _viewer: Option<Counted<UserId>>,
    _address: Option<Counted<IpAddr>>,
}

/// One active reply, counted for its user.
pub(super) type ReplyShare = Option<Counted<UserId>>;

impl Service {
    /// Counts one request of an address, before the caller is authenticated.
    pub fn count_request(&self, address: Option<IpAddr>) -> Result<(), Error> {
        match address.and_then(network) {
            Some(address) => self.rates.take(&self.rates.0.requests, &address),
            None => Ok(()),
        }
    }

    /// Counts one operation of a session.
    pub fn count_operation(&self, session: &Session) -> Result<(), Error> {
        match session.viewer.user() {
            Some(user) => self.rates.take(&self.rates.0.operations, user),
            None => Ok(()),
        }
    }

    /// Counts one message on an open socket: an operation, and a request of the address.
    pub fn count_message(&self, session: &Session) -> Result<(), Error> {
        self.count_request(session.address)?;
        self.count_operation(session)
    }

    /// Counts one prompt of a user, and checks their quota. Without authentication nothing is counted, because callers
    /// can name any user.
    pub(super) async fn count_prompt(&self, viewer: &Viewer, user: &UserId) -> Result<ReplyShare, Error> {
        if *viewer == Viewer::Anonymous {
            return Ok(None);
        }
        let share = self
            .tallies
            .replies
            .one_more(user.clone(), self.limits.replies_per_viewer)
            .ok_or(Error::TooManyReplies)?;
        self.rates.take(&self.rates.0.prompts, user)?;
        self.check_quota(user).await?;
        Ok(Some(share))
    }

    /// Checks that a user has tokens left for today, by UTC.
    async fn check_quota(&self, user: &UserId) -> Result<(), Error> {
        let max = self.limits.tokens_per_day;
        if max == Limits::NO_QUOTA {
            return Ok(());
        }
        let now = self.clock.now();
        let since_midnight = now.millis().rem_euclid(DAY_MS);
        let today = now.plus_millis(-since_midnight);
        let rows = self.store.usage(user, today, today.plus_millis(DAY_MS)).await?;
        let used = rows.iter().fold(0_i64, |sum, row| {
            sum.saturating_add(row.prompt_tokens)
                .saturating_add(row.tokens.tokens)
        });
        match usize::try_from(used).unwrap_or_default() < max {
            true => Ok(()),
            false => Err(Error::QuotaExceeded {
                retry_after: left(now, today.plus_millis(DAY_MS)),
            }),
        }
    }

    /// Counts one more stream of a viewer; `None` if they are at the limit.
    pub fn share_of_viewer(&self, session: &Session) -> Option<StreamShare> {
        let viewer = session.viewer.user().map(|user| {
            let max = self.limits.streams_per_viewer;
            self.tallies.streams.one_more(user.clone(), max)
        });
        // `None` for a user at the limit. Callers without a user are not counted.
        Some(StreamShare {
            _viewer: viewer.map_or(Some(None), |share| share.map(Some))?,
            _address: None,
        })
    }

    /// [`Service::share_of_viewer`], counted for the address as well.
    pub(super) fn share_of_streams(&self, session: &Session) -> Option<StreamShare> {
        let share = self.share_of_viewer(session)?;
        let address = session.address.and_then(network).map(|address| {
            let max = self.limits.streams_per_address;
            self.tallies.streams_from.one_more(address, max)
        });
        Some(StreamShare {
            _address: address.map_or(Some(None), |share| share.map(Some))?,
            ..share
        })
    }
}

fn left(now: Timestamp, until: Timestamp) -> Duration {
    let millis = until.millis().saturating_sub(now.millis());
    Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_stands_for_what_one_customer_is_given_and_this_machine_for_nobody() {
        let of = |text: &str| network(text.parse().unwrap()).map(|address| address.to_string());
        assert_eq!(of("203.0.113.7").as_deref(), Some("203.0.113.7"));
        assert_eq!(of("::ffff:203.0.113.7").as_deref(), Some("203.0.113.7"));
        assert_eq!(of("2001:db8:1:2:3:4:5:6").as_deref(), Some("2001:db8:1:2::"));
        for here in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
            "10.0.0.1",
            "172.16.0.9",
            "fd00::1",
        ] {
            assert_eq!(of(here), None, "{here}");
        }
    }

    #[test]
    fn a_tally_lets_in_as_many_as_there_may_be_and_forgets_who_has_none() {
        let tally = Tally::default();
        let (one, two) = (tally.one_more("a", 2), tally.one_more("a", 2));
        assert!(one.is_some() && two.is_some());
        assert!(tally.one_more("a", 2).is_none());
        assert!(tally.one_more("b", 2).is_some());
        drop(one);
        assert!(tally.one_more("a", 2).is_some());
        drop(two);
        assert!(tally.0.lock().unwrap().is_empty());
    }
}
