//! One request, made over and over: as fast as it is answered, and at moments that do not wait for the answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::process::Process;

/// Connections that take turns with calls that come at their own moments.
const OPEN_CONNECTIONS: usize = 64;

/// A request, or several that take turns, and what the answer must be.
#[derive(Clone)]
pub struct Call {
    address: String,
    /// Each a path and, of a POST, a body.
    variants: Arc<[(String, Option<Bytes>)]>,
    made: Arc<AtomicUsize>,
    /// Bytes of an answer that is no refusal; 0 until the first is there.
    length: usize,
}

impl Call {
    /// A GET.
    pub fn get(of: &Process, path: &str) -> Self {
        Self::of(of, [(path.to_owned(), None)].into())
    }

    /// A POST of some JSON.
    pub fn post(of: &Process, path: &str, body: &Value) -> Self {
        Self::posts(of, [(path.to_owned(), body.clone())])
    }

    /// POSTs that take turns.
    pub fn posts(of: &Process, variants: impl IntoIterator<Item = (String, Value)>) -> Self {
        let variants = variants.into_iter();
        Self::of(
            of,
            variants
                .map(|(path, body)| (path, Some(body.to_string().into())))
                .collect(),
        )
    }

    fn of(process: &Process, variants: Arc<[(String, Option<Bytes>)]>) -> Self {
        Self {
            address: process.address.clone(),
            variants,
            made: Arc::default(),
            length: 0,
        }
    }

    /// The answer, once, as JSON. From then on every other must be about as long.
    pub async fn first(&mut self) -> Value {
        let answer = self.make(&mut self.connect().await).await;
        self.length = answer.len();
        serde_json::from_slice(&answer).unwrap()
    }

    /// Makes it once.
    pub async fn answered(&self) {
        self.make(&mut self.connect().await).await;
    }

    /// Makes it over and over on so many connections, each as soon as its last was answered: how many were.
    pub async fn as_fast_as_answered(&self, connections: usize, time: Duration) -> u64 {
        let until = Instant::now() + time;
        let mut callers = JoinSet::new();
        for _ in 0..connections {
            let call = self.clone();
            callers.spawn(async move {
                let mut connection = call.connect().await;
                let mut answered = 0;
                while Instant::now() < until {
                    call.checked(&mut connection).await;
                    answered += 1;
                }
                answered
            });
        }
        callers.join_all().await.into_iter().sum()
    }

    /// Makes it at random moments, so many a second, whether or not earlier ones were answered, as users do who know
    /// nothing of each other: how long after its moment each was answered.
    pub async fn at_its_moments(&self, per_second: f64, time: Duration) -> Vec<Duration> {
        let (tell, moments) = mpsc::unbounded_channel();
        let moments = Arc::new(Mutex::new(moments));
        let mut callers = JoinSet::new();
        for _ in 0..OPEN_CONNECTIONS {
            let (call, moments) = (self.clone(), moments.clone());
            let mut connection = call.connect().await;
            callers.spawn(async move {
                let mut took = Vec::new();
                loop {
                    let moment: Option<Instant> = moments.lock().await.recv().await;
                    let Some(moment) = moment else { return took };
                    call.checked(&mut connection).await;
                    took.push(moment.elapsed());
                }
            });
        }
        // A thread of its own: the runtime's timers have milliseconds.
        std::thread::spawn(move || {
            let mut moment = Instant::now();
            let until = moment + time;
            while moment < until {
                std::thread::sleep(moment.saturating_duration_since(Instant::now()));
                if tell.send(moment).is_err() {
                    return;
                }
                moment += Duration::from_secs_f64(-(1.0 - fastrand::f64()).ln() / per_second);
            }
        });
        callers.join_all().await.concat()
    }

    async fn checked(&self, connection: &mut SendRequest<Full<Bytes>>) {
        let answer = self.make(connection).await;
        let is_alike = answer.len().abs_diff(self.length) <= self.length / 10;
        assert!(is_alike, "{}", String::from_utf8_lossy(&answer));
    }

    async fn make(&self, connection: &mut SendRequest<Full<Bytes>>) -> Bytes {
        let nth = self.made.fetch_add(1, Ordering::Relaxed) % self.variants.len();
        let (path, body) = &self.variants[nth];
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.address)
            .header("content-type", "application/json")
            .body(Full::new(body.clone().unwrap_or_default()))
            .unwrap();
        connection.ready().await.unwrap();
        let answer = connection.send_request(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        body
    }

    async fn connect(&self) -> SendRequest<Full<Bytes>> {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    }
}
