//! `demo` and `simulate` as their reader meets them: something to see within seconds, a clean end, and the same story for
//! the same seed.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use liftwatch::domain::time::Timestamp;
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Row};
use tokio::time::Instant;

use crate::mosquitto::Mosquitto;
use crate::process::{ended, get, liftwatch, run, signal, text, until, until_within};

/// A demo that runs; killed when dropped.
struct Demo {
    child: Child,
    out: PathBuf,
}

impl Demo {
    fn start(dir: &Path, arguments: &[&str]) -> Self {
        let out = dir.join("out.txt");
        let common = ["demo", "--http", "127.0.0.1:0", "--units", "300"];
        let child = liftwatch(&[&common[..], arguments].concat())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(dir.join("err.txt")).unwrap())
            .spawn();
        Self { child: child.unwrap(), out }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.out).unwrap()
    }

    /// SIGTERM; returns all that it said.
    fn stop(mut self) -> String {
        signal(&self.child, "TERM");
        assert_eq!(ended(&mut self.child).code(), Some(0), "{}", self.said());
        self.said()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The word behind a label in the demo's first lines.
fn behind(said: &str, label: &str) -> Option<String> {
    let line = said.lines().find(|line| line.trim_start().starts_with(label))?;
    line.split_whitespace().nth(1).map(str::to_owned)
}

#[test]
fn shows_progress_and_an_alert_within_10_seconds_and_says_at_the_end_what_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let demo = Demo::start(dir.path(), &["--speed", "20", "--dir", text(&dir.path().join("city"))]);
    until_within(Duration::from_secs(10), "progress and an alert with its evidence", || {
        let said = demo.said();
        said.contains("messages/s") && said.contains("  ALERT ") && said.contains("    evidence ")
    });
    assert!(began.elapsed() < Duration::from_secs(10));
    let said = demo.said();
    assert!(said.contains("300 units (seed 42, speed 20), 300 added"), "{said}");

    let home = behind(&said, "pages").unwrap();
    let link = behind(&said, "page ").unwrap();
    let alert = link.strip_prefix(home.as_str()).unwrap_or_else(|| panic!("{link} leads to the pages at {home}"));
    for path in ["", "alerts", "units", "quarantine", alert, "?lang=en", "api/v1/alerts", "metrics", "-/ready"] {
        let (status, body) = get(&format!("{home}{path}"));
        assert_eq!(status, 200, "{path}: {body}");
    }
    let (_, page) = get(&format!("{home}?lang=zh"));
    assert!(page.contains("演示城") || page.contains("350582"), "{page}");

    let said = demo.stop();
    let last = said.lines().rfind(|line| line.starts_with("stored: ")).unwrap_or_else(|| panic!("{said}"));
    let events: i64 = last.split_whitespace().nth(1).unwrap().parse().unwrap();
    let kept = rows(&dir.path().join("city/liftwatch.db"), "select count(*) from event", |row| row.get::<i64, _>(0));
    assert_eq!(kept, [events], "{last}");
    assert!(events > 0, "{last}");
}

fn rows<T>(file: &Path, query: &'static str, read: impl Fn(&sqlx::sqlite::SqliteRow) -> T) -> Vec<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut reader = SqliteConnectOptions::new().filename(file).read_only(true).connect().await.unwrap();
        sqlx::query(query).fetch_all(&mut reader).await.unwrap().iter().map(read).collect()
    })
}

/// What the demo's past is, wherever in time it lies: how long before the first event of all, which unit, what.
fn past(dir: &Path) -> BTreeSet<(i64, String, String, String)> {
    let query = "select ts, unit, type, coalesce(code, '') from event order by ts";
    let events = rows(&dir.join("liftwatch.db"), query, |row| {
        (row.get::<i64, _>(0), row.get::<String, _>(1), row.get::<String, _>(2), row.get::<String, _>(3))
    });
    let first = events[0].0;
    let day = 24 * 3_600_000;
    // The past is 30 days long; what happens live depends on when it is stopped.
    events
        .into_iter()
        .map(|event| (event.0 - first, event.1, event.2, event.3))
        .filter(|event| event.0 < 28 * day)
        .collect()
}

