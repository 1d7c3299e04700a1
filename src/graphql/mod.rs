//! The GraphQL schema over the service, and the guard in front of it.

pub mod context;
pub mod documents;
mod error;
pub mod guard;
mod loader;
mod loads;
mod mutation;
mod object;
mod parsed;
mod query;
mod request;
mod scalar;
mod subscription;
pub mod ws;

use std::collections::HashSet;
use std::panic::resume_unwind;
use std::sync::Arc;

use async_graphql::parser::types::{ExecutableDocument, OperationType, Selection};
use async_graphql::{Request, Response, ServerError, Value};
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::OwnedSemaphorePermit;
use tracing::{Instrument, Span};

use crate::config::{Limits, TrustedDocuments, TrustedDocumentsError};
use crate::domain::Viewer;
use crate::service::Service;
use crate::telemetry::spans;

use context::RequestContext;
use documents::Documents;
use loads::Loads;
use mutation::Mutation;
use parsed::ParsedDocuments;
use query::Query;
use subscription::Subscription;

use error::with_codes;

pub use error::{Error, count, refusal, with_code};
pub use request::GraphqlRequest;

/// The mutations that begin a reply.
const BEGIN_REPLIES: [&str; 2] = ["sendMessage", "regenerateReply"];

type AsyncGraphqlSchema = async_graphql::Schema<Query, Mutation, Subscription>;

/// The executable schema. Cheap to clone.
#[derive(Clone)]
pub struct Schema {
    schema: AsyncGraphqlSchema,
    service: Arc<Service>,
    documents: Documents,
    parsed: ParsedDocuments,
    /// The schema's own names: the only ones that the log repeats.
    names: Arc<HashSet<String>>,
}

impl Schema {
    /// The schema over `service`, bounded by its limits. Where there are trusted documents, nothing else runs; each of
    /// them is tried first.
    pub fn new(
        service: Arc<Service>,
        trusted: Option<Arc<TrustedDocuments>>,
    ) -> Result<Self, TrustedDocumentsError> {
        for (id, text) in trusted.iter().flat_map(|trusted| trusted.iter()) {
            guard::parse(text, service.limits()).map_err(|refusal| TrustedDocumentsError::Unrunnable {
                id: id.to_owned(),
                reason: ServerError::from(refusal).message,
            })?;
        }
        let schema = build(service.limits());
        Ok(Self {
            names: Arc::new(schema.names().into_iter().collect()),
            schema,
            service,
            documents: Documents::new(trusted),
            parsed: ParsedDocuments::new(),
        })
    }

    /// The use cases.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The bounds on what callers may ask for.
    pub fn limits(&self) -> &Limits {
        self.service.limits()
    }

    /// Finds, parses and bounds the document of a request, once, before anything else looks at it; or the response that
    /// refuses it.
    pub fn prepare(&self, request: GraphqlRequest) -> Result<Prepared, Box<Response>> {
        let limits = self.service.limits();
        if let Some(variables) = &request.variables {
            guard::check_nesting(variables, limits).map_err(refused)?;
        }
        let text = self.documents.find(&request).map_err(refused)?;
        let request = request.of(&text);
        let document = self.parsed.parse(text, limits).map_err(refused)?;
        Ok(Prepared {
            request,
            document,
            permit: None,
        })
    }

    /// Executes a query or mutation.
    pub async fn execute(&self, prepared: Prepared, viewer: Viewer) -> Response {
        let span = self.span(&prepared);
        let loads = Loads::default();
        match self.complete(prepared, viewer, &loads) {
            Ok(request) => with_codes(loads.run(self.schema.execute(request)).instrument(span).await),
            Err(refused) => *refused,
        }
    }

