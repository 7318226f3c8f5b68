//! The rules themselves, each a function from the house's files to what is wrong with them.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Source, functions, without_comments_and_strings};

/// Rooms from the street up: a room may name its own floor and those below.
const FLOORS: [(&str, u8); 32] = [
    ("domain", 0),
    ("clock", 0),
    ("switches", 0),
    ("metrics", 0),
    ("config", 0),
    ("broker", 0),
    ("serde_word", 0),
    ("qr", 0),
    ("hex", 0),
    ("decode", 1),
    ("checklists", 1),
    ("detect", 1),
    ("ledger", 1),
    ("registry_csv", 1),
    ("token", 1),
    ("package", 2),
    ("store", 2),
    ("fleet", 2),
    ("pipeline", 3),
    ("notify", 3),
    ("ingest", 4),
    ("sweep", 4),
    ("report", 4),
    ("writer", 4),
    ("signer", 4),
    ("http", 4),
    ("simulate", 4),
    ("replay", 4),
    ("app", 5),
    ("cli", 6),
    ("lib", 6),
    ("main", 6),
];

/// Rooms of the wing: they know `domain` and each other's nothing.
const WING: [&str; 2] = ["simulate", "replay"];

/// Foreign crates that stand behind a wall, and the rooms or files that may name them.
const CRATES: [(&str, &[&str]); 23] = [
    ("sqlx", &["store"]),
    ("rumqttc", &["ingest", "simulate", "replay", "notify/sinks/mqtt.rs"]),
    ("rmqtt", &["simulate/broker.rs"]),
    ("reqwest", &["notify", "cli/operating.rs"]),
    ("lettre", &["notify/sinks/email.rs"]),
    ("prometheus", &["metrics"]),
    ("x509_cert", &["broker/expiry.rs"]),
    ("axum", &["http", "app"]),
    ("tower_http", &["http", "app"]),
    ("askama", &["http", "package"]),
    ("utoipa", &["http"]),
    ("tlog_tiles", &["ledger"]),
    ("signed_note", &["ledger"]),
    ("serde_json_canonicalizer", &["ledger"]),
    ("rand_core", &["ledger", "token"]),
    ("zip", &["package"]),
    ("ed25519_dalek", &["ledger"]),
    ("toml", &["config"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli/manual.rs"]),
    ("clap_mangen", &["cli/manual.rs"]),
    ("sd_notify", &["cli/supervisor.rs"]),
    ("tracing_subscriber", &["cli"]),
];

/// Longest file and longest function, in lines.
const FILE: usize = 400;
const FUNCTION: usize = 60;

/// Larger by leave: `path` or `path:function`, the limit, and why splitting it would read worse.
const LARGER: [(&str, usize, &str); 0] = [];

const DRAWERS: [&str; 12] =
    ["util", "utils", "common", "core", "helper", "helpers", "manager", "managers", "types", "misc", "shared", "base"];

/// `http/pages.rs` and `http.rs` stand in the room `http`.
fn room(path: &str) -> &str {
    path.split('/').next().unwrap_or(path).trim_end_matches(".rs")
}

fn floor(path: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room(path)).map(|(_, floor)| *floor)
}

/// For each file, the other files that it names.
fn imports(sources: &[Source]) -> Vec<(&str, BTreeSet<&str>)> {
    let files: BTreeMap<Vec<String>, &str> = sources
        .iter()
        .filter(|source| source.path != "lib.rs" && source.path != "main.rs")
        .map(|source| (source.module(), source.path.as_str()))
        .collect();
    let file_of = |path: &Vec<String>| (1..=path.len()).rev().find_map(|length| files.get(&path[..length]).copied());
    sources
        .iter()
        .map(|source| {
            let named = source.paths().iter().filter_map(file_of).filter(|file| *file != source.path).collect();
            (source.path.as_str(), named)
        })
        .collect()
}

pub fn heads(sources: &[Source]) -> Vec<String> {
    let bad = |source: &&Source| {
        let first = source.text.lines().next().unwrap_or_default();
        first.strip_prefix("//! ").is_none_or(|sentence| sentence.trim().is_empty())
    };
    sources.iter().filter(bad).map(|source| format!("{} does not open with a `//!` sentence", source.path)).collect()
}

pub fn upward(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for (file, named) in imports(sources) {
        let Some(here) = floor(file) else {
            faults.push(format!("{file} has no floor; give it one in tests/it/architecture/rules.rs"));
            continue;
        };
        for other in named {
            match floor(other) {
                Some(_) if room(file) == "domain" && room(other) != "domain" => {
                    faults.push(format!("{file} names {other}: domain knows no other room"));
                }
                Some(there) if there > here => {
                    faults.push(format!("{file} (floor {here}) names {other} (floor {there})"));
                }
                _ => {}
            }
        }
    }
    faults
}

pub fn rooms_apart(sources: &[Source]) -> Vec<String> {
    let imports: BTreeMap<&str, BTreeSet<&str>> = imports(sources).into_iter().collect();
    let mut faults = Vec::new();
    for source in sources {
        let (path, room_here) = (source.path.as_str(), room(&source.path));
        for other in &imports[path] {
            if WING.contains(&room_here) && room(other) != "domain" && room(other) != room_here {
                faults.push(format!(
                    "{path} names {other}: {room_here} speaks only the public contract and knows domain alone"
                ));
            }
            if matches!(room_here, "detect" | "decode" | "ledger" | "domain") && room(other) == "clock" {
                faults.push(format!("{path} names {other}: time is handed to it"));
            }
        }
        if matches!(room_here, "detect" | "decode" | "ledger" | "domain") {
            let words = source.first_words();
            if room_here == "domain" && words.iter().any(|word| word.starts_with("serde")) {
                faults.push(format!("{path} names serde: wire forms live at their boundary"));
            }
            if words.contains("tokio") {
                faults.push(format!("{path} names tokio: it opens nothing"));
            }
            let tokens = source.tokens();
            for part in ["fs", "net", "io", "process", "env"] {
                if tokens.windows(3).any(|three| three[0] == "std" && three[1] == "::" && three[2] == part) {
                    faults.push(format!("{path} names std::{part}: it opens nothing"));
                }
            }
        }
    }
    faults
}

pub fn circles(sources: &[Source]) -> Vec<String> {
    let imports: BTreeMap<&str, BTreeSet<&str>> = imports(sources).into_iter().collect();
    let mut done = BTreeSet::new();
    let mut faults = Vec::new();
    for start in imports.keys() {
        walk(start, &imports, &mut Vec::new(), &mut done, &mut faults);
    }
    faults
}

fn walk<'s>(
    file: &'s str,
    imports: &BTreeMap<&'s str, BTreeSet<&'s str>>,
    way: &mut Vec<&'s str>,
    done: &mut BTreeSet<&'s str>,
    faults: &mut Vec<String>,
) {
    if let Some(start) = way.iter().position(|passed| *passed == file) {
        faults.push(format!("circle: {} > {file}", way[start..].join(" > ")));
        return;
    }
    if done.contains(file) {
        return;
    }
    way.push(file);
    for next in imports.get(file).into_iter().flatten() {
        walk(next, imports, way, done, faults);
    }
    way.pop();
    done.insert(file);
}

