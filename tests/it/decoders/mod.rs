//! The decoders of what comes from outside, by themselves: the checks of the fuzz targets, on the seeds of those and on
//! what is made up here in a second or two (`docs/fuzzing.md`).

mod cursors;
mod event_stream;
mod graphql_message;
mod mt_client_frame;
mod rest_body;
mod token;

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Half of it is near what is meant, so that more than the first byte is looked at.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        ".{0,80}".prop_map(String::into_bytes),
        object().prop_map(String::into_bytes),
        (object(), any::<Index>(), any::<u8>()).prop_map(|(object, place, byte)| {
            let mut bytes = object.into_bytes();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            bytes
        }),
        (object(), any::<Index>()).prop_map(|(object, place)| {
            let mut bytes = object.into_bytes();
            bytes.truncate(place.index(bytes.len()));
            bytes
        }),
        proptest::collection::vec((name(), "[-+%_.0-9a-f]{0,8}"), 0..4).prop_map(|pairs| {
            let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
            pairs.collect::<Vec<_>>().join("&").into_bytes()
        }),
    ]
}

/// The names of all fields that any decoder knows, and one that none does.
fn name() -> impl Strategy<Value = &'static str> {
    select(vec![
        "mt",
        "message",
        "userId",
        "timezone",
        "selectedLanguage",
        "clientMessageId",
        "useWebSearch",
        "user_id",
        "title",
        "document_id",
        "training_doc_id",
        "status",
        "is_bot",
        "type",
        "reaction",
        "token",
        "is_edited",
        "page",
        "limit",
        "other",
    ])
}

fn value() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        select(vec![
            "message_upload",
            "stop",
            "true",
            "yes",
            "7",
            "-1.0",
            "9223372036854775808",
            ""
        ])
        .prop_map(str::to_owned),
        "[0-9a-f]{24}",
        ".{0,40}",
    ];
    let leaf = prop_oneof![
        text.prop_map(|text| serde_json::Value::from(text).to_string()),
        select(vec![
            "null",
            "true",
            "0",
            "-0",
            "1.0",
            "1e400",
            "18446744073709551615",
            "\"\\ud800\""
        ])
        .prop_map(str::to_owned),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| serde_json::Value::from(number).to_string()),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            proptest::collection::vec((name(), inner), 0..3).prop_map(|fields| written(&fields)),
        ]
    })
}

fn object() -> impl Strategy<Value = String> {
    let kind = select(vec!["message_upload", "stop", "message_upload", "ping"]);
    let fields = proptest::collection::vec((name(), value()), 0..6);
    (kind, fields).prop_map(|(kind, mut fields)| {
        // Before the others, so that one of them may win over it.
        fields.insert(0, ("mt", format!("\"{kind}\"")));
        written(&fields)
    })
}

fn written(fields: &[(&str, String)]) -> String {
    let fields = fields.iter().map(|(name, value)| format!("\"{name}\": {value}"));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn any_bytes_are_a_typed_frame_or_a_typed_error(bytes in bytes()) {
        mt_client_frame::check(&bytes);
    }

    #[test]
    fn any_bytes_are_a_body_that_is_taken_or_the_documented_refusal_of_one(bytes in bytes()) {
        rest_body::check(&bytes);
    }
}

/// What looks at an input.
type Check = fn(&[u8]);

/// Every fuzz target with its check.
const TARGETS: [(&str, Check); 6] = [
    ("cursors", cursors::check),
    ("event_stream", event_stream::check),
    ("graphql_message", graphql_message::check),
    ("mt_client_frame", mt_client_frame::check),
    ("rest_body", rest_body::check),
    ("token", token::check),
];

#[test]
fn the_seeds_of_the_fuzz_targets_pass() {
    for (target, check) in TARGETS {
        for seed in seeds(target) {
            check(&seed);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Each seed, with a few of its bytes changed, left out or doubled: what a fuzzer begins with.
    #[test]
    fn what_is_near_a_seed_passes(changes in proptest::collection::vec((any::<Index>(), any::<u8>(), 0..3_u8), 1..4)) {
        for (target, check) in TARGETS {
            for mut seed in seeds(target) {
                for (place, byte, change) in &changes {
                    let place = place.index(seed.len() + 1);
                    match change {
                        0 => seed.insert(place, *byte),
                        1 if place < seed.len() => seed[place] ^= *byte,
                        _ => seed.truncate(place),
                    }
                }
                check(&seed);
            }
        }
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let files = fs::read_dir(folder).unwrap();
    let seeds: Vec<_> = files
        .map(|seed| fs::read(seed.unwrap().path()).unwrap())
        .collect();
    assert!(seeds.len() >= 10, "{target} has {} seeds", seeds.len());
    seeds
}
