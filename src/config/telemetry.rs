//! Where traces go.

use url::Url;

use super::ConfigError;

/// The address of a collector that speaks OTLP over HTTP. May hold a key in its query or a password.
#[derive(Clone, PartialEq, Eq)]
pub struct OtlpEndpoint(Url);

impl OtlpEndpoint {
    /// Where the traces of a collector at an address go, by the specification of OTLP.
    const TRACES: [&str; 2] = ["v1", "traces"];

    /// Reads what `--otlp-endpoint` takes: `http://` or `https://` and a host, perhaps with a path.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let url = Url::parse(text).map_err(|_| ConfigError::OtlpEndpoint)?;
        let is_http = ["http", "https"].contains(&url.scheme()) && url.has_host();
        match is_http && url.fragment().is_none() {
            true => Ok(Self(url)),
            false => Err(ConfigError::OtlpEndpoint),
        }
    }

    /// The address that traces are posted to.
    pub fn traces(&self) -> String {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(Self::TRACES);
        }
        url.into()
    }
}

impl std::fmt::Debug for OtlpEndpoint {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("OtlpEndpoint([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_go_below_the_address_of_the_collector() {
        for (address, traces) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://collector:4318/", "http://collector:4318/v1/traces"),
            (
                "https://host/otlp?key=secret",
                "https://host/otlp/v1/traces?key=secret",
            ),
        ] {
            let endpoint = OtlpEndpoint::parse(address).unwrap();
            assert_eq!(endpoint.traces(), traces);
            assert!(!format!("{endpoint:?}").contains("host"));
        }
        for bad in [
            "",
            "127.0.0.1:4318",
            "grpc://host:4317",
            "file:///x",
            "http://host/#x",
        ] {
            assert_eq!(OtlpEndpoint::parse(bad), Err(ConfigError::OtlpEndpoint), "{bad}");
        }
    }
}
