//! Who asks, and whether they may ask now.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Rest;
use super::refusal::Refusal;
use crate::domain::Viewer;
use crate::peer::{Address, bearer};
use crate::service::{Error, Service, Session};

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
pub async fn admit(State(rest): State<Rest>, mut request: Request, next: Next) -> Response {
    let address = request.extensions().get::<Address>().and_then(|address| address.0);
    match enter(&rest.service, token(request.headers()), address).await {
        Ok(session) => {
            request.extensions_mut().insert(session);
            next.run(request).await
        }
        Err(error) => Refusal::Service(error).into_response(),
    }
}

/// The session of whoever asks once, with this token, from this address.
pub async fn enter(
    service: &Service,
    token: Option<&str>,
    address: Option<std::net::IpAddr>,
) -> Result<Session, Error> {
    service.count_request(address)?;
    let session = service.enter(token, address).await?;
    service.count_operation(&session)?;
    Ok(session)
}

/// The token that a request brings; several are none.
pub fn token(headers: &HeaderMap) -> Option<&str> {
    let mut brought = headers.get_all(header::AUTHORIZATION).iter();
    let first = brought.next()?;
    match brought.next() {
        None => Some(bearer(first.to_str().unwrap_or_default())),
        Some(_) => Some(""),
    }
}
