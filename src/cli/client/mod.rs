//! What every client in this program needs of a server: requests, subscriptions, errors, and the values of its schema.

mod error;
mod operations;
mod server;
mod socket;

pub use error::ClientError;
pub(in crate::cli) use operations::operations;
pub use operations::{DateTime, ReplyState, UserId};
pub use server::{Server, ServerError, patience};
pub use socket::Subscription;
