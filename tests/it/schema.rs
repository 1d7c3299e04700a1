//! `schema.graphql` is what the code says, and what schemas should be.

use std::fs;
use std::path::Path;

use crate::support::program::node;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The types of lists, which the library makes and describes only the fields of.
const UNDESCRIBED: &str = r#"{"types-have-descriptions": ["ChatConnection", "MessageConnection"]}"#;

/// Runs a program of `tests/clients`; what it said, if it did not succeed.
fn complaint_of(program: &str, arguments: &[&str]) -> Option<String> {
    let output = node(program)
        .args(arguments)
        .output()
        .expect("Node.js is missing");
    let said = [output.stdout, output.stderr].concat();
    (!output.status.success()).then(|| String::from_utf8(said).unwrap())
}

#[test]
fn the_schema_file_is_up_to_date() {
    let file = fs::read_to_string(Path::new(ROOT).join("schema.graphql")).unwrap();
    assert!(
        file == colloquy::graphql::sdl(),
        "schema.graphql is not what the code says; run `make schema` and look at the difference"
    );
}

/// Names, descriptions of everything, and connections and page information as Relay has them.
#[test]
fn the_schema_keeps_to_the_rules_of_graphql_schema_linter() {
    let linter = "node_modules/graphql-schema-linter/lib/cli.js";
    let complaint = complaint_of(linter, &["--ignore", UNDESCRIBED, "../../schema.graphql"]);
    assert_eq!(complaint, None);
}

/// Whoever means to break clients replaces `tests/released/schema.graphql` by `make released-schema`, and says so in the
/// changelog.
#[test]
fn the_schema_breaks_no_client_of_the_last_release() {
    let files = ["../released/schema.graphql", "../../schema.graphql"];
    assert_eq!(complaint_of("breaking.js", &files), None);
}

#[test]
fn a_change_that_breaks_clients_is_found() {
    let file = fs::read_to_string(Path::new(ROOT).join("schema.graphql")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("schema.graphql");
    fs::write(
        &changed,
        file.replace("\tisAnonymous: Boolean!", "\tisAnonymous: Boolean"),
    )
    .unwrap();
    let files = ["../../schema.graphql", changed.to_str().unwrap()];
    let complaint = complaint_of("breaking.js", &files).unwrap();
    assert!(complaint.contains("Viewer.isAnonymous"), "{complaint}");
}