pub fn foreign_crates(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources {
        for word in source.first_words() {
            let Some((name, rooms)) = CRATES.iter().find(|(name, _)| *name == word) else { continue };
            if !rooms.iter().any(|place| *place == source.path || *place == room(&source.path)) {
                faults.push(format!("{} names {name}, which belongs to {}", source.path, rooms.join(", ")));
            }
        }
    }
    faults
}

/// Looks at the beginnings of strings; a sentence that begins with "update" is no statement.
pub fn sql(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources {
        for statement in source.text.split('"').skip(1).map(str::trim_start).filter(|text| is_sql(text)) {
            let shown: String = statement.chars().take(40).collect();
            let shouts = ["SELECT", "INSERT", "UPDATE", "DELETE", "FROM", "WHERE", "VALUES", "SET", "AND", "PRAGMA"];
            if room(&source.path) != "store" {
                faults.push(format!("{} holds SQL: \"{shown}\"", source.path));
            } else if statement.split_whitespace().any(|word| shouts.contains(&word)) {
                faults.push(format!("{} shouts its SQL: \"{shown}\"", source.path));
            }
        }
    }
    faults
}

fn is_sql(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let sure = ["insert into ", "insert or ", "delete from ", "pragma ", "create table ", "begin immediate"];
    sure.iter().any(|words| lower.starts_with(words))
        || (lower.starts_with("select ") && (lower.contains(" from ") || lower.len() < 12))
        || (lower.starts_with("update ") && lower.contains(" set "))
}

