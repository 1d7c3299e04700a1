//! What the tests share.

pub mod collector;
pub mod cutter;
pub mod documented;
pub mod figures;
pub mod follow;
pub mod house;
pub mod issuer;
pub mod llama;
pub mod loopback;
pub mod make;
pub mod mongod;
pub mod mt;
pub mod nginx;
pub mod operation;
pub mod pages;
pub mod parts;
pub mod program;
pub mod random;
pub mod redis;
pub mod replica_set;
pub mod scratch;
pub mod server;
pub mod socket;
pub mod sources;
pub mod tokens;
pub mod upstream;
