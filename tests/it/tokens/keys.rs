//! Keys that the server is given at its start.

use reqwest::StatusCode;
use serde_json::json;

use super::user;
use crate::support::issuer::Keys;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::tokens::{SECRET, SERVICE_SCOPE, Signer, Token};

/// A secret that comes after [`SECRET`].
const NEXT: &str = "the secret that shall take over from the other one";

#[tokio::test]
async fn a_secret_takes_over_from_another_while_both_are_good() {
    let scratch = Scratch::embedded().await;
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    // Editors end a file with a line break, which is no part of the secret.
    std::fs::write(&old, format!("{SECRET}\n")).unwrap();
    std::fs::write(&new, NEXT).unwrap();
    let files = format!("{},{}", old.display(), new.display());
    let server = Server::start_with(&scratch, &["--jwt-key-file", &files]);
    let token = Token::of("asha");
    assert_eq!(user(&server, &token.signed()).await, Ok(json!("asha")));
    assert_eq!(
        user(&server, &token.sign(&Signer::hs256(NEXT.as_bytes()))).await,
        Ok(json!("asha"))
    );
}

#[tokio::test]
async fn a_secret_can_be_in_a_file_that_a_variable_names() {
    let scratch = Scratch::embedded().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, SECRET).unwrap();
    let variables = [("COLLOQUY_JWT_SECRET_FILE", file.to_str().unwrap())];
    let server = Server::start_in(&scratch, &[], &variables);
    assert_eq!(
        user(&server, &Token::of("asha").signed()).await,
        Ok(json!("asha"))
    );
    assert_eq!(user(&server, "").await, Err(StatusCode::UNAUTHORIZED));
}

#[tokio::test]
async fn the_user_is_what_the_configured_claim_says() {
    let scratch = Scratch::embedded().await;
    let arguments = ["--jwt-user-claim", "uid", "--jwt-integer-users"];
    let server = super::server(&scratch, &arguments);
    for (claim, expected) in [
        (json!("asha"), json!("asha")),
        (json!(7), json!(7)),
        (json!("7"), json!(7)),
        (json!("-7"), json!(-7)),
        // Another writing of a number is a name like any other.
        (json!("007"), json!("007")),
        (json!("9223372036854775808"), json!("9223372036854775808")),
    ] {
        let token = Token::of("somebody").claim("uid", claim.clone());
        assert_eq!(user(&server, &token.signed()).await, Ok(expected), "{claim}");
    }
    assert_eq!(
        user(&server, &Token::of("asha").signed()).await,
        Err(StatusCode::UNAUTHORIZED)
    );
}

#[tokio::test]
async fn a_service_is_one_by_its_scope_and_not_by_one_that_is_alike() {
    let scratch = Scratch::embedded().await;
    let server = super::server(&scratch, &[]);
    for (scope, is_service) in [
        (json!(SERVICE_SCOPE), true),
        (json!(format!("openid {SERVICE_SCOPE} email")), true),
        (json!(["openid", SERVICE_SCOPE]), true),
        (json!("chat:services"), false),
        (json!("xchat:service"), false),
        (json!("CHAT:SERVICE"), false),
        (json!([["chat:service"]]), false),
        (json!({ "chat:service": true }), false),
        (json!(null), false),
    ] {
        let token = Token::of("asha").scope(scope.clone()).signed();
        let request = reqwest::Client::new().post(server.at("/graphql"));
        let request = request.json(&json!({ "query": "{ viewer { isService isAnonymous } }" }));
        let answer: serde_json::Value = request
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let expected = json!({ "isService": is_service, "isAnonymous": false });
        assert_eq!(answer["data"]["viewer"], expected, "{scope}");
    }
}

#[tokio::test]
async fn the_private_key_of_an_issuer_is_not_taken() {
    let scratch = Scratch::embedded().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pem");
    std::fs::write(&file, Keys::es256().private_pem()).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_colloquy"))
        .args([
            "--jwt-key-file",
            file.to_str().unwrap(),
            "--listen",
            "127.0.0.1:0",
        ])
        .args(["--store", &scratch.address()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("private key") && !said.contains("BEGIN"), "{said}");
}
