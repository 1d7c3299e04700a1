//! Who calls, for how long, and from where: each call of each face begins here.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Error, Service};
use crate::auth::{Authenticator, Identity, TokenError};
use crate::domain::{Revocation, Timestamp, UserId, Viewer};
use crate::store::{Store, StoreError};

/// How often each server looks for users that another one revoked.
const LOOK_EVERY: Duration = Duration::from_millis(400);
/// How far back it looks, in milliseconds: the clock of one primary may be behind that of the one before.
const LOOK_BACK_MS: i64 = 60_000;
/// How many revocations it reads at once.
const REVOCATIONS_AT_ONCE: usize = 1_000;

/// One who calls, as long as they may. Cheap to clone; all clones end together.
#[derive(Clone)]
pub struct Session {
    /// Whom the server takes them for.
    pub viewer: Viewer,
    /// Where they call from, if that is known.
    pub address: Option<IpAddr>,
    bounds: Option<Bounds>,
}

/// What ends a session.
#[derive(Clone)]
struct Bounds {
    token: watch::Sender<Token>,
    revoked: watch::Receiver<Revoked>,
}

/// What is left to know of a token.
#[derive(Clone, Copy)]
struct Token {
    issued_at: Timestamp,
    ends_at: Instant,
}

/// When each user was last revoked.
#[derive(Default)]
struct Revoked(HashMap<UserId, Timestamp>);

impl Revoked {
    fn holds(&self, viewer: &Viewer, issued_at: Timestamp) -> bool {
        let at = viewer.subject().and_then(|user| self.0.get(user));
        at.is_some_and(|at| issued_at < *at)
    }

    /// Whether that was news.
    fn note(&mut self, revocation: Revocation) -> bool {
        let known = self
            .0
            .entry(revocation.user)
            .or_insert(Timestamp::from_millis(i64::MIN));
        let is_news = *known < revocation.at;
        *known = revocation.at.max(*known);
        is_news
    }
}

impl Session {
    /// One whom nobody asked for a credential.
    pub fn anonymous(address: Option<IpAddr>) -> Self {
        Self {
            viewer: Viewer::Anonymous,
            address,
            bounds: None,
        }
    }

    /// Completes when the session is over: its token has expired, or its user was revoked. Never, if there is no token.
    pub async fn over(&self) {
        let Some(bounds) = &self.bounds else {
            return std::future::pending().await;
        };
        let (mut token, mut revoked) = (bounds.token.subscribe(), bounds.revoked.clone());
        loop {
            let Token { issued_at, ends_at } = *token.borrow_and_update();
            if revoked.borrow_and_update().holds(&self.viewer, issued_at) {
                return;
            }
            tokio::select! {
                () = sleep_until(ends_at) => return,
                // Both live as long as the server does.
                _ = token.changed() => {}
                _ = revoked.changed() => {}
            }
        }
    }

    /// Goes on with another token of the same caller; whether it is theirs.
    pub fn renew(&self, by: &Self) -> bool {
        let (Some(mine), Some(new)) = (&self.bounds, &by.bounds) else {
            return false;
        };
        let is_theirs = self.viewer == by.viewer;
        if is_theirs {
            let token = *new.token.borrow();
            mine.token.send_replace(token);
        }
        is_theirs
    }
}

/// Proves tokens, and knows who was revoked.
#[derive(Clone)]
pub(super) struct Entrance {
    authenticator: Option<Authenticator>,
    revoked: Arc<watch::Sender<Revoked>>,
}

impl Entrance {
    /// An entrance that lets in whoever has a token that `authenticator` believes; everybody, without one.
    pub(super) fn new(authenticator: Option<Authenticator>) -> Self {
        Self {
            authenticator,
            revoked: Arc::new(watch::Sender::new(Revoked::default())),
        }
    }

    fn note(&self, revocations: impl IntoIterator<Item = Revocation>) {
        self.revoked.send_if_modified(|revoked| {
            let mut any = false;
            for revocation in revocations {
                any |= revoked.note(revocation);
            }
            any
        });
    }

