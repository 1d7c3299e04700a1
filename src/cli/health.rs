//! `colloquy health`: asks a server how it is, for those that watch it from inside an image without a shell.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use reqwest::{Client, StatusCode, Url};

use super::complain;

/// Where a server says whether it can serve.
const READY: &str = "/health/ready";
/// Where it says whether it lives.
const LIVE: &str = "/health/live";
/// How long an answer may take, in all: who asks every few seconds wants none later.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How much of an answer is repeated, in bytes: more than a server says.
const ANSWER_BYTES_MAX: usize = 512;

/// What `colloquy health` takes.
#[derive(Args, Clone)]
pub struct HealthArguments {
    // Read by us: the parser's own complaint would repeat it, and with it a password.
    /// The server's base address, or all of the address to ask; where --listen says if not given.
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// Ask whether it lives, which it does without its store too, and not whether it can serve.
    #[arg(long)]
    live: bool,
}

/// Why nobody can be asked. Does not say the address, which may hold a secret.
#[derive(Debug, thiserror::Error)]
enum AddressError {
    /// Not an address of a server.
    #[error("the URL is not http:// or https:// with a host, without a user and a password")]
    Url,
    /// The server took a port that only it knows.
    #[error("--listen names no port to ask; give the server's URL")]
    Port,
}

/// Why a server is not well.
#[derive(Debug, thiserror::Error)]
enum HealthError {
    /// It did not answer.
    #[error("{place} does not answer")]
    Silent {
        /// Where it was asked.
        place: String,
        /// What happened.
        source: reqwest::Error,
    },
    /// It answered that it is not.
    #[error("{place} answers {status} {answer}")]
    Unwell {
        /// Where it was asked.
        place: String,
        /// How it answered.
        status: StatusCode,
        /// What it said, cut and without control characters.
        answer: String,
    },
}

/// Asks once: 0 if the server is well, 1 if it is not or does not answer within 5 seconds, 2 if it was told something
/// wrong.
pub async fn health(arguments: &HealthArguments, listen: SocketAddr) -> ExitCode {
    let url = match address(arguments, listen) {
        Ok(url) => url,
        Err(error) => {
            complain(&error);
            return ExitCode::from(2);
        }
    };
    match ask(url).await {
        Ok(answer) => match writeln!(std::io::stdout(), "{answer}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

async fn ask(url: Url) -> Result<String, HealthError> {
    // A query may hold a secret.
    let mut place = url.clone();
    place.set_query(None);
    let place = String::from(place);
    let silent = |source: reqwest::Error| HealthError::Silent {
        place: place.clone(),
        source: source.without_url(),
    };
    let client = Client::builder()
        .timeout(ANSWER_MAX)
        // A container's own proxy variables are for the way out, and a server that sends elsewhere is not the one asked.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none());
    let client = client.build().map_err(silent)?;
    let mut response = client.get(url).send().await.map_err(silent)?;
    let status = response.status();
    let mut answer = Vec::new();
    while answer.len() < ANSWER_BYTES_MAX
        && let Some(piece) = response.chunk().await.map_err(silent)?
    {
        answer.extend_from_slice(&piece);
    }
    answer.truncate(ANSWER_BYTES_MAX);
    let answer = String::from_utf8_lossy(&answer).replace(char::is_control, " ");
    if status == StatusCode::OK {
        Ok(answer)
    } else {
        Err(HealthError::Unwell {
            place,
            status,
            answer,
        })
    }
}

/// The address to ask: the one given, with the path that the arguments mean if it has none of its own, or else that of
/// this machine's server.
fn address(arguments: &HealthArguments, listen: SocketAddr) -> Result<Url, AddressError> {
    let text = match &arguments.url {
        Some(url) => url.clone(),
        None if listen.port() == 0 => return Err(AddressError::Port),
        None => format!("http://{}", within_reach(listen)),
    };
    let mut url = Url::parse(&text).map_err(|_| AddressError::Url)?;
    let is_plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none();
    if !is_plain {
        return Err(AddressError::Url);
    }
    if url.path() == "/" {
        url.set_path(if arguments.live { LIVE } else { READY });
    }
    url.set_fragment(None);
    Ok(url)
}

/// Where a server that listens there is reached from the same machine: every address of it is none to connect to.
fn within_reach(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(url: Option<&str>, live: bool, listen: &str) -> Result<String, String> {
        let arguments = HealthArguments {
            url: url.map(str::to_owned),
            live,
        };
        address(&arguments, listen.parse().unwrap())
            .map(String::from)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn without_an_address_the_server_is_looked_for_where_it_listens() {
        for (listen, url) in [
            ("127.0.0.1:8000", "http://127.0.0.1:8000/health/ready"),
            ("0.0.0.0:9000", "http://127.0.0.1:9000/health/ready"),
            ("[::]:9000", "http://[::1]:9000/health/ready"),
            ("192.168.0.1:80", "http://192.168.0.1/health/ready"),
        ] {
            assert_eq!(asked(None, false, listen).as_deref(), Ok(url));
        }
        assert_eq!(
            asked(None, true, "0.0.0.0:8000").as_deref(),
            Ok("http://127.0.0.1:8000/health/live")
        );
        assert!(asked(None, false, "0.0.0.0:0").is_err());
    }

    #[test]
    fn an_address_is_asked_at_its_own_path_if_it_has_one() {
        for (given, live, url) in [
            ("https://chat.example", false, "https://chat.example/health/ready"),
            ("https://chat.example/", true, "https://chat.example/health/live"),
            (
                "http://host:1/api/health/live?x=1#y",
                false,
                "http://host:1/api/health/live?x=1",
            ),
        ] {
            assert_eq!(asked(Some(given), live, "127.0.0.1:0").as_deref(), Ok(url));
        }
    }

    #[test]
    fn no_complaint_about_an_address_repeats_it() {
        for given in ["secret", "ftp://secret", "http://user:secret@host", "http://"] {
            let complaint = asked(Some(given), false, "127.0.0.1:1").unwrap_err();
            assert!(!complaint.contains("secret"), "{complaint}");
        }
    }
}