    /// Executes any operation as a stream of responses; a query or mutation gives one. A mutation begins at once, so
    /// whoever may still refuse the request does that before.
    pub fn execute_stream(&self, prepared: Prepared, viewer: Viewer) -> BoxStream<'static, Response> {
        if prepared.can_be(OperationType::Mutation) {
            return self.execute_to_its_end(prepared, viewer);
        }
        let is_subscription = prepared.can_be(OperationType::Subscription);
        let span = self.span(&prepared);
        let loads = Loads::default();
        match self.complete(prepared, viewer, &loads) {
            Ok(request) => {
                let responses = loads.run_stream(self.schema.execute_stream(request));
                let responses = spans::within(span, responses).map(with_codes);
                match is_subscription {
                    true => responses.enumerate().map(of_source).boxed(),
                    false => responses.boxed(),
                }
            }
            Err(refused) => only(*refused),
        }
    }

    /// Executes a mutation on a task of its own, so that it runs to its end, whether or not its client waits. The service
    /// finishes each change that began; this task also runs the root fields after it, and holds the permit until then.
    fn execute_to_its_end(&self, mut prepared: Prepared, viewer: Viewer) -> BoxStream<'static, Response> {
        let schema = self.clone();
        let permit = prepared.permit.take();
        let execution = async move {
            let response = schema.execute(prepared, viewer).await;
            drop(permit);
            response
        };
        let execution = tokio::spawn(execution.in_current_span());
        stream::once(async move {
            match execution.await {
                Ok(response) => response,
                // As where it runs on the caller's own task; this one is never aborted.
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => resume_unwind(panic),
                    Err(_) => *refused(ServerError::new("Something went wrong.", None)),
                },
            }
        })
        .boxed()
    }

    /// The span of an operation.
    fn span(&self, prepared: &Prepared) -> Span {
        let name = prepared.request.operation_name.as_deref();
        let operation = guard::operations(&prepared.document, name).next();
        let kind = match operation.map(|operation| operation.ty) {
            Some(OperationType::Mutation) => "mutation",
            Some(OperationType::Subscription) => "subscription",
            Some(OperationType::Query) | None => "query",
        };
        let first = operation.and_then(|operation| operation.selection_set.node.items.first());
        let field = match first.map(|selection| &selection.node) {
            Some(Selection::Field(field)) => Some(field.node.name.node.as_str()),
            _ => None,
        };
        // Not validated yet: it may be anything.
        spans::operation(kind, field.filter(|field| self.names.contains(*field)))
    }

    /// What the executor needs: values for all variables, and loaders of the request's own.
    fn complete(&self, prepared: Prepared, viewer: Viewer, loads: &Loads) -> Result<Request, Box<Response>> {
        let Prepared {
            mut request,
            document,
            ..
        } = prepared;
        guard::check_variables(&document, &request).map_err(refused)?;
        request.set_parsed_query(Arc::unwrap_or_clone(document));
        Ok(request.data(RequestContext::new(self.service.clone(), viewer, loads.clone())))
    }
}

/// A request whose document was parsed and found harmless.
pub struct Prepared {
    request: Request,
    document: Arc<ExecutableDocument>,
    permit: Option<Arc<OwnedSemaphorePermit>>,
}

impl Prepared {
    /// The same, within a bound on what its client may have under way. A mutation keeps the permit until it is done, also
    /// where the client no longer waits for it.
    fn within(self, permit: Arc<OwnedSemaphorePermit>) -> Self {
        Self {
            permit: Some(permit),
            ..self
        }
    }

    /// Whether an operation that the request can mean is of this type.
    pub fn can_be(&self, kind: OperationType) -> bool {
        let name = self.request.operation_name.as_deref();
        guard::operations(&self.document, name).any(|operation| operation.ty == kind)
    }

    /// Whether one root field is all that it has, so that nothing was done if that failed.
    pub fn is_one_field(&self) -> bool {
        let name = self.request.operation_name.as_deref();
        guard::operations(&self.document, name).all(|operation| {
            let items = operation.selection_set.node.items.as_slice();
            matches!(items, [only] if matches!(only.node, Selection::Field(_)))
        })
    }

    /// Whether it can begin a reply.
    pub fn can_ask_the_bot(&self) -> bool {
        let name = self.request.operation_name.as_deref();
        guard::operations(&self.document, name).any(|operation| {
            operation.ty == OperationType::Mutation
                && guard::selects(&self.document, &operation.selection_set.node, &BEGIN_REPLIES)
        })
    }
}

/// The stream of one response.
pub fn only(response: Response) -> BoxStream<'static, Response> {
    futures_util::stream::iter([response]).boxed()
}

/// Whether nothing was executed: the errors are about the request, not about a field.
pub fn is_request_error(response: &Response) -> bool {
    !response.errors.is_empty()
        && response.data == Value::Null
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// A source stream that cannot be made is an error of the request, by the specification: no field is to blame.
fn of_source((nth, mut response): (usize, Response)) -> Response {
    if nth == 0 && response.data == Value::Null {
        response.errors.iter_mut().for_each(|error| error.path.clear());
    }
    response
}

/// The response that refuses a whole request.
fn refused(refusal: impl Into<ServerError>) -> Box<Response> {
    let response = Response::from_errors(vec![refusal.into()]);
    count(&response.errors);
    Box::new(response)
}

fn build(limits: &Limits) -> AsyncGraphqlSchema {
    let mut schema = async_graphql::Schema::build(Query, Mutation::default(), Subscription)
        .limit_depth(limits.depth_max)
        .limit_complexity(limits.complexity_max)
        .limit_directives(limits.directives_max);
    if !limits.has_suggestions {
        schema = schema.disable_suggestions();
    }
    schema.finish()
}

/// The schema in the schema definition language, as `schema.graphql` holds it.
pub fn sdl() -> String {
    let options = async_graphql::SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items();
    build(&Limits::default()).sdl_with_options(options)
}
