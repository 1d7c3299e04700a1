//! Tokens that nobody issued, or not for this server, or not for now: all are refused with the same words.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use reqwest::{StatusCode, header};
use serde_json::{Value, json};

use super::{ask, server, user};
use crate::support::issuer::Keys;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::socket::{Received, Socket};
use crate::support::tokens::{SECRET, Signer, Token, now, sign_raw};

const STRICT: [&str; 4] = [
    "--jwt-issuer",
    "https://issuer.example",
    "--jwt-audience",
    "colloquy,chat",
];

fn good() -> Token {
    Token::of("asha")
        .issuer("https://issuer.example")
        .audience("colloquy")
}

/// Every way in refuses the token with one code and the same words.
async fn refuses(server: &Server, what: &str, token: &str) {
    let response = ask(server, token).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{what}");
    assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer", "{what}");
    let body: Value = response.json().await.unwrap();
    let error =
        json!({ "message": "A valid token is required.", "extensions": { "code": "UNAUTHENTICATED" } });
    assert_eq!(body, json!({ "errors": [error] }), "{what}");

    let request = reqwest::Client::new().get(server.at("/chat/user/1"));
    let response = request.bearer_auth(token).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{what}");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body, json!({ "detail": "Not authenticated" }), "{what}");

    let mut socket = Socket::open(server).await;
    let payload = json!({ "authorization": format!("Bearer {token}") });
    socket
        .send(json!({ "type": "connection_init", "payload": payload }))
        .await;
    let closed = Received::Closed(4403, "Forbidden".to_owned());
    assert_eq!(socket.receive().await, closed, "{what}");
}

