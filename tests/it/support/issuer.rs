//! An issuer of tokens: its keys, and where it publishes them, well or badly.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::tokens::Signer;

/// A pair of keys that were made for this test.
pub struct Keys {
    algorithm: Algorithm,
    pair: KeyPair,
}

impl Keys {
    /// For RS256, of 2048 bits.
    pub fn rs256() -> Self {
        Self::of(
            Algorithm::RS256,
            KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap(),
        )
    }

    /// For ES256.
    pub fn es256() -> Self {
        Self::of(
            Algorithm::ES256,
            KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(),
        )
    }

    /// For EdDSA.
    pub fn eddsa() -> Self {
        Self::of(Algorithm::EdDSA, KeyPair::generate_for(&PKCS_ED25519).unwrap())
    }

    fn of(algorithm: Algorithm, pair: KeyPair) -> Self {
        Self { algorithm, pair }
    }

    /// What signs with the private key.
    pub fn signer(&self) -> Signer {
        Signer::new(self.algorithm, self.private())
    }

    /// The public key in PEM.
    pub fn public_pem(&self) -> String {
        self.pair.public_key_pem()
    }

    /// The private key in PEM.
    pub fn private_pem(&self) -> String {
        self.pair.serialize_pem()
    }

    /// The public key as it is published, under a name.
    pub fn published(&self, id: &str) -> Value {
        if self.algorithm == Algorithm::EdDSA {
            // The library makes none of a key in the form that this one has.
            let point = URL_SAFE_NO_PAD.encode(self.pair.public_key_raw());
            return json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": point });
        }
        let mut key = Jwk::from_encoding_key(&self.private(), self.algorithm).unwrap();
        key.common.key_id = Some(id.to_owned());
        serde_json::to_value(key).unwrap()
    }

    fn private(&self) -> EncodingKey {
        let pem = self.pair.serialize_pem();
        match self.algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_pem(pem.as_bytes()),
            Algorithm::ES256 => EncodingKey::from_ec_pem(pem.as_bytes()),
            _ => EncodingKey::from_ed_pem(pem.as_bytes()),
        }
        .unwrap()
    }
}

/// What an issuer answers who is asked for its keys.
#[derive(Clone)]
pub enum Publishes {
    /// These keys.
    Keys(Vec<Value>),
    /// This status.
    Status(StatusCode),
    /// These bytes.
    Bytes(Vec<u8>),
    /// That they are at another address.
    Elsewhere(String),
    /// Nothing, without end.
    Nothing,
}

/// A place where keys are published.
pub struct Issuer {
    /// Where.
    pub url: String,
    says: watch::Sender<Publishes>,
    asked: watch::Receiver<usize>,
    serving: JoinHandle<()>,
}

impl Issuer {
    /// An issuer that says this until it is told otherwise.
    pub async fn start(says: Publishes) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let (says, asked) = (watch::Sender::new(says), watch::Sender::new(0));
        let routes = Router::new().route("/keys", get(answer));
        let routes = routes.with_state((says.subscribe(), asked.clone()));
        Self {
            url,
            says,
            asked: asked.subscribe(),
            serving: tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() }),
        }
    }

    /// Says something else from now on.
    pub fn says(&self, says: Publishes) {
        self.says.send_replace(says);
    }

    /// How often it was asked so far.
    pub fn times_asked(&self) -> usize {
        *self.asked.borrow()
    }

    /// Waits until it was asked so often.
    pub async fn asked(&self, times: usize) {
        let mut asked = self.asked.clone();
        let waited = tokio::time::timeout(Duration::from_secs(30), asked.wait_for(|asked| *asked >= times));
        waited.await.expect("nobody asked").unwrap();
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State((says, asked)): State<(watch::Receiver<Publishes>, watch::Sender<usize>)>) -> Response {
    asked.send_modify(|asked| *asked += 1);
    let says = says.borrow().clone();
    match says {
        Publishes::Keys(keys) => axum::Json(json!({ "keys": keys })).into_response(),
        Publishes::Status(status) => status.into_response(),
        Publishes::Bytes(bytes) => bytes.into_response(),
        Publishes::Elsewhere(url) => Redirect::temporary(&url).into_response(),
        Publishes::Nothing => std::future::pending().await,
    }
}
