//! What is said of the keys of tokens, and what is not.

use std::fs;

use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::report::{Report, run};
use crate::support::scratch::Scratch;

/// A secret for HS256.
const SECRET: &str = "zwiebelkuchen-und-federweisser-im-herbst";
/// The password in the address of published keys.
const PASSWORD: &str = "pflaumenmus";
/// The public key of RFC 8410, for EdDSA.
const PUBLIC: &str = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";

/// The public keys of RFC 8037 and RFC 7515, and two that cannot be used.
fn published() -> Value {
    json!({ "keys": [
        { "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" },
        { "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
          "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" },
        { "kty": "oct", "k": "c2VjcmV0" },
        { "kty": "of a kind that is yet to come" },
    ] })
}

/// An issuer that shows its keys to whoever has the password: where they are.
async fn issuer() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let keys = async |headers: HeaderMap| match headers.contains_key("authorization") {
        true => Ok(Json(published())),
        false => Err(StatusCode::UNAUTHORIZED),
    };
    let moved = async || (StatusCode::FOUND, [("location", "/keys")]);
    let routes = Router::new()
        .route("/keys", get(keys))
        .route("/moved", get(moved))
        .route("/none", get(async || Json(json!({ "keys": [] }))))
        .route("/page", get(async || "<html>"));
    tokio::spawn(async { axum::serve(listener, routes).await.unwrap() });
    format!("http://keeper:{PASSWORD}@{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kinds_of_keys_are_told_and_nothing_of_the_keys() {
    let scratch = Scratch::embedded().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pem");
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{PUBLIC}\n-----END PUBLIC KEY-----\n");
    fs::write(&file, pem).unwrap();
    let issuer = issuer().await;
    let of = |jwks: &str| {
        let jwks = format!("{issuer}{jwks}");
        let variables = [("COLLOQUY_JWT_SECRET", SECRET), ("COLLOQUY_JWKS_URL", &jwks)];
        let arguments = ["--jwt-key-file", file.to_str().unwrap()];
        let report = Report::in_environment(&scratch.address(), &arguments, &variables);
        let page = run(&scratch.address(), &arguments, &variables);
        for printed in [
            report.printed.as_str(),
            &String::from_utf8_lossy(&page.stdout),
            &String::from_utf8_lossy(&page.stderr),
        ] {
            for secret in [SECRET, PASSWORD, PUBLIC] {
                assert!(!printed.contains(secret), "{printed}");
            }
        }
        report
    };
    let known = "asked for: a secret (HS256), a public Ed25519 key (EdDSA)";
    let report = of("/keys");
    let published = format!("{known}, published keys (1 for ES256, 1 for EdDSA)");
    assert_eq!(report.findings("tokens"), [("ok", published.as_str())]);
    assert_eq!(report.code, 0, "{}", report.printed);
    for (path, why) in [
        ("/moved", "the answer is 302 Found"),
        ("/nowhere", "the answer is 404 Not Found"),
        ("/none", "there is no key in it that can be used"),
        ("/page", "the answer is no set of keys: "),
    ] {
        let report = of(path);
        let [(verdict, detail)] = report.findings("tokens")[..] else {
            panic!("{}", report.printed);
        };
        assert_eq!((report.code, verdict), (1, "problem"), "{path}");
        let start = format!("{known}, published keys that cannot be had: {why}");
        assert!(detail.starts_with(&start), "{detail}");
    }
}

#[tokio::test]
async fn an_issuer_that_is_away_and_a_key_that_is_none_are_problems() {
    let scratch = Scratch::embedded().await;
    let jwks = format!("http://keeper:{PASSWORD}@127.0.0.1:1/keys");
    let report = Report::of(&scratch.address(), &["--jwks-url", &jwks]);
    let detail =
        "asked for: published keys that cannot be had: the request failed: Connection refused (os error 111)";
    assert_eq!(report.findings("tokens"), [("problem", detail)]);
    assert!(!report.printed.contains(PASSWORD), "{}", report.printed);

    let report = Report::in_environment(&scratch.address(), &[], &[("COLLOQUY_JWT_SECRET", "too-short")]);
    assert_eq!(report.verdict("configuration"), "problem");
    assert_eq!(report.findings("tokens"), []);
    assert!(!report.printed.contains("too-short"), "{}", report.printed);

    let arguments = ["--jwt-algorithm", "RS256"];
    let report = Report::in_environment(&scratch.address(), &arguments, &[("COLLOQUY_JWT_SECRET", SECRET)]);
    assert_eq!(report.verdict("tokens"), "problem");
    assert!(!report.printed.contains(SECRET), "{}", report.printed);
}

#[tokio::test]
async fn whoever_asks_for_tokens_may_listen_where_others_reach_it() {
    let scratch = Scratch::embedded().await;
    let secret = [("COLLOQUY_JWT_SECRET", SECRET)];
    let report = Report::in_environment(&scratch.address(), &["--listen", "0.0.0.0:0"], &secret);
    assert_eq!(report.findings("configuration"), [("ok", "valid")]);
    assert_eq!(report.findings("tokens"), [("ok", "asked for: a secret (HS256)")]);
}
