//! The `colloquy` program: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    colloquy::cli::main()
}
