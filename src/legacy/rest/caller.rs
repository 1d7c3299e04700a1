//! Who asks, and whether they may ask now.

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;

use super::Rest;
use super::refusal::Refusal;
use crate::domain::Viewer;
use crate::peer::{self, Address};
use crate::service::{Error, Session};

/// Whom the server takes the caller for.
pub struct Caller(pub Viewer);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        // Put there by `admit`, around every route.
        let session = parts.extensions.get::<Session>();
        let session = session.ok_or(Refusal::Service(Error::Unauthenticated))?;
        Ok(Self(session.viewer.clone()))
    }
}

/// Lets in whoever may ask, before anything of the request is looked at.
pub async fn admit(rest: &Rest, request: &mut Request) -> Result<(), Refusal> {
    let address = request
        .extensions()
        .get::<Address>()
        .and_then(|address| address.0);
    let session = rest.service.admit(peer::token(request.headers()), address).await;
    request
        .extensions_mut()
        .insert(session.map_err(Refusal::Service)?);
    Ok(())
}
