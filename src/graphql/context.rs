//! What every resolver of one request shares.

use std::sync::Arc;

use async_graphql::Context;
use async_graphql::dataloader::DataLoader;
use futures_util::future::BoxFuture;
use tracing::Instrument;

use super::loader::Loader;
use crate::domain::Viewer;
use crate::service::Service;

/// The service, the viewer, and this request's loaders.
pub struct RequestContext {
    /// The use cases.
    pub service: Arc<Service>,
    /// Whom the server takes the caller for.
    pub viewer: Viewer,
    /// Batches the reads of one request, for its viewer alone; remembers nothing.
    pub(super) loader: DataLoader<Loader>,
}

impl RequestContext {
    /// A context with loaders of its own.
    pub fn new(service: Arc<Service>, viewer: Viewer) -> Self {
        let loader = Loader {
            service: service.clone(),
            viewer: viewer.clone(),
        };
        Self {
            service,
            viewer,
            loader: DataLoader::new(loader, |load: BoxFuture<'static, ()>| {
                tokio::spawn(load.in_current_span())
            }),
        }
    }
}

/// The context of the request that a resolver serves.
pub(super) fn of<'a>(context: &Context<'a>) -> &'a RequestContext {
    // Every request passes through `Schema::prepare`, which puts it there.
    context.data_unchecked::<RequestContext>()
}
