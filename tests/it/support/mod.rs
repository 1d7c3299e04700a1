//! What the tests share.

pub mod documented;
pub mod follow;
pub mod llama;
pub mod make;
pub mod mongod;
pub mod mt;
pub mod scratch;
pub mod server;
pub mod socket;
pub mod sources;
pub mod upstream;
