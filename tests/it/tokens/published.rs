//! Keys that an issuer publishes, changes, and does not always publish.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{ask, user};
use crate::support::issuer::{Issuer, Keys, Publishes};
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::tokens::{Signer, Token};

/// Longer than a request for keys may take, and how soon one follows another.
const ASK_MAX: Duration = Duration::from_secs(5);

fn server(scratch: &Scratch, issuer: &Issuer) -> Server {
    Server::start_with(scratch, &["--jwks-url", &issuer.url])
}

#[tokio::test]
async fn keys_of_every_kind_are_believed_and_a_new_one_as_soon_as_it_is_used() {
    let scratch = Scratch::embedded().await;
    let (rsa, ec, ed, next) = (Keys::rs256(), Keys::es256(), Keys::eddsa(), Keys::es256());
    let strange = json!({ "kty": "lattice", "kid": "d", "x": "AAAA" });
    let secret = json!({ "kty": "oct", "kid": "e", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" });
    let all = vec![
        rsa.published("a"),
        ec.published("b"),
        ed.published("c"),
        strange,
        secret,
    ];
    let issuer = Issuer::start(Publishes::Keys(all)).await;
    let server = server(&scratch, &issuer);
    let token = |id: &str, keys: &Keys| Token::of("asha").key_id(id).sign(&keys.signer());
    for (id, keys) in [("a", &rsa), ("b", &ec), ("c", &ed)] {
        assert_eq!(user(&server, &token(id, keys)).await, Ok(json!("asha")), "{id}");
    }
    // Of which key a token is need not be said.
    assert_eq!(
        user(&server, &Token::of("asha").sign(&ec.signer())).await,
        Ok(json!("asha"))
    );
    let asked = issuer.times_asked();

    // Another takes over, which is asked for at once.
    issuer.says(Publishes::Keys(vec![next.published("f")]));
    assert_eq!(user(&server, &token("f", &next)).await, Ok(json!("asha")));
    assert_eq!(issuer.times_asked(), asked + 1);
    assert_eq!(
        user(&server, &token("a", &rsa)).await,
        Err(StatusCode::UNAUTHORIZED)
    );

    // Names that nobody has are not asked for each time: anybody can write them.
    for (id, keys) in [("b", &ec), ("unknown", &next), ("e", &next), ("unknown too", &ed)] {
        assert_eq!(
            user(&server, &token(id, keys)).await,
            Err(StatusCode::UNAUTHORIZED),
            "{id}"
        );
    }
    let of_secret = Token::of("asha").key_id("e").sign(&Signer::hs256(&[0; 32]));
    assert_eq!(user(&server, &of_secret).await, Err(StatusCode::UNAUTHORIZED));
    assert_eq!(issuer.times_asked(), asked + 1);

    // Those that are known outlast their issuer.
    issuer.says(Publishes::Status(StatusCode::INTERNAL_SERVER_ERROR));
    assert_eq!(user(&server, &token("f", &next)).await, Ok(json!("asha")));
}

#[tokio::test]
async fn an_issuer_that_is_down_or_answers_nonsense_does_not_stop_the_server() {
    let scratch = Scratch::embedded().await;
    let keys = Keys::eddsa();
    let good = Publishes::Keys(vec![keys.published("a")]);
    let elsewhere = Issuer::start(good.clone()).await;
    let mut huge = br#"{"keys":[],"padding":""#.to_vec();
    huge.resize(64 * 1024 * 1024, b'x');
    for bad in [
        Publishes::Status(StatusCode::SERVICE_UNAVAILABLE),
        Publishes::Status(StatusCode::NOT_FOUND),
        Publishes::Bytes(b"<html>".to_vec()),
        Publishes::Bytes(br#"{"keys":{}}"#.to_vec()),
        Publishes::Bytes(huge),
        Publishes::Keys(Vec::new()),
        Publishes::Elsewhere(elsewhere.url.clone()),
    ] {
        let issuer = Issuer::start(bad).await;
        let server = server(&scratch, &issuer);
        issuer.asked(1).await;
        let response = ask(&server, &Token::of("asha").key_id("a").sign(&keys.signer())).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key("retry-after"));
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{body}");
        let health = reqwest::get(server.at("/health/ready")).await.unwrap();
        assert_eq!(health.status(), StatusCode::OK);
        // What is no token at all needs no key to be refused.
        assert_eq!(user(&server, "nonsense").await, Err(StatusCode::UNAUTHORIZED));
    }
    assert_eq!(elsewhere.times_asked(), 0);
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_is_waited_for_a_bounded_time_by_those_alone_who_need_it() {
    let scratch = Scratch::embedded().await;
    let keys = Keys::es256();
    let issuer = Issuer::start(Publishes::Nothing).await;
    let server = server(&scratch, &issuer);
    let token = Token::of("asha").key_id("a").sign(&keys.signer());
    let begun = Instant::now();
    let asking: Vec<_> = (0..20).map(|_| user(&server, &token)).collect();
    let asking = futures_util::future::join_all(asking);
    let others = async {
        issuer.asked(1).await;
        let health = reqwest::get(server.at("/health/ready")).await.unwrap();
        assert_eq!(health.status(), StatusCode::OK);
        begun.elapsed()
    };
    let (asked, others_took) = tokio::join!(asking, others);
    assert!(
        asked
            .iter()
            .all(|user| *user == Err(StatusCode::SERVICE_UNAVAILABLE)),
        "{asked:?}"
    );
    assert!(others_took < ASK_MAX, "{others_took:?}");
    assert!(begun.elapsed() < 3 * ASK_MAX, "{:?}", begun.elapsed());
    // One request answered them all, or two: one that was under way, and one after it.
    assert!(issuer.times_asked() <= 2, "{}", issuer.times_asked());

    issuer.says(Publishes::Keys(vec![keys.published("a")]));
    let deadline = Instant::now() + 3 * ASK_MAX;
    while user(&server, &token).await != Ok(json!("asha")) {
        assert!(Instant::now() < deadline, "it was never asked again");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
