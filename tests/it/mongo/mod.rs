//! What is true of MongoDB alone: the documented documents and indexes, and what a call costs the server.

mod bad_days;
mod commands;
mod documents;
mod indexes;
mod lists_by_number;
mod old_documents;
mod plans;
mod recorder;
mod subscribers;
