//! Who may import whom. The compiler would allow everything; this test is what keeps the layers.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};

use crate::support::sources::{Source, sources};

/// Each module of the crate with the modules it may import, from the lowest layer to the highest.
const LAYERS: [(&str, &[&str]); 17] = [
    ("domain", &[]),
    ("drain", &[]),
    ("peer", &[]),
    ("config", &["domain"]),
    ("telemetry", &["domain", "config"]),
    ("store", &["domain", "telemetry"]),
    ("feed", &["domain", "telemetry"]),
    ("bot", &["domain", "config", "telemetry"]),
    (
        "engine",
        &["domain", "config", "telemetry", "store", "feed", "bot"],
    ),
    ("auth", &["domain", "config", "telemetry"]),
    (
        "service",
        &["domain", "config", "telemetry", "store", "feed", "engine", "auth"],
    ),
    (
        "graphql",
        &["domain", "drain", "peer", "config", "telemetry", "service"],
    ),
    (
        "legacy",
        &["domain", "drain", "peer", "config", "telemetry", "service"],
    ),
    (
        "http",
        &[
            "domain",
            "drain",
            "peer",
            "config",
            "telemetry",
            "service",
            "graphql",
            "legacy",
        ],
    ),
    (
        "app",
        &[
            "domain",
            "drain",
            "config",
            "telemetry",
            "store",
            "feed",
            "auth",
            "bot",
            "engine",
            "service",
            "http",
        ],
    ),
    (
        "cli",
        &[
            "domain",
            "config",
            "telemetry",
            "store",
            "feed",
            "auth",
            "bot",
            "graphql",
            "app",
        ],
    ),
    // In unit tests only.
    (
        "simulation",
        &[
            "domain", "drain", "config", "store", "feed", "bot", "engine", "service", "app",
        ],
    ),
];

/// Modules that only the one beside them may name.
const PRIVATE: [(&str, &str); 7] = [
    ("store::memory", "store"),
    ("store::mongo", "store"),
    ("store::embedded", "store"),
    ("feed::local", "feed"),
    ("feed::redis", "feed"),
    ("bot::builtin", "bot"),
    ("bot::openai", "bot"),
];

/// Foreign crates, with the only places that may use them.
const CONFINED: [(&str, &[&str]); 49] = [
    ("mongodb", &["store::mongo"]),
    ("rusqlite", &["store::embedded"]),
    ("redis", &["feed::redis"]),
    ("async_graphql", &["graphql", "http::graphql"]),
    ("axum", &["http", "legacy", "graphql::ws", "peer"]),
    ("jsonwebtoken", &["auth"]),
    ("governor", &["service::rates"]),
    ("ipnet", &["config::browser"]),
    ("socket2", &["http::lines"]),
    ("headers_accept", &["http::graphql"]),
    ("tower_http", &["http"]),
    ("rust_embed", &["http"]),
    ("clap", &["cli"]),
    ("anstream", &["cli::chat::screen", "cli::page"]),
    (
        "anstyle",
        &["cli::chat::screen", "cli::doctor", "cli::page", "cli::verify"],
    ),
    ("comfy_table", &["cli::page"]),
    (
        "indicatif",
        &["cli::doctor", "cli::recount", "cli::verify::progress"],
    ),
    (
        "rustix",
        &["cli::page", "cli::verify::process", "store::embedded"],
    ),
    ("fastrand", &["cli::verify", "simulation"]),
    ("tempfile", &["cli::verify", "config", "store::embedded"]),
    ("tracing_subscriber", &["telemetry"]),
    ("tracing_appender", &["telemetry::log"]),
    ("tracing_opentelemetry", &["telemetry::traces"]),
    ("opentelemetry", &["telemetry::traces"]),
    ("opentelemetry_http", &["telemetry::traces"]),
    ("opentelemetry_otlp", &["telemetry::traces"]),
    ("opentelemetry_sdk", &["telemetry::traces"]),
    ("metrics", &["telemetry"]),
    ("metrics_exporter_prometheus", &["telemetry::recorder"]),
    ("metrics_process", &["telemetry::recorder"]),
    ("twox_hash", &["domain::cursor"]),
    ("tiktoken_rs", &["domain::tokens"]),
    ("chrono_tz", &["domain::locale"]),
    ("oxilangtag", &["domain::locale"]),
    (
        "unicode_segmentation",
        &["domain::search", "store::memory::figures", "cli::chat::session"],
    ),
    (
        "reqwest",
        &[
            "auth::jwks",
            "bot::openai",
            "cli::client",
            "cli::health",
            "cli::verify",
            "telemetry::traces",
        ],
    ),
    ("eventsource_stream", &["bot::openai"]),
    ("secrecy", &["config", "bot::openai"]),
    ("url", &["config", "cli::client::server", "cli::health"]),
    ("utoipa", &["legacy", "http"]),
    ("utoipa_axum", &["legacy::rest"]),
    ("weak_table", &["engine", "service::chat_locks"]),
    ("apollo_parser", &["graphql::guard"]),
    ("moka", &["graphql::documents", "graphql::parsed"]),
    ("sha2", &["config"]),
    ("hex", &["config", "domain::id"]),
    ("graphql_client", &["cli::chat", "cli::client", "cli::verify"]),
    ("tokio_tungstenite", &["cli::client::socket", "cli::verify"]),
    ("rustyline", &["cli::chat::input"]),
];

