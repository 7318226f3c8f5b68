//! The house's rules, held over the text of `src/`: floors, circles, who names what, sizes, the code map.
//! Every check is also shown a house that breaks it: a check that cannot fail holds nothing.

mod rules;
mod source;

use std::path::Path;

use source::Source;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn house() -> Vec<Source> {
    let sources = source::read_folder(&root().join("src"));
    assert!(sources.len() > 10, "only {} files found below src", sources.len());
    sources
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n  {}", faults.len(), faults.join("\n  "));
}

/// One bad file and what must be said of it.
fn told(check: impl Fn(&[Source]) -> Vec<String>, files: &[(&str, &str)]) -> Vec<String> {
    let sources: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
    check(&sources)
}

#[test]
fn every_file_opens_with_what_it_is() {
    assert_none(&rules::heads(&house()));
    assert_none(&rules::heads(&source::read_folder(&root().join("tests"))));
    let faults =
        told(rules::heads, &[("app.rs", "use std::fmt;\n"), ("clock.rs", "//!\n"), ("sweep.rs", "//! Time.\n")]);
    assert_eq!(faults, ["app.rs does not open with a `//!` sentence", "clock.rs does not open with a `//!` sentence"]);
}

#[test]
fn no_import_runs_upward() {
    assert_none(&rules::upward(&house()));
    let files = [
        ("domain/unit.rs", "use crate::config::Document;"),
        ("store/mod.rs", "use crate::{domain::{unit::Unit, id}, http::pages as p};"),
        ("http/pages.rs", "pub struct Page;"),
        ("config.rs", "fn f() { crate::store::open(); }"),
        ("detect/over_age.rs", "use super::super::decode::Class; #[cfg(test)]\nmod x;"),
        ("decode/mod.rs", "// crate::app is above\nconst A: &str = \"crate::app::x\";"),
        ("app.rs", "use crate::store;"),
        ("cellar.rs", "use crate::app::run;"),
    ];
    let faults = told(rules::upward, &files);
    assert_eq!(
        faults,
        [
            "domain/unit.rs names config.rs: domain knows no other room",
            "store/mod.rs (floor 2) names http/pages.rs (floor 4)",
            "config.rs (floor 0) names store/mod.rs (floor 2)",
            "cellar.rs has no floor; give it one in tests/it/architecture/rules.rs",
        ]
    );
}

#[test]
fn a_wing_and_the_pure_rooms_name_only_what_they_may() {
    assert_none(&rules::rooms_apart(&house()));
    let files = [
        ("simulate/city.rs", "use crate::domain::id::UnitId; use crate::clock::Clock;"),
        ("clock.rs", "use std::time::SystemTime;"),
        ("detect/over_age.rs", "use crate::clock::Clock; use std::fs;"),
        ("decode/gb.rs", "use tokio::sync::mpsc; fn f() { std::net::x(); }"),
        ("domain/unit.rs", "use serde::Deserialize; #[serde(default)] struct X; use std::io;"),
    ];
    assert_eq!(
        told(rules::rooms_apart, &files),
        [
            "simulate/city.rs names clock.rs: simulate speaks only the public contract and knows domain alone",
            "detect/over_age.rs names clock.rs: time is handed to it",
            "detect/over_age.rs names std::fs: it opens nothing",
            "decode/gb.rs names tokio: it opens nothing",
            "decode/gb.rs names std::net: it opens nothing",
            "domain/unit.rs names serde: wire forms live at their boundary",
            "domain/unit.rs names std::io: it opens nothing",
        ]
    );
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    assert_none(&rules::circles(&house()));
    let files = [
        ("a.rs", "use crate::b::B;"),
        ("b.rs", "mod inner;\nfn f() { inner::g() }"),
        ("b/inner.rs", "use super::super::c;"),
        ("c.rs", "use crate::a;"),
        ("d.rs", "use crate::c;"),
    ];
    assert_eq!(told(rules::circles, &files), ["circle: a.rs > b.rs > b/inner.rs > c.rs > a.rs"]);
}

