//! `schema.graphql` is what the code says.

#[test]
fn the_schema_file_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    let file = std::fs::read_to_string(path).unwrap();
    assert!(
        file == colloquy::graphql::sdl(),
        "schema.graphql is not what the code says; run `make schema` and look at the difference"
    );
}
