//! What the tests share.

pub mod cutter;
pub mod follow;
pub mod house;
pub mod llama;
pub mod make;
pub mod mt;
pub mod random;
pub mod scratch;
pub mod server;
pub mod socket;
pub mod sources;
pub mod upstream;
