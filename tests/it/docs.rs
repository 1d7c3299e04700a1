//! The documents say what the code does.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use colloquy::config::Limits;
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
fn every_test_that_the_list_of_quirks_names_exists() {
    let quirks = fs::read_to_string(Path::new(ROOT).join("docs/legacy-quirks.md")).unwrap();
    let quoted = quirks.split('`').skip(1).step_by(2);
    let tests: Vec<_> = quoted.filter_map(|name| name.rsplit_once("::")).collect();
    assert!(tests.len() > 40, "{}", tests.len());
    for (module, test) in tests {
        let file = format!("tests/it/{}.rs", module.replace("::", "/"));
        let source = fs::read_to_string(Path::new(ROOT).join(&file)).unwrap_or_default();
        assert!(source.contains(&format!("fn {test}(")), "{file} has no {test}");
    }
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

#[test]
fn every_obligation_of_graphql_ws_has_a_test_and_every_test_an_obligation() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/graphql-ws.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_suffix("` |"));
    let obligations: BTreeSet<_> = rows
        .filter_map(|row| row.rsplit('`').next())
        .map(str::to_owned)
        .collect();
    let mut tests = BTreeSet::new();
    for file in ["websocket.rs", "peers.rs"] {
        let text = fs::read_to_string(Path::new(ROOT).join("tests/it/graphql").join(file)).unwrap();
        let items = syn::parse_file(&text).unwrap().items;
        tests.extend(items.iter().filter_map(|item| match item {
            syn::Item::Fn(item) if !item.attrs.is_empty() && !item.attrs[0].path().is_ident("doc") => {
                Some(item.sig.ident.to_string())
            }
            _ => None,
        }));
    }
    assert_eq!(obligations, tests);
}

/// What `--help` lists: each flag with its variable.
pub fn settings() -> BTreeSet<(String, String)> {
    let help = Command::new(env!("CARGO_BIN_EXE_colloquy"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (mut flag, mut settings) = (String::new(), BTreeSet::new());
    for line in help.lines().map(str::trim) {
        if let Some(start) = line.strip_prefix("--") {
            flag = start.split(' ').next().unwrap().to_owned();
        } else if let Some(variable) = line.strip_prefix("[env: ") {
            let variable = variable.trim_end_matches([']', '=']).to_owned();
            settings.insert((flag.clone(), variable));
        }
    }
    settings
}

#[test]
fn every_setting_and_every_limit_is_in_the_page_about_configuration_and_no_other() {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/config.md")).unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            line.split('|')
                .map(|cell| cell.trim().trim_matches('`'))
                .collect()
        })
        .collect();
    let (flags, limits): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row[1].starts_with("--"));
    let flags: BTreeSet<_> = flags
        .iter()
        .map(|row| (row[1].trim_start_matches("--").to_owned(), row[2].to_owned()))
        .collect();
    assert_eq!(flags, settings());
    let plain = |number: &str| number.replace(',', "").parse::<usize>().unwrap();
    let limits: Vec<_> = limits
        .iter()
        .map(|row| (row[1], plain(row[2]), plain(row[3]), row[4], row[5]))
        .collect();
    let rows = Limits::ROWS.iter();
    let expected: Vec<_> = rows
        .map(|row| (row.name, row.default, row.most, row.unit, row.reason))
        .collect();
    assert_eq!(limits, expected);
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
            let is_metric = name.starts_with("colloquy_");
            if is_name && !is_metric && name.matches('_').count() >= TEST_NAME_UNDERSCORES_MIN {
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
