//! The documented REST API, row by row.

mod chats;
mod client;
mod clients;
mod floods;
mod lists;
mod messages;
mod openapi;
mod refusals;
mod routes;
mod transcript;
mod two_ways;
