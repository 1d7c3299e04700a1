//! Sessions: who calls, until when, and from where. Every call of every API begins here.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::revocations::RevocationReader;
use super::{Error, Service};
use crate::auth::{Authenticator, Identity, TokenError};
use crate::domain::{Revocation, Timestamp, UserId, Viewer};
use crate::store::{Store, StoreError};
use crate::telemetry::causes::causes;

/// How often each server looks for users that another one revoked.
const LOOK_EVERY: Duration = Duration::from_millis(400);

/// An authenticated caller, until the token expires or is revoked. Cheap to clone; all clones end together.
#[derive(Clone)]
pub struct Session {
    /// The caller.
    pub viewer: Viewer,
    /// The caller's IP address, if known.
    pub address: Option<IpAddr>,
    bounds: Option<Bounds>,
}

/// What ends a session.
#[derive(Clone)]
struct Bounds {
    token: watch::Sender<Token>,
    revoked: watch::Receiver<Revoked>,
}

/// The part of a token that is needed after it was verified.
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

    /// Notes a revocation. Returns whether it is new.
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
    /// The session of a caller without authentication.
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
                // The senders live as long as the server does.
                _ = token.changed() => {}
                _ = revoked.changed() => {}
            }
        }
    }

    /// Continues with another token of the same caller. Returns false if the token is another caller's.
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

/// Verifies tokens, and knows which users were revoked.
#[derive(Clone)]
pub(super) struct Entrance {
    authenticator: Option<Authenticator>,
    revoked: Arc<watch::Sender<Revoked>>,
    reader: Arc<Mutex<RevocationReader>>,
}

impl Entrance {
    /// An entrance that accepts the tokens that `authenticator` verifies; without one, everybody.
    pub(super) fn new(authenticator: Option<Authenticator>) -> Self {
        Self {
            authenticator,
            revoked: Arc::new(watch::Sender::new(Revoked::default())),
            reader: Arc::default(),
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

    /// Reads what was revoked since the last time: at the first time, everything.
    async fn read_news(&self, store: &dyn Store) -> Result<(), StoreError> {
        let mut reader = self.reader.lock().await;
        reader.look(store, |revocations| self.note(revocations)).await
    }
}

impl Service {
    /// Whether callers need a token.
    pub fn asks_for_tokens(&self) -> bool {
        self.entrance.authenticator.is_some()
    }

    /// The session of a caller with this token. If tokens are needed and this one is missing or invalid, returns
    /// [`Error::Unauthenticated`], which does not say which.
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

    /// [`Service::enter`] for a single request, counted against the caller's rates.
    pub async fn admit(&self, token: Option<&str>, address: Option<IpAddr>) -> Result<Session, Error> {
        self.count_request(address)?;
        let session = self.enter(token, address).await?;
        self.count_operation(&session)?;
        Ok(session)
    }

    /// Revokes a user: ends their sessions on every server, and rejects tokens that were issued before now.
    pub async fn revoke_user(&self, viewer: &Viewer, user: UserId) -> Result<Revocation, Error> {
        self.check_user_id(&user)?;
        if !viewer.may_revoke() {
            return Err(Error::Forbidden);
        }
        let revocation = self.store.revoke(&user).await?;
        self.entrance.note([revocation.clone()]);
        Ok(revocation)
    }

    /// Reads the users who were revoked before this server started. No token may be accepted before that.
    pub async fn learn_revocations(&self) -> Result<(), Error> {
        if self.asks_for_tokens() {
            self.entrance.read_news(&*self.store).await?;
        }
        Ok(())
    }

    /// Fetches JWT keys, reads the users that other servers revoked, and drops unused rate limits, again and again.
    pub async fn keep_watch(&self) {
        let Some(authenticator) = &self.entrance.authenticator else {
            return self.rates.keep_short().await;
        };
        let revocations = async {
            loop {
                sleep(LOOK_EVERY).await;
                if let Err(error) = self.entrance.read_news(&*self.store).await {
                    tracing::warn!(error = %causes(&error), "users that other servers revoke are not known now");
                }
            }
        };
        tokio::join!(authenticator.keep_keys(), revocations, self.rates.keep_short());
    }
}