#[tokio::test]
async fn a_token_that_is_forged_in_any_of_the_classical_ways_is_refused_with_one_code() {
    let scratch = Scratch::embedded().await;
    let server = server(&scratch, &STRICT);
    assert_eq!(user(&server, &good().signed()).await, Ok(json!("asha")));
    assert_eq!(
        user(&server, &good().audience(json!(["other", "chat"])).signed()).await,
        Ok(json!("asha"))
    );

    let part = |json: &str| BASE64_URL_SAFE_NO_PAD.encode(json);
    let (signer, whole) = (Signer::hs256(SECRET.as_bytes()), good().signed());
    let exp = now() + 600;
    let rest = format!(r#""exp":{exp},"iss":"https://issuer.example","aud":"colloquy""#);
    let header = r#"{"alg":"HS256"}"#;
    let hs512 = Signer::new(Algorithm::HS512, EncodingKey::from_secret(SECRET.as_bytes()));
    let unsigned = |algorithm: &str| good().header("alg", algorithm).with_signature("");
    for (what, token) in [
        ("no algorithm", unsigned("none")),
        ("no algorithm, in capitals", unsigned("NONE")),
        ("no algorithm, in both", unsigned("nOnE")),
        (
            "no algorithm, with a signature",
            good().header("alg", "none").with_signature("AAAA"),
        ),
        ("no signature", good().header("alg", "HS256").with_signature("")),
        ("another secret", good().sign(&Signer::hs256(&[7; 32]))),
        ("no secret", good().sign(&Signer::hs256(b""))),
        ("another algorithm of the same secret", good().sign(&hs512)),
        (
            "an algorithm that it was not signed by",
            good().header("alg", "RS256").signed(),
        ),
        ("another audience", good().audience("other").signed()),
        ("no audience", good().audience(Value::Null).signed()),
        ("another issuer", good().issuer("https://evil.example").signed()),
        (
            "an issuer that begins alike",
            good().issuer("https://issuer.example.evil").signed(),
        ),
        ("no issuer", good().claim("iss", Value::Null).signed()),
        ("expired", good().expires_in(-31).signed()),
        ("long expired", good().expires_in(-100_000).signed()),
        ("good for ever", good().claim("exp", Value::Null).signed()),
        (
            "good for longer than any",
            good().expires_in(500 * 86_400).signed(),
        ),
        ("an end that is text", good().claim("exp", "4102444800").signed()),
        ("not yet valid", good().begins_in(600).signed()),
        ("nobody", good().claim("sub", Value::Null).signed()),
        ("an empty user", good().claim("sub", "").signed()),
        (
            "a user that is an object",
            good().claim("sub", json!({})).signed(),
        ),
        ("a user that is a fraction", good().claim("sub", 1.5).signed()),
        (
            "a user that is too long",
            good().claim("sub", "x".repeat(256)).signed(),
        ),
        (
            "two users",
            sign_raw(
                header,
                &format!(r#"{{"sub":"asha","sub":"root",{rest}}}"#),
                &signer,
            ),
        ),
        (
            "two ends",
            sign_raw(header, &format!(r#"{{"exp":1,"sub":"asha",{rest}}}"#), &signer),
        ),
        (
            "two scopes",
            sign_raw(
                header,
                &format!(r#"{{"scope":"","scope":"chat:service","sub":"asha",{rest}}}"#),
                &signer,
            ),
        ),
        (
            "two algorithms",
            sign_raw(
                r#"{"alg":"none","alg":"HS256"}"#,
                &format!(r#"{{"sub":"asha",{rest}}}"#),
                &signer,
            ),
        ),
        ("claims that are a list", sign_raw(header, r#"["asha"]"#, &signer)),
        ("claims that are no JSON", sign_raw(header, "asha", &signer)),
        (
            "a header that is no JSON",
            sign_raw("HS256", &format!(r#"{{"sub":"asha",{rest}}}"#), &signer),
        ),
        (
            "an address of keys",
            good().header("jku", "https://evil.example/keys").signed(),
        ),
        (
            "an address of certificates",
            good().header("x5u", "https://evil.example").signed(),
        ),
        ("certificates", good().header("x5c", json!(["AAAA"])).signed()),
        (
            "a key",
            good()
                .header("jwk", json!({ "kty": "oct", "k": part(SECRET) }))
                .signed(),
        ),
        ("a demand", good().header("crit", json!(["exp"])).signed()),
        (
            "another kind of token",
            good().header("typ", "logout+jwt").signed(),
        ),
        ("huge", good().claim("padding", "x".repeat(9_000)).signed()),
        ("cut in its signature", whole[..whole.len() - 8].to_owned()),
        ("cut in its claims", whole[..whole.len() / 2].to_owned()),
        ("its header alone", whole.split('.').next().unwrap().to_owned()),
        (
            "without its signature",
            whole.rsplit_once('.').unwrap().0.to_owned(),
        ),
        ("with a part more", format!("{whole}.AAAA")),
        (
            "with other claims",
            good()
                .claim("sub", "root")
                .signed()
                .rsplit_once('.')
                .unwrap()
                .0
                .to_owned()
                + "."
                + whole.rsplit('.').next().unwrap(),
        ),
        ("dots", "..".to_owned()),
        ("nothing", String::new()),
        ("no token", "asha".to_owned()),
    ] {
        refuses(&server, what, &token).await;
    }
    // And the server is none the worse for it.
    assert_eq!(user(&server, &good().signed()).await, Ok(json!("asha")));
}

#[tokio::test]
async fn a_public_key_is_no_secret() {
    let scratch = Scratch::embedded().await;
    let folder = tempfile::tempdir().unwrap();
    for keys in [Keys::rs256(), Keys::es256(), Keys::eddsa()] {
        let file = folder.path().join("key.pem");
        let public = keys.public_pem();
        std::fs::write(&file, &public).unwrap();
        let server = Server::start_with(&scratch, &["--jwt-key-file", file.to_str().unwrap()]);
        let token = Token::of("asha");
        assert_eq!(
            user(&server, &token.sign(&keys.signer())).await,
            Ok(json!("asha"))
        );
        for secret in [public.as_str(), public.trim_end()] {
            refuses(
                &server,
                "the public key as a secret",
                &token.sign(&Signer::hs256(secret.as_bytes())),
            )
            .await;
        }
        for other in [Keys::rs256(), Keys::es256(), Keys::eddsa()] {
            refuses(&server, "somebody else's key", &token.sign(&other.signer())).await;
        }
    }
}

#[tokio::test]
async fn two_tokens_are_none() {
    let scratch = Scratch::embedded().await;
    let server = server(&scratch, &[]);
    let (asha, ravi) = (Token::of("asha").signed(), Token::of("ravi").signed());
    let request = reqwest::Client::new().post(server.at("/graphql"));
    let request = request.json(&json!({ "query": "{ viewer { userId } }" }));
    let response = request
        .bearer_auth(&asha)
        .bearer_auth(&ravi)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}
