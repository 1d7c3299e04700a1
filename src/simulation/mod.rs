//! Several servers in one process, in virtual time, on one thread, with everything random drawn from one seed; and
//! judges who hold what happened to the promises. `docs/simulation.md` says how to use it.
//!
//! Read in this order: `plan` (what shall happen), `world` (servers, clocks, chance), `recorded`, `proxy` and
//! `fleet_feed` (what goes wrong between the parts), `trouble` (what happens to servers), `bot`, `clients` and
//! `followers` (who asks and reads), `history` (what happened), `judge` (what must hold), `run`.

mod bot;
mod clients;
mod fault;
mod fleet_feed;
mod followers;
mod history;
mod judge;
mod plan;
mod proxy;
mod recorded;
mod run;
mod tests;
mod trouble;
mod world;
