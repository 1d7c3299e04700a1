//! Which pages may call, and which proxies are believed.

use std::net::IpAddr;

use ipnet::IpNet;

use super::ConfigError;

/// Which pages may call, and which proxies are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserConfig {
    /// The origins whose pages may call, besides the server's own; each a scheme, a host and perhaps a port.
    pub origins: Vec<String>,
    /// The networks whose hosts are believed when they say whom they ask for (`X-Forwarded-For`). Default none.
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for BrowserConfig {
    fn default() -> Self {
        Self {
            origins: vec![Self::DOCUMENTED_ORIGIN.to_owned()],
            trusted_proxies: Vec::new(),
        }
    }
}

impl BrowserConfig {
    /// The origin of the documented browser client.
    pub const DOCUMENTED_ORIGIN: &'static str = "http://localhost:3000";

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let is_origin = |origin: &String| {
            let host = origin
                .strip_prefix("http://")
                .or_else(|| origin.strip_prefix("https://"));
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte);
            host.is_some_and(|host| !host.is_empty() && host.bytes().all(is_plain))
        };
        match self.origins.iter().all(is_origin) {
            true => Ok(()),
            false => Err(ConfigError::CorsOrigin),
        }
    }

    /// Reads what `--trusted-proxies` takes: a network such as `10.0.0.0/8`, or an address.
    pub fn network(text: &str) -> Result<IpNet, ConfigError> {
        let text = text.trim();
        let network = text.parse::<IpNet>().ok();
        let network = network.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        network.ok_or(ConfigError::TrustedProxies)
    }

    /// Whether pages of an origin may call.
    pub fn allows(&self, origin: &str) -> bool {
        self.origins.iter().any(|allowed| allowed == origin)
    }

    /// Whether a host is that of an allowed origin.
    pub fn allows_host(&self, host: &impl PartialEq<str>) -> bool {
        let hosts = self.origins.iter().filter_map(|origin| origin.split_once("://"));
        hosts
            .map(|(_, authority)| authority)
            .any(|authority| *host == *authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_no_path() {
        let with = |origin: &str| {
            let config = BrowserConfig {
                origins: vec![origin.to_owned()],
                ..BrowserConfig::default()
            };
            config.validate()
        };
        for origin in ["https://example.org", "http://[::1]:3000"] {
            assert_eq!(with(origin), Ok(()), "{origin}");
        }
        for origin in [
            "*",
            "",
            "null",
            "example.org",
            "http://",
            "http://example.org/",
            "http://a\nb",
        ] {
            assert_eq!(with(origin), Err(ConfigError::CorsOrigin), "{origin}");
        }
    }

    #[test]
    fn a_network_is_an_address_or_many() {
        for (text, network) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("192.0.2.1", "192.0.2.1/32"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(BrowserConfig::network(text).unwrap().to_string(), network);
        }
        for bad in ["", "proxy.example", "10.0.0.0/33", "*"] {
            assert_eq!(
                BrowserConfig::network(bad),
                Err(ConfigError::TrustedProxies),
                "{bad}"
            );
        }
    }
}
