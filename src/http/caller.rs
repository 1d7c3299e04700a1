//! Where a request comes from, and whether a page of that origin may send it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::doors::Peer;
use crate::config::BrowserConfig;
use crate::legacy::rest::detail;
use crate::peer::Address;

/// Where proxies say whom they ask for.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The most hops that are looked at.
const HOPS_MAX: usize = 32;

/// What requests are judged by.
pub(super) struct Doorkeeper {
    browsers: BrowserConfig,
    /// Whether only names of this machine are answered to: where nobody is asked for a token, a page elsewhere whose name
    /// is made to lead here could read everything.
    is_private: bool,
}

impl Doorkeeper {
    pub(super) fn new(browsers: BrowserConfig, is_private: bool) -> Arc<Self> {
        Arc::new(Self { browsers, is_private })
    }

    /// The origins whose pages may call, as headers.
    pub(super) fn origins(&self) -> Vec<HeaderValue> {
        let origins = self.browsers.origins.iter();
        origins
            .filter_map(|origin| HeaderValue::from_str(origin).ok())
            .collect()
    }

    /// The nearest of those who forwarded the request that no trusted proxy is.
    fn address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let is_trusted = |address: &IpAddr| {
            let address = address.to_canonical();
            self.browsers
                .trusted_proxies
                .iter()
                .any(|network| network.contains(&address))
        };
        let said = headers.get_all(FORWARDED_FOR).iter().rev();
        let hops = said
            .filter_map(|said| said.to_str().ok())
            .flat_map(|said| said.rsplit(','))
            .map(|hop| hop.trim().parse::<IpAddr>());
        let mut nearest = peer;
        for hop in hops.take(HOPS_MAX) {
            // What a stranger says of others is worth nothing, and neither is what is no address.
            match hop {
                Ok(hop) if is_trusted(&nearest) => nearest = hop,
                _ => break,
            }
        }
        nearest.to_canonical()
    }

    /// Whether a page may send this, if it is one that does.
    fn lets_in(&self, request: &Request) -> bool {
        let headers = request.headers();
        let is_upgrade = headers.contains_key(header::UPGRADE);
        let is_harmless = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
        if is_harmless && !is_upgrade {
            return true;
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => true,
            (Some(origin), None) => {
                let origin = origin.to_str().unwrap_or_default();
                self.browsers.allows(origin) || is_of(origin, host(request))
            }
            (Some(_), Some(_)) => false,
        }
    }

    /// Whether a browser asks for leave on behalf of a page that has none.
    fn is_foreign_preflight(&self, request: &Request) -> bool {
        let headers = request.headers();
        let is_let_in =
            |origin: &HeaderValue| origin.to_str().is_ok_and(|origin| self.browsers.allows(origin));
        request.method() == Method::OPTIONS
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
            && headers
                .get(header::ORIGIN)
                .is_some_and(|origin| !is_let_in(origin))
    }

    /// Whether the name that the request is for is one of this machine, where that matters.
    fn is_meant(&self, request: &Request) -> bool {
        !self.is_private
            || host(request).is_none_or(|host| is_here(&host) || self.browsers.allows_host(&host))
    }
}

/// Turns away what pages of other origins send, and what was sent to another name than this machine's; and notes where
/// the others come from.
pub(super) async fn judge(
    State(doorkeeper): State<Arc<Doorkeeper>>,
    peer: Option<Extension<ConnectInfo<Peer>>>,
    mut request: Request,
    next: Next,
) -> Response {
    if !doorkeeper.is_meant(&request) {
        return detail(
            StatusCode::MISDIRECTED_REQUEST,
            "This server answers to names of its own machine only.",
        );
    }
    if !doorkeeper.lets_in(&request) {
        return detail(StatusCode::FORBIDDEN, "Pages of this origin may not do that.");
    }
    // In as many words, as documented; the layer below would just leave the permission out.
    if doorkeeper.is_foreign_preflight(&request) {
        return (StatusCode::BAD_REQUEST, "Disallowed CORS origin").into_response();
    }
    let address =
        peer.map(|Extension(ConnectInfo(Peer(peer)))| doorkeeper.address(peer.ip(), request.headers()));
    request.extensions_mut().insert(Address(address));
    next.run(request).await
}

/// The host and port that a request is for.
fn host(request: &Request) -> Option<Authority> {
    let named = request
        .headers()
        .get(header::HOST)
        .map(|host| host.to_str().unwrap_or_default());
    match named {
        Some(host) => host.parse().ok(),
        // Version 2 of the protocol has it in the address.
        None => request.uri().authority().cloned(),
    }
}

