//! The fuzz targets' bodies over every committed input, and over readers that are broken on purpose: a body that lets
//! those pass would find nothing however long it ran. `tests/fuzz` runs the targets themselves.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use liftwatch::config::{ConfigError, Problem};
use liftwatch::decode::mapping::{Decoded, Rejection};
use liftwatch::domain::unit::Unit;
use liftwatch::registry_csv::LineError;

#[path = "../../fuzz/bodies.rs"]
mod bodies;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file in a folder and below it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// What `tests/fuzz` gives the target to begin with.
fn seeds(target: &str) -> Vec<PathBuf> {
    let script = fs::read_to_string(root().join("tests/fuzz")).unwrap();
    let start = format!("        {target}) echo \"");
    let line = script.lines().find_map(|line| line.strip_prefix(&start)).unwrap_or_else(|| panic!("no {target}"));
    let folders = line.split('"').next().unwrap().split_whitespace();
    folders.flat_map(|folder| files(&root().join(folder))).collect()
}

fn over_seeds(target: &str, least: usize, body: impl Fn(&[u8])) {
    let seeds = seeds(target);
    assert!(seeds.len() >= least, "only {} inputs for {target}", seeds.len());
    for seed in seeds {
        let input = fs::read(&seed).unwrap();
        // Says which input it was; the panic itself says the rest.
        let held = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(&input)));
        assert!(held.is_ok(), "does not hold of {}", seed.display());
    }
}

#[test]
fn what_must_hold_holds_of_every_committed_topic() {
    over_seeds("topic", 200, |input| bodies::topic(&bodies::decode, input));
}

#[test]
fn what_must_hold_holds_of_every_committed_payload() {
    over_seeds("payload", 200, |input| bodies::payload(&bodies::decode, input));
}

#[test]
fn what_must_hold_holds_of_every_committed_configuration() {
    over_seeds("config", 60, |input| bodies::config(&bodies::read_config, input));
}

#[test]
fn what_must_hold_holds_of_every_committed_registry() {
    over_seeds("registry", 5, |input| bodies::registry(&bodies::read_registry, input));
}

/// Whether the body finds fault.
fn finds(body: impl FnOnce()) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).is_err()
}

const EVENT: &[u8] = br#"{"ts":"2026-11-23T04:00:00Z","boot":"b1","seq":1,"type":"alarm_pressed"}"#;
const TOPIC: &[u8] = b"lift/v1/350582/acme/L1/event";

#[test]
fn twins_that_decode_wrongly_are_caught() {
    assert!(!finds(|| bodies::payload(&bodies::decode, EVENT)));
    let echoes = |topic: &str, payload: &[u8]| {
        let told = |rejection| Rejection { detail: String::from_utf8_lossy(payload).into_owned(), ..rejection };
        bodies::decode(topic, payload).map_err(told)
    };
    assert!(finds(|| bodies::payload(&echoes, &[b'x'; 100])), "shows what was sent");
    assert!(finds(|| bodies::payload(&echoes, b"{\n")), "shows a control character");
    let asked: Mutex<HashMap<Vec<u8>, usize>> = Mutex::new(HashMap::new());
    let forgets = |topic: &str, payload: &[u8]| {
        let mut asked = asked.lock().unwrap();
        let times = asked.entry([topic.as_bytes(), payload].concat()).or_default();
        *times += 1;
        if times.is_multiple_of(2) { bodies::decode(topic, b"{") } else { bodies::decode(topic, payload) }
    };
    assert!(finds(|| bodies::payload(&forgets, EVENT)), "another answer the second time");
    let silent = |topic: &str, payload: &[u8]| {
        bodies::decode(topic, payload).map(|decoded| Decoded { facts: Vec::new(), ..decoded })
    };
    assert!(finds(|| bodies::payload(&silent, EVENT)), "neither refused nor anything told");
}

#[test]
fn twins_that_read_topics_wrongly_are_caught() {
    assert!(!finds(|| bodies::topic(&bodies::decode, TOPIC)));
    let elsewhere = |_: &str, payload: &[u8]| bodies::decode("lift/v1/350582/acme/L2/event", payload);
    assert!(finds(|| bodies::topic(&elsewhere, TOPIC)), "another unit than the topic's");
    assert!(finds(|| bodies::topic(&elsewhere, b"weather")), "a topic that nobody maps");
}

#[test]
fn twins_that_read_configurations_wrongly_are_caught() {
    let refuses = |line: Option<usize>, message: &str| {
        let problem = Problem { line, key: String::new(), message: message.to_owned() };
        move |_: &str| Err(ConfigError { path: "x.toml".into(), problems: vec![problem.clone()] })
    };
    assert!(!finds(|| bodies::config(&refuses(Some(1), "wrong"), b"x")));
    assert!(finds(|| bodies::config(&refuses(None, "wrong"), b"x")), "neither line nor key");
    assert!(finds(|| bodies::config(&refuses(Some(2), "wrong"), b"x")), "a line that is not there");
    assert!(finds(|| bodies::config(&refuses(Some(1), "wrong\n"), b"x")), "a line break of the file's");
}

#[test]
fn twins_that_read_registries_wrongly_are_caught() {
    let file = b"unit,region,kind\nA,350582,traction\nB,350582,lift\n".as_slice();
    let good = b"unit,region,kind\nA,350582,traction\nB,350582,traction\n".as_slice();
    assert!(!finds(|| bodies::registry(&bodies::read_registry, file)));
    let drops = |file: &[u8]| bodies::read_registry(file).map(|units| units.into_iter().skip(1).collect::<Vec<Unit>>());
    assert!(finds(|| bodies::registry(&drops, good)), "a unit less than lines");
    let wrong_line = |file: &[u8]| {
        let moved = |errors: Vec<LineError>| {
            errors.into_iter().map(|error| LineError { line: error.line - 1, ..error }).collect()
        };
        bodies::read_registry(file).map_err(moved)
    };
    assert!(finds(|| bodies::registry(&wrong_line, file)) || finds(|| bodies::registry(&wrong_line, good)), "{file:?}");
    let renames = |file: &[u8]| {
        let named = |unit: Unit| Unit { site: format!("{}{}", unit.site, file.len()), ..unit };
        bodies::read_registry(file).map(|units| units.into_iter().map(named).collect::<Vec<Unit>>())
    };
    assert!(finds(|| bodies::registry(&renames, good)), "written, it reads as something else");
}
