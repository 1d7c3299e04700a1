//! The GraphQL schema over the service, and the guard in front of it.

pub mod context;
mod error;
pub mod guard;
mod loader;
mod mutation;
mod object;
mod query;
mod request;
mod scalar;
mod subscription;
pub mod ws;

use std::sync::Arc;

use async_graphql::parser::types::{ExecutableDocument, OperationType};
use async_graphql::{Request, Response};
use futures_util::stream::{BoxStream, StreamExt};

use crate::config::Limits;
use crate::domain::Viewer;
use crate::service::Service;

use context::RequestContext;
use mutation::Mutation;
use query::Query;
use subscription::Subscription;

use error::with_codes;

pub use error::Error;
pub use request::GraphqlRequest;

type AsyncGraphqlSchema = async_graphql::Schema<Query, Mutation, Subscription>;

/// The executable schema. Cheap to clone.
#[derive(Clone)]
pub struct Schema {
    schema: AsyncGraphqlSchema,
    service: Arc<Service>,
}

impl Schema {
    /// The schema over `service`, bounded by its limits.
    pub fn new(service: Arc<Service>) -> Self {
        Self {
            schema: build(service.limits()),
            service,
        }
    }

    /// The bounds on what callers may ask for.
    pub fn limits(&self) -> &Limits {
        self.service.limits()
    }

    /// Parses and bounds a request, once, before anything else looks at it; or the response that refuses it.
    pub fn prepare(&self, request: Request) -> Result<Prepared, Box<Response>> {
        match guard::parse(&request.query, self.service.limits()) {
            Ok(document) => Ok(Prepared { request, document }),
            Err(refusal) => Err(refused(refusal)),
        }
    }

    /// Executes a query or mutation.
    pub async fn execute(&self, prepared: Prepared, viewer: Viewer) -> Response {
        match self.complete(prepared, viewer) {
            Ok(request) => with_codes(self.schema.execute(request).await),
            Err(refused) => *refused,
        }
    }

    /// Executes any operation as a stream of responses; a query or mutation gives one.
    pub fn execute_stream(&self, prepared: Prepared, viewer: Viewer) -> BoxStream<'static, Response> {
        match self.complete(prepared, viewer) {
            Ok(request) => self.schema.execute_stream(request).map(with_codes).boxed(),
            Err(refused) => only(*refused),
        }
    }

    /// What the executor needs: values for all variables, and loaders of the request's own.
    fn complete(&self, prepared: Prepared, viewer: Viewer) -> Result<Request, Box<Response>> {
        let Prepared {
            mut request,
            document,
        } = prepared;
        guard::check_variables(&document, &request).map_err(refused)?;
        request.set_parsed_query(document);
        Ok(request.data(RequestContext::new(self.service.clone(), viewer)))
    }
}

/// A request whose document was parsed and found harmless.
pub struct Prepared {
    request: Request,
    document: ExecutableDocument,
}

impl Prepared {
    /// Whether an operation that the request can mean is of this type.
    pub fn can_be(&self, kind: OperationType) -> bool {
        let name = self.request.operation_name.as_deref();
        guard::operations(&self.document, name).any(|operation| operation.ty == kind)
    }
}

/// The stream of one response.
pub fn only(response: Response) -> BoxStream<'static, Response> {
    futures_util::stream::iter([response]).boxed()
}

fn refused(refusal: guard::Refusal) -> Box<Response> {
    Box::new(Response::from_errors(vec![refusal.into()]))
}

fn build(limits: &Limits) -> AsyncGraphqlSchema {
    async_graphql::Schema::build(Query, Mutation::default(), Subscription)
        .limit_depth(limits.depth_max)
        .limit_complexity(limits.complexity_max)
        .limit_directives(limits.directives_max)
        .finish()
}

/// The schema in the schema definition language, as `schema.graphql` holds it.
pub fn sdl() -> String {
    let options = async_graphql::SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items();
    build(&Limits::default()).sdl_with_options(options)
}