const LINES_MAX: usize = 600;

/// Collects every path that a file names, as segments from the crate's root or from a foreign crate.
struct Paths {
    module: Vec<String>,
    found: BTreeSet<Vec<String>>,
}

impl Paths {
    fn of(source: &Source) -> BTreeSet<Vec<String>> {
        let mut paths = Self {
            module: source.module.clone(),
            found: BTreeSet::new(),
        };
        paths.visit_file(&syn::parse_file(&source.text).unwrap());
        paths.found
    }

    fn note(&mut self, segments: Vec<String>) {
        let resolved = match segments[0].as_str() {
            "crate" | "colloquy" => ["crate".to_owned()]
                .into_iter()
                .chain(segments.into_iter().skip(1))
                .collect(),
            "self" | "super" => {
                let ups = segments.iter().take_while(|segment| *segment == "super").count();
                let above = self.module.len() - ups;
                let rest = segments
                    .into_iter()
                    .filter(|segment| segment != "super" && segment != "self");
                ["crate".to_owned()]
                    .into_iter()
                    .chain(self.module[..above].iter().cloned())
                    .chain(rest)
                    .collect()
            }
            _ => segments,
        };
        self.found.insert(resolved);
    }

    fn note_tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| {
            before
                .iter()
                .cloned()
                .chain([name.to_string()])
                .collect::<Vec<_>>()
        };
        match tree {
            syn::UseTree::Path(path) => self.note_tree(&with(&path.ident), &path.tree),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.note_tree(before, tree)),
            syn::UseTree::Name(name) => self.note(with(&name.ident)),
            syn::UseTree::Rename(name) => self.note(with(&name.ident)),
            syn::UseTree::Glob(_) if before.is_empty() => {}
            syn::UseTree::Glob(_) => self.note(before.to_vec()),
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.note_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.note(
            path.segments
                .iter()
                .map(|segment| segment.ident.to_string())
                .collect(),
        );
        visit::visit_path(self, path);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }
}

fn is_within(path: &[String], place: &str) -> bool {
    let place: Vec<_> = place.split("::").collect();
    path.len() >= place.len() && path.iter().zip(place).all(|(segment, place)| segment == place)
}

#[test]
fn every_module_imports_only_what_its_layer_may() {
    for source in sources() {
        let Some(own) = source.module.first() else {
            continue;
        };
        let (_, allowed) = LAYERS
            .iter()
            .find(|(name, _)| name == own)
            .unwrap_or_else(|| panic!("{own} is in no layer"));
        for path in Paths::of(&source) {
            let Some((root, inner)) = path.split_first() else {
                continue;
            };
            if root == "crate" && !inner.is_empty() {
                let target = inner[0].as_str();
                // What the crate's root holds besides modules is macros.
                let is_module = LAYERS.iter().any(|(name, _)| *name == target);
                assert!(
                    !is_module || target == own || allowed.contains(&target),
                    "{}: {own} may not import {target} ({})",
                    source.file.display(),
                    path.join("::"),
                );
                for (private, owner) in PRIVATE {
                    assert!(
                        !is_within(inner, private) || is_within(&source.module, owner),
                        "{}: only {owner} may name {private}",
                        source.file.display(),
                    );
                }
            }
            for (foreign, places) in CONFINED {
                assert!(
                    root != foreign || places.iter().any(|place| is_within(&source.module, place)),
                    "{}: {foreign} is confined to {places:?}",
                    source.file.display(),
                );
            }
        }
    }
}

#[test]
fn no_store_names_the_other() {
    for source in sources() {
        for (own, other) in [
            ("store::mongo", "store::embedded"),
            ("store::embedded", "store::mongo"),
        ] {
            if is_within(&source.module, own) {
                let stray = Paths::of(&source)
                    .into_iter()
                    .find(|path| path.len() > 1 && is_within(&path[1..], other));
                assert_eq!(stray, None, "{}", source.file.display());
            }
        }
    }
}

#[test]
fn no_file_is_too_long_to_hold_one_idea() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", source.file.display());
    }
}

#[test]
fn the_domain_knows_no_wire_format() {
    for source in sources()
        .iter()
        .filter(|source| is_within(&source.module, "domain"))
    {
        let paths = Paths::of(source);
        for path in &paths {
            assert!(
                !["serde", "serde_json"].contains(&path[0].as_str()),
                "{}",
                source.file.display()
            );
        }
    }
}

#[test]
fn what_a_client_makes_of_events_does_no_io() {
    let mut sources = sources();
    sources.retain(|source| is_within(&source.module, "cli::chat::assembly"));
    assert_eq!(sources.len(), 1);
    for path in sources.iter().flat_map(Paths::of) {
        let root = path[0].as_str();
        assert!(!["std", "tokio", "reqwest"].contains(&root), "{path:?}");
    }
}
