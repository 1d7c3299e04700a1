//! What every store must do, declared once and run on each.

mod chats;
mod counts;
mod deletion;
mod durability;
mod exchange;
mod feed;
mod leases;
mod messages;
mod order;
mod pages;
mod random_calls;
mod replies;
mod revocations;
mod search;
mod slices;
mod usage;