/// tokio's `Instant` is a timer's deadline, and stands still with tokio's paused clock in tests; std's is not.
pub fn system_time(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources.iter().filter(|source| source.path != "clock.rs") {
        let tokens = source.tokens();
        let names = |path: &str| {
            let path: Vec<&str> = path.split(' ').collect();
            tokens.windows(path.len()).any(|some| some == path)
        };
        if names("SystemTime") {
            faults.push(format!("{} names SystemTime", source.path));
        }
        if names("std :: time :: Instant") || (names("Instant") && !names("tokio :: time")) {
            faults.push(format!("{} names Instant", source.path));
        }
        for name in ["Zoned", "Timestamp"] {
            if names(&format!("{name} :: now")) {
                faults.push(format!("{} names {name}::now", source.path));
            }
        }
    }
    faults
}

/// A macro is made nameable by `pub(crate) use`; these files have one.
const MACROS: [&str; 2] = ["domain/vocabulary.rs", "store/stretch.rs"];

pub fn re_exports(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources.iter().filter(|source| !MACROS.contains(&source.path.as_str())) {
        let code = without_comments_and_strings(&source.text);
        for line in code.lines().map(str::trim_start).filter(|line| line.starts_with("pub")) {
            let Some((visibility, what)) = line.split_once(" use ").or_else(|| line.split_once(")use ")) else {
                continue;
            };
            if visibility == "pub" || visibility.starts_with("pub(") {
                let first = what.split([':', ';', ' ']).next().unwrap_or(what);
                faults.push(format!("{} re-exports {first}", source.path));
            }
        }
    }
    faults
}

pub fn sizes(sources: &[Source]) -> Vec<String> {
    let leave = |what: &str, usual: usize| {
        LARGER.iter().find(|(name, _, _)| *name == what).map_or(usual, |(_, limit, _)| *limit)
    };
    let mut faults = Vec::new();
    for source in sources {
        for (name, length) in functions(&source.text) {
            let limit = leave(&format!("{}:{name}", source.path), FUNCTION);
            if length > limit {
                faults.push(format!("{}: {name} has {length} lines, the guide is {limit}", source.path));
            }
        }
        let (length, limit) = (source.text.lines().count(), leave(&source.path, FILE));
        if length > limit {
            faults.push(format!("{} has {length} lines, the guide is {limit}", source.path));
        }
    }
    faults
}

pub fn drawers(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources {
        for step in source.path.trim_end_matches(".rs").split('/').filter(|step| DRAWERS.contains(step)) {
            faults.push(format!("{}: `{step}` says nothing", source.path));
        }
    }
    faults
}

/// The code map is the section of that name; each file stands in it as `path/below/src.rs` between backticks.
pub fn code_map(sources: &[Source], document: &str) -> Vec<String> {
    let map = document.split_once("# Code map").map_or("", |(_, rest)| rest);
    let map = map.split_once("\n## ").map_or(map, |(section, _)| section);
    let named: BTreeSet<&str> = map.split('`').skip(1).step_by(2).filter(|name| name.ends_with(".rs")).collect();
    let there: BTreeSet<&str> = sources.iter().map(|source| source.path.as_str()).collect();
    let missing = there.difference(&named).map(|path| format!("docs/ARCHITECTURE.md does not name `{path}`"));
    let gone = named.difference(&there).map(|path| format!("docs/ARCHITECTURE.md names `{path}`, which is not there"));
    missing.chain(gone).collect()
}
