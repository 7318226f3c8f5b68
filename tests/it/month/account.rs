//! What the daemon's half of a month leaves behind for the other one, and what that must be like.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use liftwatch::domain::time::{DAY, Timestamp};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use super::life::{self, Life};
use super::plan::Plan;
use super::{LOOKS, SECOND};
use crate::world::{START, Seen, alerts_in};

pub const MIB: u64 = 1024 * 1024;

/// How large the write-ahead log may become, in bytes.
pub const LOG: u64 = 64 * MIB;

/// What SQLite keeps of the file in memory: it fills as the file grows, up to what the store asks for.
const PAGES: u64 = 16 * MIB;

/// What the allocator and the month's own telling may move up and down.
const SLACK: u64 = 8 * MIB;

fn append(folder: &Path, name: &str) -> File {
    OpenOptions::new().create(true).append(true).open(folder.join(name)).unwrap()
}

/// Writes down how large everything is on an evening.
pub fn sample(folder: &Path, name: &str, day: i64, life: &Life) {
    let (memory, log, file) = (life::memory(), life.log, life.file_now());
    writeln!(append(folder, "samples"), "{} {day} {memory} {log} {file}", u8::from(name == SECOND)).unwrap();
}

/// Writes down every alert on an evening, `rule unit start end severity`, and whether it fires.
pub async fn look(folder: &Path, day: i64) {
    let options = SqliteConnectOptions::new().filename(folder.join("liftwatch.db")).read_only(true);
    let mut file = append(folder, &format!("alerts-{day}"));
    for alert in alerts_in(&mut options.connect().await.unwrap()).await {
        let Seen { rule, unit, starts, ends, severity, firing, .. } = alert;
        let ends = ends.map_or_else(|| "-".to_owned(), |ends| ends.to_string());
        writeln!(file, "{rule} {unit} {starts} {ends} {severity} {firing}").unwrap();
    }
}

/// Writes down what a life took.
pub fn done(folder: &Path, life: &Life) {
    let taken = life.taken;
    writeln!(append(folder, "taken"), "{} {} {} {}", taken.messages, taken.events, taken.duplicates, taken.refused)
        .unwrap();
}

struct Sample {
    life: u64,
    day: i64,
    memory: u64,
    log: u64,
    file: u64,
}

impl Sample {
    /// Memory without the pages of the file that may be in it.
    fn own(&self) -> u64 {
        self.memory.saturating_sub(self.file.min(PAGES))
    }
}

pub struct Account {
    /// By day: each alert, and whether it fires.
    pub alerts: BTreeMap<i64, BTreeMap<String, bool>>,
    pub taken: String,
    samples: Vec<Sample>,
}

fn numbers(line: &str) -> Vec<u64> {
    line.split(' ').map(|number| number.parse().unwrap()).collect()
}

impl Account {
    pub fn read(folder: &Path) -> Self {
        let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let alerts = |day: i64| {
            let lines = text(&format!("alerts-{day}"));
            let alert = |line: &str| {
                let (alert, firing) = line.rsplit_once(' ').unwrap();
                (alert.to_owned(), firing == "true")
            };
            let alerts: BTreeMap<String, bool> = lines.lines().map(alert).collect();
            assert_eq!(alerts.len(), lines.lines().count(), "no alert stands twice");
            (day, alerts)
        };
        let sample = |line: &str| match numbers(line)[..] {
            [life, day, memory, log, file] => Sample { life, day: i64::try_from(day).unwrap(), memory, log, file },
            _ => panic!("not a sample: {line}"),
        };
        let mut taken = [0; 4];
        for line in text("taken").lines() {
            taken.iter_mut().zip(numbers(line)).for_each(|(sum, number)| *sum += number);
        }
        let [messages, events, duplicates, refused] = taken;
        Self {
            alerts: LOOKS.into_iter().map(alerts).collect(),
            taken: format!("{messages} messages, {events} events, {duplicates} told twice, {refused} refused"),
            samples: text("samples").lines().map(sample).collect(),
        }
    }

    /// The evenings of which the documents speak.
    pub fn table(&self) -> String {
        let line = |sample: &Sample| {
            let [memory, log, file] = [sample.memory, sample.log, sample.file].map(|bytes| bytes as f64 / MIB as f64);
            format!("day {}: memory {memory:.1} MiB, log at most {log:.1} MiB, file {file:.1} MiB", sample.day)
        };
        self.samples.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// The largest that the log ever was.
    pub fn log(&self) -> u64 {
        self.samples.iter().map(|sample| sample.log).max().unwrap()
    }

    /// After two days of a life memory grows no more than the pages of the file do.
    pub fn assert_flat(&self) {
        let second = (Plan::killed().1 - START) / DAY + 1;
        for (life, settled) in [(0, 2), (1, second + 2)] {
            let of_life: Vec<&Sample> = self.samples.iter().filter(|sample| sample.life == life).collect();
            let before = of_life.iter().find(|sample| sample.day == settled).unwrap().own();
            for after in of_life.iter().filter(|sample| sample.day > settled) {
                let Sample { day, memory, file, .. } = after;
                assert!(
                    after.own() <= before + SLACK,
                    "day {day}: {memory} bytes with a file of {file}; without its pages {before} on day {settled}"
                );
            }
        }
    }
}

/// Holds the alerts of a day against the witness'.
pub fn assert_same(day: i64, stored: &BTreeMap<String, bool>, expected: &BTreeSet<String>) {
    let missing: Vec<&String> = expected.iter().filter(|alert| !stored.contains_key(*alert)).collect();
    let extra: Vec<&String> = stored.keys().filter(|alert| !expected.contains(*alert)).collect();
    assert!(missing.is_empty() && extra.is_empty(), "day {day}: missing {missing:#?}, extra {extra:#?}");
}

/// Holds against its end whether each alert fires. One of a unit that is silent now may fire on beyond it.
pub fn assert_firing(day: i64, stored: &BTreeMap<String, bool>, silent: &HashSet<String>) {
    let now = START + day * DAY;
    for (alert, firing) in stored {
        let [rule, unit, _, ends, _] = alert.split(' ').collect::<Vec<_>>()[..] else { panic!("{alert}") };
        let lasts = ends == "-" || Timestamp::parse(ends).unwrap() > now;
        let records = ["maintenance_overdue", "visit_without_trace", "worker_in_two_places", "visit_too_short"];
        let held = rule != "entrapment" && !records.contains(&rule) && silent.contains(unit);
        assert!(*firing == lasts || (held && *firing), "day {day}: {alert}, firing: {firing}");
    }
}
