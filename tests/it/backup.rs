//! `liftwatch backup` beside a daemon that stores: the copy holds what was stored when it began, is whole, and goes on as
//! the city's database. A copy by other means does not.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use crate::mosquitto::Mosquitto;
use crate::process::{Daemon, Folder, Run, run, text, until};

const TOPIC: &str = "lift/v1/350582/maker-a/T-0001/event";

struct City {
    broker: Mosquitto,
    folder: Folder,
}

impl City {
    fn start() -> (Self, Daemon) {
        let broker = Mosquitto::start();
        let folder = Folder::new(&broker.url(), "");
        folder.import("T-0001,350582,traction,maker-a,Garden,o,f\n").exits(0);
        let daemon = folder.serve_connected();
        (Self { broker, folder }, daemon)
    }

    /// These events, and back when they are on disk.
    fn store(&self, daemon: &Daemon, numbers: std::ops::RangeInclusive<u64>) {
        let before = events_of(daemon);
        let many = numbers.clone().count();
        let lines: String = numbers.map(|seq| event(seq) + "\n").collect();
        let file = self.folder.write("lines", &lines);
        let port = self.broker.port.to_string();
        let script = format!("mosquitto_pub -V 5 -h 127.0.0.1 -p {port} -q 1 -t {TOPIC} -l < {}", text(&file));
        assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
        until("the events are stored", || events_of(daemon) == before + many as f64);
    }

    fn backup(&self, to: &Path) -> Run {
        run(&["backup", "--config", text(&self.folder.config()), "--to", text(to)])
    }
}

fn event(seq: u64) -> String {
    format!(r#"{{"ts":"2026-11-23T04:00:00Z","boot":"b1","seq":{seq},"type":"alarm_pressed"}}"#)
}

fn events_of(daemon: &Daemon) -> f64 {
    daemon.metric(r#"liftwatch_events_stored_total{type="alarm_pressed"}"#).unwrap()
}

/// The events in a file that no daemon has open.
fn events_in(file: &Path) -> i64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(file).read_only(true).immutable(true);
        let mut file = options.connect().await.unwrap();
        let count = sqlx::query_scalar("select count(*) from event").fetch_one(&mut file).await.unwrap_or(-1);
        file.close().await.unwrap();
        count
    })
}

fn files(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn a_backup_beside_a_running_daemon_has_all_that_was_stored_and_goes_on_as_the_database() {
    let (city, daemon) = City::start();
    city.store(&daemon, 1..=500);
    let place = tempfile::tempdir().unwrap();
    let copy = place.path().join("lifts.db");
    let said = city.backup(&copy).exits(0);
    assert!(said.out.contains("every page and index of it checked"), "{}", said.out);
    assert_eq!(files(place.path()), ["lifts.db"], "nothing is left beside it");
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600, "personal data are in it");
    assert_eq!(events_in(&copy), 500);
    city.store(&daemon, 501..=600);
    assert_eq!(daemon.stop().code(), Some(0));

    // Restored: the copy takes the file's place, and the log and index of the old file go.
    for old in ["city.db-wal", "city.db-shm"] {
        drop(std::fs::remove_file(city.folder.path(old)));
    }
    std::fs::copy(&copy, city.folder.path("city.db")).unwrap();
    let daemon = city.folder.serve_connected();
    assert_eq!(daemon.items("/api/v1/events").len(), 500);
    // What came after the backup comes again from a controller that keeps it.
    city.store(&daemon, 501..=600);
    assert_eq!(daemon.items("/api/v1/events").len(), 600);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn twin_a_plain_copy_of_the_live_file_lacks_events() {
    let (city, daemon) = City::start();
    city.store(&daemon, 1..=200);
    let copy = city.folder.path("copied.db");
    std::fs::copy(city.folder.path("city.db"), &copy).unwrap();
    assert!(events_in(&copy) < 200, "a plain copy would do");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_backup_works_while_events_come_and_without_a_daemon() {
    let (city, daemon) = City::start();
    city.store(&daemon, 1..=100);
    let stream = std::thread::scope(|scope| {
        let coming = scope.spawn(|| city.store(&daemon, 101..=5_000));
        let mut copied = Vec::new();
        for number in 0..5 {
            let copy = city.folder.path(&format!("copy-{number}.db"));
            city.backup(&copy).exits(0);
            copied.push(events_in(&copy));
        }
        coming.join().unwrap();
        copied
    });
    assert!(stream.is_sorted() && stream[0] >= 100, "{stream:?}");
    assert_eq!(daemon.stop().code(), Some(0));
    let copy = city.folder.path("still.db");
    city.backup(&copy).exits(0);
    assert_eq!(events_in(&copy), 5_000);
}

#[test]
fn a_backup_takes_no_files_place_and_leaves_nothing_when_it_fails() {
    let (city, daemon) = City::start();
    let place = tempfile::tempdir().unwrap();
    let there = place.path().join("precious");
    std::fs::write(&there, "keep me").unwrap();
    assert!(city.backup(&there).exits(1).err.contains("is there already"));
    assert_eq!(std::fs::read(&there).unwrap(), b"keep me");
    let nowhere = place.path().join("absent/lifts.db");
    assert!(city.backup(&nowhere).exits(1).err.contains("cannot be written"));
    assert_eq!(daemon.stop().code(), Some(0));

    // Half of the database is spoiled: no copy is made of the other half.
    let mut bytes = std::fs::read(city.folder.path("city.db")).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..].fill(0x5a);
    std::fs::write(city.folder.path("city.db"), bytes).unwrap();
    let refused = city.backup(&place.path().join("lifts.db")).exits(1);
    assert!(refused.err.contains("cannot be made"), "{}", refused.err);
    assert_eq!(files(place.path()), ["precious"]);

    std::fs::write(city.folder.path("city.db"), "").unwrap();
    assert!(city.backup(&place.path().join("lifts.db")).exits(1).err.contains("another program"));
    for file in ["city.db", "city.db-wal", "city.db-shm"] {
        drop(std::fs::remove_file(city.folder.path(file)));
    }
    assert!(city.backup(&place.path().join("lifts.db")).exits(1).err.contains("is not there"));
}
