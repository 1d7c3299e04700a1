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

use async_graphql::{Request, Response};
use futures_util::stream::{BoxStream, StreamExt};

use crate::config::Limits;
use crate::domain::Viewer;
use crate::service::Service;

use context::RequestContext;
use mutation::Mutation;
use query::Query;
use subscription::Subscription;

pub use error::{Error, with_codes};
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

    /// Executes a query or mutation.
    pub async fn execute(&self, request: Request, viewer: Viewer) -> Response {
        match self.prepare(request, viewer) {
            Ok(request) => with_codes(self.schema.execute(request).await),
            Err(refused) => *refused,
        }
    }

    /// Executes any operation as a stream of responses; a query or mutation gives one.
    pub fn execute_stream(&self, request: Request, viewer: Viewer) -> BoxStream<'static, Response> {
        match self.prepare(request, viewer) {
            Ok(request) => self.schema.execute_stream(request).map(with_codes).boxed(),
            Err(refused) => futures_util::stream::iter([*refused]).boxed(),
        }
    }

    /// Parses and bounds a request before the executor sees it, and gives it its own loaders.
    fn prepare(&self, request: Request, viewer: Viewer) -> Result<Request, Box<Response>> {
        let mut request = request;
        let document = guard::parse(&request.query, self.service.limits());
        let document = document
            .and_then(|document| guard::check_variables(&document, &request).map(|()| document))
            .map_err(|refusal| Box::new(Response::from_errors(vec![refusal.into()])))?;
        request.set_parsed_query(document);
        Ok(request.data(RequestContext::new(self.service.clone(), viewer)))
    }
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
