//! Who may do what, where tokens are asked for: every operation of every face, for every kind of caller.
//!
//! Each face has a table with a row for each of its operations and a cell for each caller. `rows.rs` holds the tables
//! to the schema, to the API's description and to the sources, so that an operation without a row fails. `cells.rs` asks for
//! every cell. `alike.rs` looks at what tables cannot say: that what is foreign looks like what is not there.

mod alike;
mod callers;
mod cells;
mod cursors;
mod faces;
mod guarded;
mod links;
mod rows;
mod users;
