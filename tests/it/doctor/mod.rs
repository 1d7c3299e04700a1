//! `colloquy doctor`, which looks at everything and changes nothing.

mod adoption;
mod checks;
mod indexes;
mod read_only;
mod report;
mod tokens;
