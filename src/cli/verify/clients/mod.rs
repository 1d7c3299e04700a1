//! The clients of the trial. They do what the documents tell clients to do, and note what they see.

pub mod abuser;
mod abuses;
pub mod chat_follower;
pub mod deleter;
pub mod frames;
pub mod pulse;
pub mod reply_follower;
pub mod staller;
pub mod stopper;
pub mod writer;
