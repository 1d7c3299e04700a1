//! What a process holds in memory, as the kernel counts it.

use std::process::Child;

/// What it holds now, in MiB.
pub fn held_mib(process: &Child) -> u64 {
    mib(process, "VmRSS:")
}

/// The most that it has held, in MiB.
pub fn peak_mib(process: &Child) -> u64 {
    mib(process, "VmHWM:")
}

fn mib(process: &Child, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}
