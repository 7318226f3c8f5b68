//! What `deploy/` ships, tried as it is shipped: only ports and paths are others.

mod machine;

mod broker;

mod supervised;

mod package;

mod containers;

mod guide;

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A shipped file's text.
fn shipped(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Replaces what must be there exactly so many times.
fn swap(text: &str, from: &str, to: &str, times: usize) -> String {
    assert_eq!(text.matches(from).count(), times, "{from:?} in\n{text}");
    text.replace(from, to)
}

/// Runs a tool to its end; what it said.
fn tool(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; tests/run installs it"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    said
}
