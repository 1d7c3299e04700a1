//! What is true of MongoDB alone: the documented documents and indexes, and what a call costs the server.

mod bad_days;
mod commands;
mod cost;
mod deletions;
mod documents;
mod exchanges;
mod indexes;
mod lists_by_number;
mod old_documents;
mod operations;
mod plans;
mod recorder;
mod subscribers;
