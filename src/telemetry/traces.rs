//! Traces, sent to a collector by OTLP over HTTP, as protobuf.
//!
//! Spans wait in a queue of bounded length for a thread of their own; where it is full they are dropped, so a collector
//! that is slow or gone costs a request nothing. The variables of the environment that OpenTelemetry defines hold:
//! `OTEL_TRACES_SAMPLER`, `OTEL_BSP_…`, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SERVICE_NAME`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry::{Key, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::{Level, Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::registry::LookupSpan;

use super::spans::SOCKET;
use crate::config::OtlpEndpoint;

/// How long a collector may take to be connected to.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(2);
/// How long a collector may take for one batch.
const SEND_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long the end of the server waits for the last batch.
const END_WAIT_MAX: Duration = Duration::from_secs(3);
/// The most bytes of a collector's answer that are read: it has hardly anything to say.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Whether spans go to a collector in this process.
static IS_ON: AtomicBool = AtomicBool::new(false);

/// Why no traces can be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// There is no client for HTTP.
    #[error("no HTTP client for traces")]
    Client(#[source] reqwest::Error),
    /// The exporter cannot be set up.
    #[error("the exporter of traces cannot be set up")]
    Exporter(#[from] ExporterBuildError),
}

/// The way to a collector, for as long as this lives.
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Sends what is traced to a collector. Nothing is connected to yet. To be called within a Tokio runtime, which does
    /// the sending.
    pub fn to(endpoint: &OtlpEndpoint) -> Result<Self, TracesError> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_WAIT_MAX)
            .timeout(SEND_WAIT_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(TracesError::Client)?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(endpoint.traces())
            .with_timeout(SEND_WAIT_MAX)
            .with_http_client(Line {
                client,
                runtime: Handle::current(),
                is_broken: AtomicBool::new(false),
            })
            .build()?;
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource())
            .build();
        Ok(Self(provider))
    }

    /// What makes spans of a subscriber traces. Colloquy's own only, whatever the log shows.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        IS_ON.store(true, Ordering::Relaxed);
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer(env!("CARGO_PKG_NAME")))
            .with_context_activation(false)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_filter(FilterFn::new(is_traced).with_max_level_hint(Level::DEBUG))
    }

    /// Sends what still waits, for at most three seconds.
    pub async fn end(self) {
        let ended = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(END_WAIT_MAX)).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::warn!("the last traces were not taken");
        }
    }
}

/// Whether a span goes into a trace.
fn is_traced(span: &Metadata<'_>) -> bool {
    let is_ours = span.target().starts_with(env!("CARGO_PKG_NAME"));
    is_ours && *span.level() <= Level::DEBUG && span.name() != SOCKET
}

/// Who sends the traces: `colloquy`, unless the environment names it.
fn resource() -> Resource {
    let name = Key::from_static_str("service.name");
    let told = Resource::builder().build();
    let is_named = told
        .get(&name)
        .is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let builder =
        Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    match is_named {
        true => builder.build(),
        false => builder.with_service_name(env!("CARGO_PKG_NAME")).build(),
    }
}

/// Whether spans go to a collector: what only a trace needs is not made otherwise.
pub(super) fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// Makes a span part of the trace that `header` tells of, by W3C Trace Context. What is malformed begins a new one.
pub(super) fn continue_from<'a>(span: &Span, header: impl Fn(&str) -> Option<&'a str>) {
    let headers = Headers {
        traceparent: header("traceparent"),
        tracestate: header("tracestate"),
    };
    if headers.traceparent.is_some() {
        let parent = TraceContextPropagator::new().extract(&headers);
        // A span that nobody listens to has no parent either.
        let _ = span.set_parent(parent);
    }
}

/// The id of the trace that a span is part of.
pub(super) fn id_of(span: &Span) -> Option<String> {
    let context = span.context();
    let id = context.span().span_context().clone();
    id.is_valid().then(|| id.trace_id().to_string())
}

struct Headers<'a> {
    traceparent: Option<&'a str>,
    tracestate: Option<&'a str>,
}

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.traceparent,
            "tracestate" => self.tracestate,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

/// The HTTP client that the bots use too, on the server's own runtime: the exporter's thread has none.
#[derive(Debug)]
struct Line {
    client: reqwest::Client,
    runtime: Handle,
    /// Whether the last batch was not taken: said once, not for every batch.
    is_broken: AtomicBool,
}

#[async_trait]
impl HttpClient for Line {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request: reqwest::Request = request.try_into()?;
        let sent = self.runtime.spawn(send(self.client.clone(), request)).await?;
        let is_taken = sent.as_ref().is_ok_and(|answer| answer.status().is_success());
        match (is_taken, self.is_broken.swap(!is_taken, Ordering::Relaxed)) {
            // Without its words, which hold the address, and with it perhaps a key.
            (false, false) => {
                tracing::warn!("the collector does not take traces; they are dropped meanwhile")
            }
            (true, true) => tracing::info!("the collector takes traces again"),
            _ => {}
        }
        sent
    }
}

async fn send(client: reqwest::Client, request: reqwest::Request) -> Result<Response<Bytes>, HttpError> {
    let mut answer = client.execute(request).await?;
    let mut response = Response::builder().status(answer.status());
    if let Some(headers) = response.headers_mut() {
        // Among them how long to wait before the next try.
        std::mem::swap(headers, answer.headers_mut());
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err("the collector's answer is too long".into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(response.body(Bytes::from(body))?)
}