#[test]
fn each_foreign_crate_has_its_room() {
    assert_none(&rules::foreign_crates(&house()));
    let files = [
        ("http/pages.rs", "use sqlx::query;"),
        ("store/event.rs", "use sqlx::query;"),
        ("pipeline.rs", "fn f() { rumqttc::x(); prometheus::y(); }"),
        ("simulate/broker.rs", "use rmqtt::Server;"),
        ("simulate/city.rs", "use rmqtt::Server; use rumqttc::Client;"),
        ("sweep.rs", "#[cfg(test)]\nmod tests {\n    use sqlx::query;\n}\nfn f() { a.sqlx(); crate::sqlx::x(); }"),
    ];
    assert_eq!(
        told(rules::foreign_crates, &files),
        [
            "http/pages.rs names sqlx, which belongs to store",
            "pipeline.rs names prometheus, which belongs to metrics",
            "pipeline.rs names rumqttc, which belongs to ingest, simulate, replay, notify/sinks/mqtt.rs",
            "simulate/city.rs names rmqtt, which belongs to simulate/broker.rs",
        ]
    );
}

#[test]
fn sql_stands_in_the_store_and_in_lower_case() {
    assert_none(&rules::sql(&house()));
    let files = [
        ("http/pages.rs", "query(\"select id from unit\"); log(\"update it, then select one\")"),
        ("store/unit.rs", "query(\"select id from unit\"); query(\"SELECT 1\"); query(\"update unit SET a = 1\")"),
    ];
    assert_eq!(
        told(rules::sql, &files),
        [
            "http/pages.rs holds SQL: \"select id from unit\"",
            "store/unit.rs shouts its SQL: \"SELECT 1\"",
            "store/unit.rs shouts its SQL: \"update unit SET a = 1\"",
        ]
    );
}

#[test]
fn one_file_asks_the_system_for_the_time() {
    assert_none(&rules::system_time(&house()));
    let files = [
        ("clock.rs", "SystemTime::now()"),
        ("sweep.rs", "std::time::Instant::now(); jiff::Zoned::now()"),
        ("ingest.rs", "use tokio::time::{self, Instant};"),
        ("app.rs", "use std::time::{Duration, Instant};"),
        ("fleet.rs", "// Instant is not named here\nclock.now()"),
    ];
    assert_eq!(
        told(rules::system_time, &files),
        ["sweep.rs names Instant", "sweep.rs names Zoned::now", "app.rs names Instant"]
    );
}

#[test]
fn nothing_is_exported_from_a_second_place() {
    assert_none(&rules::re_exports(&house()));
    let files =
        [("http/mod.rs", "pub use pages::Page;\npub(crate) use x::y;\nuse z::w;"), ("lib.rs", "pub mod domain;")];
    assert_eq!(told(rules::re_exports, &files), ["http/mod.rs re-exports pages", "http/mod.rs re-exports x"]);
}

#[test]
fn files_and_functions_keep_to_the_guide_sizes() {
    assert_none(&rules::sizes(&house()));
    let long = format!(
        "//! x\nimpl X {{\n    pub async fn long(\n        a: u8,\n    ) {{\n{}    }}\n}}\n",
        "        f();\n".repeat(60)
    );
    let file = format!("//! x\n{}", "fn f() {}\n".repeat(400));
    let files = [("a.rs", long.as_str()), ("b.rs", file.as_str())];
    assert_eq!(
        told(rules::sizes, &files),
        ["a.rs: long has 64 lines, the guide is 60", "b.rs has 401 lines, the guide is 400"]
    );
}

#[test]
fn no_drawer_has_a_name_that_says_nothing() {
    assert_none(&rules::drawers(&house()));
    let files = [("util.rs", ""), ("http/helpers.rs", ""), ("common/x.rs", ""), ("domain/unit.rs", "")];
    assert_eq!(
        told(rules::drawers, &files),
        [
            "util.rs: `util` says nothing",
            "http/helpers.rs: `helpers` says nothing",
            "common/x.rs: `common` says nothing"
        ]
    );
}

#[test]
fn the_code_map_names_every_file_and_no_other() {
    let map = std::fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    assert_none(&rules::code_map(&house(), &map));
    let map = "# Code map\n- `app.rs` wires\n- `gone.rs` was here\n- `http/` pages\n";
    let files = [("app.rs", ""), ("sweep.rs", "")];
    assert_eq!(
        told(|sources| rules::code_map(sources, map), &files),
        ["docs/ARCHITECTURE.md does not name `sweep.rs`", "docs/ARCHITECTURE.md names `gone.rs`, which is not there"]
    );
}

#[test]
fn text_and_comments_are_not_taken_for_code() {
    let text = "let a = \"crate::x // no\"; /* crate::y */ let c = '\"'; let l: &'a str = r#\"crate::z \"q\" \"#; // end\nlet d = '\\'';";
    let code = source::without_comments_and_strings(text);
    assert!(!code.contains("crate"), "{code}");
    assert!(code.contains("&'a str = \"\";"), "{code}");
    assert!(code.ends_with("let d = ;"), "{code}");
}