    /// Reads what is stored from a moment on: the latest moment that was found.
    async fn read(&self, store: &dyn Store, mut since: Timestamp) -> Result<Timestamp, StoreError> {
        loop {
            let found = store.revocations(since, REVOCATIONS_AT_ONCE).await?;
            let is_all = found.len() < REVOCATIONS_AT_ONCE;
            let latest = found.last().map_or(since, |last| last.at);
            self.note(found);
            if is_all {
                return Ok(latest);
            }
            // A moment that fills a whole page would be read for ever.
            since = latest.max(since.plus_millis(1));
        }
    }
}

impl Service {
    /// Whether callers are asked for tokens.
    pub fn asks_for_tokens(&self) -> bool {
        self.entrance.authenticator.is_some()
    }

    /// The session of a caller with this token, if one is asked for; [`Error::Unauthenticated`] where it is missing or
    /// not valid, without saying which.
    pub async fn enter(&self, token: Option<&str>, address: Option<IpAddr>) -> Result<Session, Error> {
        let Some(authenticator) = &self.entrance.authenticator else {
            return Ok(Session::anonymous(address));
        };
        let token = token.ok_or(Error::Unauthenticated)?;
        let identified = authenticator.identify(token).await;
        let Identity {
            viewer,
            issued_at,
            ends_at,
        } = identified.map_err(|error| match error {
            TokenError::Invalid => Error::Unauthenticated,
            TokenError::NoKeys => Error::NoKeys,
        })?;
        let left = ends_at.millis().saturating_sub(self.clock.now().millis());
        let left = Duration::from_millis(u64::try_from(left).unwrap_or_default());
        let revoked = self.entrance.revoked.subscribe();
        if left.is_zero() || revoked.borrow().holds(&viewer, issued_at) {
            return Err(Error::Unauthenticated);
        }
        let token = Token {
            issued_at,
            ends_at: Instant::now() + left,
        };
        Ok(Session {
            viewer,
            address,
            bounds: Some(Bounds {
                token: watch::Sender::new(token),
                revoked,
            }),
        })
    }

    /// The session of a caller who does one thing, counted as that: [`Service::enter`], unless they ask too often.
    pub async fn admit(&self, token: Option<&str>, address: Option<IpAddr>) -> Result<Session, Error> {
        self.count_request(address)?;
        let session = self.enter(token, address).await?;
        self.count_operation(&session)?;
        Ok(session)
    }

    /// Ends every session of a user on every server, and lets no token in that was issued before: the moment.
    pub async fn revoke_user(&self, viewer: &Viewer, user: UserId) -> Result<Revocation, Error> {
        self.check_user_id(&user)?;
        if !viewer.may_revoke() {
            return Err(Error::Forbidden);
        }
        let revocation = self.store.revoke(&user).await?;
        self.entrance.note([revocation.clone()]);
        Ok(revocation)
    }

    /// Reads who was revoked before this server began. Nobody may be let in before.
    pub async fn learn_revocations(&self) -> Result<(), Error> {
        if self.asks_for_tokens() {
            let beginning = Timestamp::from_millis(i64::MIN / 2);
            self.entrance.read(&*self.store, beginning).await?;
        }
        Ok(())
    }

    /// Asks for the keys of tokens, looks for users that other servers revoked, and forgets who has not called for long,
    /// again and again, for ever.
    pub async fn keep_watch(&self) {
        let Some(authenticator) = &self.entrance.authenticator else {
            return self.rates.keep_short().await;
        };
        let revocations = async {
            let mut since = self.clock.now();
            loop {
                sleep(LOOK_EVERY).await;
                let from = since.plus_millis(-LOOK_BACK_MS);
                match self.entrance.read(&*self.store, from).await {
                    Ok(latest) => since = since.max(latest),
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "users that other servers revoke are not known now");
                    }
                }
            }
        };
        tokio::join!(authenticator.keep_keys(), revocations, self.rates.keep_short());
    }
}
