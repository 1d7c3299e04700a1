//! What both stores must do, declared once and run on each.

mod chats;
mod deletion;
mod durability;
mod feed;
mod leases;
mod messages;
mod pages;
mod replies;
mod search;
mod slices;
mod usage;
