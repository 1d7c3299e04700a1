//! The keys that tokens are proven by.

use super::finding::Finding;
use crate::app;
use crate::auth::KeysProbed;
use crate::config::{AuthConfig, JwtAlgorithm};
use crate::telemetry::causes::causes;

/// What to say about the keys of tokens, of which none is told; nor is where they are published, which may hold a
/// password.
pub async fn finding(auth: Option<&AuthConfig>) -> Finding {
    let Some(auth) = auth else {
        return Finding::ok(
            "tokens",
            "not asked for: whoever reaches the server may act for any user",
        );
    };
    match app::probe_tokens(auth).await {
        Ok(probed) => judge(&probed),
        Err(error) => Finding::problem("tokens", causes(&error).to_string()).advise(
            "see that every --jwt-key-file is a public key (RSA of 2048 bits or more, P-256, Ed25519) or a secret, and \
             that --jwt-algorithm names what they are for",
        ),
    }
}

fn judge(probed: &KeysProbed) -> Finding {
    let known = probed.known.iter().map(|algorithm| known(*algorithm));
    let mut keys: Vec<_> = known.map(str::to_owned).collect();
    match &probed.published {
        None => Finding::ok("tokens", format!("asked for: {}", keys.join(", "))),
        Some(Ok(published)) => {
            keys.push(published_keys(published));
            Finding::ok("tokens", format!("asked for: {}", keys.join(", ")))
        }
        Some(Err(why)) => {
            keys.push(format!("published keys that cannot be had: {why}"));
            Finding::problem("tokens", format!("asked for: {}", keys.join(", "))).advise(
                "see that --jwks-url is the issuer's set of keys (jwks_uri), and that this machine may reach it; no \
                 proxy is used, and redirects are not followed",
            )
        }
    }
}

fn known(algorithm: JwtAlgorithm) -> &'static str {
    match algorithm {
        JwtAlgorithm::Hs256 => "a secret (HS256)",
        JwtAlgorithm::Rs256 => "a public RSA key (RS256)",
        JwtAlgorithm::Es256 => "a public P-256 key (ES256)",
        JwtAlgorithm::EdDsa => "a public Ed25519 key (EdDSA)",
    }
}

fn published_keys(algorithms: &[JwtAlgorithm]) -> String {
    let counted = JwtAlgorithm::ALL.into_iter().filter_map(|algorithm| {
        let count = algorithms.iter().filter(|other| **other == algorithm).count();
        (count > 0).then(|| format!("{count} for {}", algorithm.name()))
    });
    let counted: Vec<_> = counted.collect();
    format!("published keys ({})", counted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Verdict;

    #[test]
    fn kinds_of_keys_are_told_and_a_place_without_keys_is_a_problem() {
        let probed = |known: &[JwtAlgorithm], published| KeysProbed {
            known: known.to_vec(),
            published,
        };
        let [hs256, rs256, es256, _] = JwtAlgorithm::ALL;
        for (probed, verdict, detail) in [
            (
                probed(&[hs256, rs256], None),
                Verdict::Ok,
                "asked for: a secret (HS256), a public RSA key (RS256)",
            ),
            (
                probed(&[], Some(Ok(vec![rs256, es256, rs256]))),
                Verdict::Ok,
                "asked for: published keys (2 for RS256, 1 for ES256)",
            ),
            (
                probed(&[hs256], Some(Err("why".to_owned()))),
                Verdict::Problem,
                "asked for: a secret (HS256), published keys that cannot be had: why",
            ),
        ] {
            let finding = judge(&probed);
            assert_eq!((finding.verdict, finding.detail.as_str()), (verdict, detail));
        }
    }
}
