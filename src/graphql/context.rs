//! What every resolver of one request shares.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::Context;
use async_graphql::dataloader::DataLoader;

use super::loader::Loader;
use super::loads::Loads;
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
    /// A context with loaders of its own, which ask `loads` for what they need.
    pub fn new(service: Arc<Service>, viewer: Viewer, loads: Loads) -> Self {
        let loader = Loader {
            service: service.clone(),
            viewer: viewer.clone(),
        };
        Self {
            service,
            viewer,
            loader: DataLoader::new(loader, move |load| loads.add(load)).delay(Duration::ZERO),
        }
    }
}

/// The context of the request that a resolver serves.
pub(super) fn of<'a>(context: &Context<'a>) -> &'a RequestContext {
    // Every request passes through `Schema::prepare`, which puts it there.
    context.data_unchecked::<RequestContext>()
}
