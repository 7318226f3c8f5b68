//! A status log through a real broker into the daemon, twice: nothing is missing, nothing is added, and the episodes are
//! those that an independent script computes from the log.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use liftwatch::domain::time::Timestamp;
use serde_json::Value;

use crate::mosquitto::Mosquitto;
use crate::process::{Daemon, Folder, run, text, until};

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(name)
}

/// What a script of tests/reference prints.
fn script(name: &str, arguments: &[&Path]) -> String {
    let output = Command::new("python3").arg(reference(name)).args(arguments).output();
    let output = output.expect("python3: apt-get install python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Unit, start and end in milliseconds, as the script prints them.
fn episodes(alerts: &[Value]) -> BTreeSet<String> {
    let time = |alert: &Value, field: &str| Timestamp::parse(alert[field].as_str().unwrap()).unwrap().0;
    let line = |alert: &Value| {
        format!("{},{},{}", alert["unit"].as_str().unwrap(), time(alert, "starts_at"), time(alert, "ends_at"))
    };
    alerts.iter().map(line).collect()
}

fn repeated_faults(daemon: &Daemon) -> Vec<Value> {
    daemon.items("/api/v1/alerts?rule=repeated_fault&state=all")
}

/// Replays the log; returns how many messages the broker took.
fn replay(log: &Path, broker: &Mosquitto) -> u64 {
    let said = run(&["replay", text(log), "--broker", &broker.url()]).exits(0).out;
    let numbers: Vec<u64> = said.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
    let [rows, units, messages, taken] = numbers[..] else { panic!("{said}") };
    assert_eq!((rows, units, messages), (260, 14, taken), "{said}");
    messages
}

#[test]
fn the_log_is_the_generators() {
    let made = script("make_status_log.py", &[]);
    assert_eq!(made, std::fs::read_to_string(reference("status_log.csv")).unwrap());
}

#[test]
fn a_replayed_log_gives_the_scripts_episodes_and_a_second_replay_adds_nothing() {
    let log = reference("status_log.csv");
    let broker = Mosquitto::start();
    let folder = Folder::new(&broker.url(), "");
    let registry = folder.path("units.csv");
    run(&["replay", text(&log), "--registry", text(&registry)]).exits(0);
    let imported = run(&["import", "units", text(&registry), "--config", text(&folder.config())]).exits(0);
    assert_eq!(imported.out, "14 added, 0 changed, 0 unchanged\n");
    let daemon = folder.serve_connected();
    let received = || daemon.metric(r#"liftwatch_messages_received_total{class="event"}"#).unwrap() as u64;

    let messages = replay(&log, &broker);
    until("the log is received", || received() == messages);
    assert_eq!(daemon.items("/api/v1/events").len() as u64, messages);
    let alerts = repeated_faults(&daemon);
    let expected: BTreeSet<String> = script("episodes.py", &[&log]).lines().map(str::to_owned).collect();
    assert_eq!(alerts.len(), expected.len());
    assert_eq!(episodes(&alerts), expected);
    assert!(expected.len() > 10, "a log without episodes proves nothing");
    assert!(alerts.iter().all(|alert| alert["late"] == true && alert["state"] == "resolved"), "{alerts:?}");

    assert_eq!(replay(&log, &broker), messages);
    until("the log is received again", || received() == 2 * messages);
    assert_eq!(daemon.items("/api/v1/events").len() as u64, messages);
    assert_eq!(repeated_faults(&daemon), alerts, "the same alerts with the same ids");
    assert_eq!(daemon.metric("liftwatch_duplicates_total"), Some(messages as f64));
    assert_eq!(daemon.items("/api/v1/quarantine").len(), 0);

    let units = daemon.items("/api/v1/units");
    assert!(units.iter().all(|unit| unit["unmonitored"] == true), "no unit has ever sent a state");
    assert_eq!(daemon.items("/api/v1/alerts?rule=silent_unit").len(), 0, "so none of them is silent");
}

#[test]
fn a_bad_line_or_map_is_told_before_anything_is_sent() {
    let folder = Folder::new("mqtt://127.0.0.1", "");
    let log = folder.write("log.csv", "time,unit,symptom,category\n2019-03-01T00:00:00Z,A,x,ON\n2019-03-01,A,x,ON\n");
    // Nobody listens at port 1, and nobody has to.
    let broker = ["--broker", "mqtt://127.0.0.1:1"];
    let refused = run(&[&["replay", text(&log)][..], &broker].concat()).exits(1);
    assert!(refused.err.contains(&format!("{}: line 3: column time: ", text(&log))), "{}", refused.err);
    let map = "unit=unit,time=time,category=category,raised=BROKEN";
    let refused = run(&[&["replay", text(&log), "--map", map][..], &broker].concat()).exits(1);
    assert!(refused.err.contains("line 2: column category: \"ON\" has no meaning"), "{}", refused.err);
}