/// Whether a page's origin is the host that it asks. Whether it came over TLS is the proxy's to know.
fn is_of(origin: &str, host: Option<Authority>) -> bool {
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    let authority = authority.and_then(|authority| authority.parse::<Authority>().ok());
    let plain = |authority: &Authority, scheme: &str| {
        let default = if scheme == "https" { 443 } else { 80 };
        (
            authority.host().to_ascii_lowercase(),
            authority.port_u16().unwrap_or(default),
        )
    };
    match (authority, host) {
        (Some(origin_host), Some(host)) => {
            let scheme = origin.split("://").next().unwrap_or_default();
            plain(&origin_host, scheme) == plain(&host, scheme)
        }
        _ => false,
    }
}

fn is_here(host: &Authority) -> bool {
    let name = host.host().to_ascii_lowercase();
    let name = name.trim_end_matches('.');
    let address = name
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    match address {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn doorkeeper(is_private: bool) -> Arc<Doorkeeper> {
        let browsers = BrowserConfig {
            origins: vec!["https://chat.example".to_owned()],
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
        };
        Doorkeeper::new(browsers, is_private)
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let doorkeeper = doorkeeper(false);
        let of = |peer: &str, said: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for said in said {
                headers.append(FORWARDED_FOR, said.parse().unwrap());
            }
            doorkeeper.address(peer.parse().unwrap(), &headers).to_string()
        };
        assert_eq!(of("203.0.113.1", &["198.51.100.1"]), "203.0.113.1");
        assert_eq!(of("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(of("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(of("::1", &["198.51.100.1, 10.1.1.1"]), "198.51.100.1");
        assert_eq!(of("10.0.0.1", &["192.0.2.9, 198.51.100.1"]), "198.51.100.1");
        assert_eq!(
            of("10.0.0.1", &["192.0.2.9", "198.51.100.1, 10.0.0.2"]),
            "198.51.100.1"
        );
        assert_eq!(of("10.0.0.1", &["198.51.100.1, nonsense"]), "10.0.0.1");
        assert_eq!(of("::ffff:10.0.0.1", &["::ffff:198.51.100.1"]), "198.51.100.1");
    }

    fn request(method: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = Request::builder().method(method).uri("/graphql");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn pages_of_other_origins_change_nothing_and_open_no_socket() {
        let doorkeeper = doorkeeper(false);
        let lets_in = |method: &str, origin: &str, upgrades: bool| {
            let mut headers = vec![("host", "server.example"), ("origin", origin)];
            headers.extend(upgrades.then_some(("upgrade", "websocket")));
            doorkeeper.lets_in(&request(method, &headers))
        };
        for good in [
            "https://chat.example",
            "https://server.example",
            "http://SERVER.example:80",
        ] {
            assert!(
                lets_in("POST", good, false) && lets_in("GET", good, true),
                "{good}"
            );
        }
        for bad in [
            "https://evil.example",
            "null",
            "",
            "https://server.example.evil.example",
            "https://chat.example:8443",
            "http://chat.example",
            "https://server.example:8443",
            "https://server.example@evil.example",
        ] {
            assert!(
                !lets_in("POST", bad, false) && !lets_in("GET", bad, true),
                "{bad}"
            );
            assert!(lets_in("GET", bad, false));
        }
        assert!(doorkeeper.lets_in(&request("POST", &[("host", "server.example")])));
        let two = [
            ("host", "a"),
            ("origin", "https://chat.example"),
            ("origin", "http://a"),
        ];
        assert!(!doorkeeper.lets_in(&request("POST", &two)));
    }

    #[test]
    fn without_tokens_a_name_that_is_made_to_lead_here_is_not_answered() {
        let doorkeeper = doorkeeper(true);
        let is_meant = |host| doorkeeper.is_meant(&request("GET", &[("host", host)]));
        for good in [
            "localhost:8000",
            "127.0.0.1:8000",
            "[::1]:8000",
            "app.localhost",
            "chat.example",
        ] {
            assert!(is_meant(good), "{good}");
        }
        for bad in [
            "evil.example:8000",
            "127.0.0.1.evil.example",
            "10.0.0.1:8000",
            "localhost.evil.example",
        ] {
            assert!(!is_meant(bad), "{bad}");
        }
    }
}
