//! What operators see of a server: figures, log lines, traces, health, and the files in `ops` that make something of
//! them.

mod figures;
mod health;
mod leavers;
mod log;
mod pages;
mod secrets;
mod traces;
