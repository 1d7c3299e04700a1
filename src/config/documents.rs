//! Trusted documents: the only ones that run, where they are given.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The documents that may run, by the ids that clients name them by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedDocuments {
    by_id: HashMap<String, Arc<str>>,
    texts: HashSet<Arc<str>>,
}

/// Why trusted documents cannot be had.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustedDocumentsError {
    /// A file or folder cannot be read.
    #[error("{path} cannot be read: {reason}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file is longer than any list of documents is.
    #[error("{0} has more than {max} bytes", max = TrustedDocuments::BYTES_MAX)]
    TooLarge(PathBuf),
    /// A file is no list of documents.
    #[error("{path} is neither a map of ids to documents nor an Apollo persisted query manifest: {reason}")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is none, so that nothing could run.
    #[error("{0} has no documents")]
    Empty(PathBuf),
    /// One id means two documents.
    #[error("the id {0} stands for two documents")]
    Ambiguous(String),
    /// One is no GraphQL, or passes the bounds.
    #[error("the trusted document {id} cannot run: {reason}")]
    Unrunnable {
        /// Which.
        id: String,
        /// Why.
        reason: String,
    },
}

/// The files that tools write: Relay and GraphQL Code Generator a plain map, Apollo a manifest.
#[derive(Deserialize)]
#[serde(untagged)]
enum Manifest {
    Apollo { operations: Vec<Operation> },
    Map(HashMap<String, String>),
}

#[derive(Deserialize)]
struct Operation {
    id: String,
    body: String,
}

impl TrustedDocuments {
    /// The most bytes of one file.
    pub const BYTES_MAX: u64 = 64 * 1024 * 1024;

    /// Reads a manifest, or every `.graphql` and `.gql` file of a folder. Each document is also known by the SHA-256 of
    /// its text, one of a folder by its file's name without the ending.
    pub fn load(path: &Path) -> Result<Self, TrustedDocumentsError> {
        let mut documents = Self::default();
        if path.is_dir() {
            let files = fs::read_dir(path).map_err(unreadable(path))?;
            for file in files {
                let file = file.map_err(unreadable(path))?.path();
                let ending = file.extension().and_then(|ending| ending.to_str());
                let name = file.file_stem().and_then(|name| name.to_str());
                if let (Some("graphql" | "gql"), Some(name)) = (ending, name) {
                    documents.add(name, read(&file)?)?;
                }
            }
        } else {
            let manifest =
                serde_json::from_str(&read(path)?).map_err(|error| TrustedDocumentsError::Malformed {
                    path: path.to_owned(),
                    reason: error.to_string(),
                })?;
            let operations: Vec<_> = match manifest {
                Manifest::Apollo { operations } => {
                    operations.into_iter().map(|it| (it.id, it.body)).collect()
                }
                Manifest::Map(map) => map.into_iter().collect(),
            };
            for (id, text) in operations {
                documents.add(&id, text)?;
            }
        }
        match documents.texts.is_empty() {
            true => Err(TrustedDocumentsError::Empty(path.to_owned())),
            false => Ok(documents),
        }
    }

    fn add(&mut self, id: &str, text: String) -> Result<(), TrustedDocumentsError> {
        let text: Arc<str> = text.into();
        let hash = sha256(&text);
        for id in [id, hash.as_str()] {
            let before = self.by_id.insert(id.to_owned(), text.clone());
            if before.is_some_and(|before| before != text) {
                return Err(TrustedDocumentsError::Ambiguous(id.to_owned()));
            }
        }
        self.texts.insert(text);
        Ok(())
    }

    /// The document of an id, which may be written as `sha256:HASH` too.
    pub fn by_id(&self, id: &str) -> Option<Arc<str>> {
        let plain = id.strip_prefix("sha256:");
        [Some(id), plain]
            .into_iter()
            .flatten()
            .find_map(|id| self.by_id.get(id))
            .cloned()
    }

    /// Whether exactly this text is one of them.
    pub fn contains(&self, text: &str) -> bool {
        self.texts.contains(text)
    }

    /// All ids with their documents.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_id.iter().map(|(id, text)| (id.as_str(), text.as_ref()))
    }
}

/// The SHA-256 of a document, in lower-case hexadecimal digits, as clients name it by.
pub fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

fn read(path: &Path) -> Result<String, TrustedDocumentsError> {
    let length = fs::metadata(path).map_err(unreadable(path))?.len();
    if length > TrustedDocuments::BYTES_MAX {
        return Err(TrustedDocumentsError::TooLarge(path.to_owned()));
    }
    fs::read_to_string(path).map_err(unreadable(path))
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> TrustedDocumentsError {
    let path = path.to_owned();
    |error| TrustedDocumentsError::Unreadable {
        path,
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(name: &str, content: &str) -> Result<TrustedDocuments, TrustedDocumentsError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        fs::write(&file, content).unwrap();
        match name.ends_with(".json") {
            true => TrustedDocuments::load(&file),
            false => TrustedDocuments::load(folder.path()),
        }
    }

    #[test]
    fn the_files_of_the_known_tools_and_plain_folders_are_read() {
        let hash = sha256("{ viewer { userId } }");
        for (name, content, id) in [
            ("Viewer.graphql", "{ viewer { userId } }", "Viewer"),
            ("map.json", r#"{"a1": "{ viewer { userId } }"}"#, "a1"),
            (
                "apollo.json",
                r#"{"format": "apollo-persisted-query-manifest", "version": 1, "operations":
                    [{"id": "b2", "name": "Viewer", "type": "query", "body": "{ viewer { userId } }"}]}"#,
                "b2",
            ),
        ] {
            let documents = load(name, content).unwrap();
            for id in [id, &hash, &format!("sha256:{hash}")] {
                assert_eq!(
                    documents.by_id(id).as_deref(),
                    Some("{ viewer { userId } }"),
                    "{name} {id}"
                );
            }
            assert!(
                documents.contains("{ viewer { userId } }") && !documents.contains("{ viewer { userId }}")
            );
        }
    }

    #[test]
    fn a_list_that_cannot_be_used_says_why() {
        for (name, content, expected) in [
            ("a.json", "[]", "is neither a map of ids to documents"),
            ("a.json", "{}", "has no documents"),
            ("a.txt", "{ a }", "has no documents"),
        ] {
            let error = load(name, content).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let missing = TrustedDocuments::load(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(matches!(missing, TrustedDocumentsError::Unreadable { .. }));
    }
}
