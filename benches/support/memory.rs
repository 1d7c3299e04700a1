//! What a process holds in memory, as the kernel counts it.

use std::process::Child;

/// Memory of a process, in MiB.
#[derive(Clone, Copy, Default)]
pub struct Held {
    /// Its own: nobody can take it back. That it is flat is the promise.
    pub own: u64,
    /// Pages of files that it has mapped, such as those of the database. They are the kernel's cache, which takes them
    /// back when memory is short, and the kernel counts them once for each mapping.
    pub mapped: u64,
}

impl Held {
    /// What the process holds now.
    pub fn by(process: &Child) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
        };
        Self {
            own: mib("RssAnon:"),
            mapped: mib("RssFile:"),
        }
    }

    /// The greater of each.
    pub fn max(self, other: Self) -> Self {
        Self {
            own: self.own.max(other.own),
            mapped: self.mapped.max(other.mapped),
        }
    }
}
