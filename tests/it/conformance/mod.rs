//! What both stores must do, declared once and run on each.

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
mod replies;
mod search;
mod slices;
mod usage;
