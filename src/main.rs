//! The `colloquy` program: parse, run, exit code.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Replies and answers are made of very many short-lived small pieces: docs/performance.md has what this gives.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    colloquy::cli::main()
}