#[test]
fn the_same_seed_has_the_same_past() {
    let tell = |seed: &str| {
        let dir = tempfile::tempdir().unwrap();
        let city = dir.path().join("city");
        let demo = Demo::start(dir.path(), &["--seed", seed, "--dir", text(&city)]);
        // The past goes first and at once, and then hardly anything happens: two equal lines are its end.
        until("the past is stored", || {
            let said = demo.said();
            let stored: Vec<&str> = said.lines().filter_map(|line| line.split("units heard").nth(1)).collect();
            let stored: Vec<&str> = stored.iter().filter_map(|behind| behind.split_whitespace().next()).collect();
            matches!(stored[..], [.., before, last] if before == last && last != "0")
        });
        demo.stop();
        past(&city)
    };
    let (one, same, other) = (tell("7"), tell("7"), tell("8"));
    assert!(one.len() > 100, "{} events", one.len());
    assert_eq!(one, same);
    assert_ne!(one, other);
}

#[test]
fn a_busy_port_names_the_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let refused = run(&["demo", "--units", "1", "--http", &address.to_string()]).exits(1);
    for part in [&address.to_string(), "in use", "--http"] {
        assert!(refused.err.contains(part), "{part} is not in {}", refused.err);
    }
    let port = address.port().to_string();
    let refused = run(&["demo", "--units", "1", "--http", "127.0.0.1:0", "--mqtt-port", &port]).exits(1);
    for part in [port.as_str(), "--mqtt-port"] {
        assert!(refused.err.contains(part), "{part} is not in {}", refused.err);
    }
}

/// The first messages of a simulated city, as a listener at the broker hears them, each publisher's in their order.
fn simulated(seed: &str, count: usize) -> Vec<String> {
    let broker = Mosquitto::start_with("allow_anonymous true\nlog_type all\n");
    let listener = Command::new("mosquitto_sub")
        .args(["-V", "5", "-h", "127.0.0.1", "-p", &broker.port.to_string(), "-q", "1", "-t", "lift/v1/+/+/+/event"])
        .args(["-v", "-W", "30", "-C", &count.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    until("mosquitto_sub listens", || broker.log().contains("lift/v1/+/+/+/event"));
    let start = Timestamp(1_767_225_600_000).to_string();
    let url = broker.url();
    let mut city = liftwatch(&["simulate", "--units", "40", "--seed", seed, "--start", &start, "--broker", &url])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let heard = listener.wait_with_output().unwrap();
    signal(&city, "TERM");
    assert_eq!(ended(&mut city).code(), Some(0));
    let mut lines: Vec<String> = String::from_utf8(heard.stdout).unwrap().lines().map(str::to_owned).collect();
    // Publishers have connections of their own, between which there is no order.
    lines.sort_by_key(|line| line.split('/').nth(3).map(str::to_owned));
    lines
}

#[test]
fn the_same_seed_and_start_make_the_same_messages() {
    let one = simulated("7", 40);
    assert_eq!(one.len(), 40);
    let body: Value = serde_json::from_str(one[0].split_once(' ').unwrap().1).unwrap();
    assert!(body["ts"].as_str().unwrap() < "2026-01-01", "{body}");
    let (same, other) = (simulated("7", 40), simulated("8", 40));
    let of = |lines: &[String], publisher: &str| -> Vec<String> {
        lines.iter().filter(|line| line.split('/').nth(3) == Some(publisher)).cloned().collect()
    };
    let publishers: BTreeSet<&str> = one.iter().filter_map(|line| line.split('/').nth(3)).collect();
    for publisher in publishers {
        // Which connection is quicker decides how many of each are among the first.
        let (one, same) = (of(&one, publisher), of(&same, publisher));
        let common = one.len().min(same.len());
        assert_eq!(one[..common], same[..common], "{publisher}");
    }
    assert_ne!(one, other);
}
