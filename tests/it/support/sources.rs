//! The crate's own source files.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file, with the path of its module.
pub struct Source {
    /// Where it is.
    pub file: PathBuf,
    /// The names of its module, from the crate's root; none for the root itself.
    pub module: Vec<String>,
    /// What it says.
    pub text: String,
}

/// Every source file of the crate.
pub fn sources() -> Vec<Source> {
    sources_below("src")
}

/// Every source file below a folder of the repository.
pub fn sources_below(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let file = entry.unwrap().path();
            if file.is_dir() {
                folders.push(file);
            } else if file.extension().is_some_and(|extension| extension == "rs") {
                let relative = file.strip_prefix(&root).unwrap().with_extension("");
                let mut module: Vec<_> = relative
                    .iter()
                    .map(|name| name.to_str().unwrap().to_owned())
                    .collect();
                module.retain(|name| !["mod", "lib", "main"].contains(&name.as_str()));
                let text = fs::read_to_string(&file).unwrap();
                sources.push(Source { file, module, text });
            }
        }
    }
    sources
}
