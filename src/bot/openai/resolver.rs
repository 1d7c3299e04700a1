//! Names become addresses here, so that no name leads to where clouds keep a machine's credentials.

use std::io;
use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::config::UpstreamUrl;

/// The system's resolver without the addresses that no upstream may have.
pub struct GuardedResolver;

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(allowed(found)?)
        })
    }
}

fn allowed(found: impl Iterator<Item = SocketAddr>) -> io::Result<Addrs> {
    let allowed: Vec<_> = found
        .filter(|address| !UpstreamUrl::refuses(address.ip()))
        .collect();
    if allowed.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the name leads to no address that an upstream may have",
        ));
    }
    Ok(Box::new(allowed.into_iter()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_no_link_local_address() {
        let addresses = |text: &str| -> Vec<SocketAddr> {
            text.split(' ').map(|address| address.parse().unwrap()).collect()
        };
        let found = addresses("169.254.169.254:0 127.0.0.1:0 [fe80::1]:0");
        let left: Vec<_> = allowed(found.into_iter()).unwrap().collect();
        assert_eq!(left, addresses("127.0.0.1:0"));
        assert!(allowed(addresses("169.254.169.254:0").into_iter()).is_err());
    }
}
