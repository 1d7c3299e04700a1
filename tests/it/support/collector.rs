//! A collector of traces: it takes what OpenTelemetry's protocol sends over HTTP, and shows it.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Longer than any span waits to be sent.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A span as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// What it is called.
    pub name: String,
    /// The trace it is part of, in hexadecimal.
    pub trace: String,
    /// Its own id, in hexadecimal.
    pub id: String,
    /// The id of the span around it, in hexadecimal; empty if there is none.
    pub parent: String,
    /// What is known of it.
    pub attributes: BTreeMap<String, String>,
    /// What happened within it.
    pub events: Vec<String>,
    /// Nanoseconds since the Unix epoch.
    pub began: u64,
    /// Nanoseconds since the Unix epoch.
    pub ended: u64,
    /// Who sent it.
    pub service: String,
}

/// A running collector.
pub struct Collector {
    port: u16,
    spans: watch::Receiver<Vec<Span>>,
    serving: JoinHandle<()>,
}

impl Collector {
    /// Starts one.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, spans) = watch::channel(Vec::new());
        let routes = Router::new().route("/v1/traces", post(take)).with_state(tell);
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { port, spans, serving }
    }

    /// What `--otlp-endpoint` takes.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Waits until spans have come that are so, and shows all that have.
    pub async fn until(&self, is_so: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        let mut spans = self.spans.clone();
        let came = tokio::time::timeout(WAIT_MAX, spans.wait_for(|spans| is_so(spans))).await;
        match came {
            Ok(came) => came.unwrap().clone(),
            Err(_) => panic!("{:#?}", *self.spans.borrow()),
        }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(State(tell): State<watch::Sender<Vec<Span>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    for resource in request.resource_spans {
        let about = resource.resource.unwrap();
        let service = about
            .attributes
            .into_iter()
            .find(|attribute| attribute.key == "service.name");
        let service = text(service.unwrap().value.unwrap().value);
        let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        let spans: Vec<_> = spans
            .map(|span| Span {
                name: span.name,
                trace: hex::encode(span.trace_id),
                id: hex::encode(span.span_id),
                parent: hex::encode(span.parent_span_id),
                attributes: span
                    .attributes
                    .into_iter()
                    .map(|attribute| (attribute.key, text(attribute.value.unwrap().value)))
                    .collect(),
                events: span.events.into_iter().map(|event| event.name).collect(),
                began: span.start_time_unix_nano,
                ended: span.end_time_unix_nano,
                service: service.clone(),
            })
            .collect();
        tell.send_modify(|all| all.extend(spans));
    }
    StatusCode::OK
}

fn text(value: Option<Value>) -> String {
    match value {
        Some(Value::StringValue(text)) => text,
        other => format!("{other:?}"),
    }
}
