//! The documents say what the code does.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use colloquy::domain::ReplyState;
use syn::visit::Visit;

use crate::support::sources::{sources, sources_below};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The literals of a file that look like codes.
#[derive(Default)]
struct Codes(BTreeSet<String>);

impl<'ast> Visit<'ast> for Codes {
    fn visit_lit_str(&mut self, literal: &'ast syn::LitStr) {
        let text = literal.value();
        let is_code = text.len() > 4 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        if is_code && ReplyState::from_name(&text).is_none() {
            self.0.insert(text);
        }
    }
}

#[test]
fn every_code_is_in_the_list_of_errors_and_no_other() {
    let mut codes = Codes::default();
    for source in sources() {
        let faces = ["bot", "engine", "service", "graphql", "http"];
        if source
            .module
            .first()
            .is_some_and(|module| faces.contains(&module.as_str()))
        {
            codes.visit_file(&syn::parse_file(&source.text).unwrap());
        }
    }
    let errors = fs::read_to_string(Path::new(ROOT).join("docs/errors.md")).unwrap();
    let listed = errors
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let listed: BTreeSet<_> = listed.map(str::to_owned).collect();
    assert_eq!(codes.0, listed);
}

#[test]
fn every_file_that_the_documents_name_exists() {
    let folder = fs::read_dir(Path::new(ROOT).join("docs")).unwrap();
    let pages = folder.map(|page| format!("docs/{}", page.unwrap().file_name().to_str().unwrap()));
    let documents = ["README.md", "ARCHITECTURE.md"].map(str::to_owned).into_iter();
    for document in documents.chain(pages) {
        let text = fs::read_to_string(Path::new(ROOT).join(&document)).unwrap();
        let folder = Path::new(ROOT).join(&document);
        let folder = folder.parent().unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let quoted = text.split('`').skip(1).step_by(2).filter(|name| {
            ["src/", "tests/", "benches/", "scripts/"]
                .iter()
                .any(|folder| name.starts_with(folder))
        });
        for name in links
            .filter(|link| !link.starts_with("http"))
            // The heading within the page is not looked for.
            .map(|link| (folder, link.split('#').next().unwrap_or_default()))
            .chain(quoted.map(|name| (Path::new(ROOT), name)))
        {
            let (folder, file) = name;
            assert!(folder.join(file).exists(), "{document} names {file}");
        }
    }
}

/// Underscores of a name that only a test has.
const TEST_NAME_UNDERSCORES_MIN: usize = 4;

#[test]
fn every_test_that_the_documents_name_exists() {
    let tests: Vec<_> = sources_below("src")
        .into_iter()
        .chain(sources_below("tests/it"))
        .collect();
    let mut named = 0;
    for page in fs::read_dir(Path::new(ROOT).join("docs")).unwrap() {
        let text = fs::read_to_string(page.unwrap().path()).unwrap();
        for name in text.split('`').skip(1).step_by(2) {
            let is_name = name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
            if is_name && name.matches('_').count() >= TEST_NAME_UNDERSCORES_MIN {
                let function = format!("fn {name}(");
                assert!(
                    tests.iter().any(|source| source.text.contains(&function)),
                    "{name}"
                );
                named += 1;
            }
        }
    }
    assert!(named > 40, "{named}");
}
