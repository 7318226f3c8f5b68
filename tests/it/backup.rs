//! `liftwatch backup` beside a daemon that stores: the copy holds what was stored when it began, is whole, and goes on as
//! the city's database. A copy by other means does not.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
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
        Self::start_with("", |_| {})
    }

    /// A city that signs checkpoints each second; `ledger.pub` in its folder is the log's public key.
    fn signing() -> (Self, Daemon) {
        Self::start_with("[ledger]\nkey_file = \"ledger.key\"\nevery_seconds = 1\n", |folder| {
            let key = folder.path("ledger.key");
            let public = run(&["ledger", "key", "lifts.example/copied", "--out", text(&key)]).exits(0).out;
            folder.write("ledger.pub", &public);
        })
    }

    fn start_with(more: &str, prepare: impl FnOnce(&Folder)) -> (Self, Daemon) {
        let broker = Mosquitto::start();
        let folder = Folder::new(&broker.url(), more);
        prepare(&folder);
        folder.import("T-0001,350582,traction,maker-a,Garden,o,f\n").exits(0);
        let daemon = folder.serve_connected();
        (Self { broker, folder }, daemon)
    }

    /// These events, and back when they are on disk.
    fn store(&self, daemon: &Daemon, numbers: std::ops::RangeInclusive<u64>) {
        let before = events_of(daemon);
        let many = numbers.clone().count();
        self.publish(TOPIC, numbers.map(event));
        until("the events are stored", || events_of(daemon) == before + many as f64);
    }

    /// Each of these as one message.
    fn publish(&self, topic: &str, messages: impl Iterator<Item = String>) {
        let file = self.folder.write("lines", &messages.map(|message| message + "\n").collect::<String>());
        let port = self.broker.port.to_string();
        let script = format!("mosquitto_pub -V 5 -h 127.0.0.1 -p {port} -q 1 -t {topic} -l < {}", text(&file));
        assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
    }

    /// Visits with these numbers, and back when they are entered.
    fn visit(&self, daemon: &Daemon, numbers: std::ops::RangeInclusive<u64>) {
        let entered = || daemon.metric("liftwatch_ledger_entries").unwrap();
        let (before, many) = (entered(), numbers.clone().count());
        self.publish("lift/v1/350582/maker-a/T-0001/visit", numbers.map(visit));
        until("the visits are entered", || entered() >= before + many as f64);
    }

    /// The newest checkpoint once it covers all that is entered now, kept in a file as somebody outside would.
    fn keep_checkpoint(&self, daemon: &Daemon, name: &str) -> PathBuf {
        let entries = daemon.metric("liftwatch_ledger_entries").unwrap();
        let newest = || daemon.get("/api/v1/ledger/checkpoint").1;
        let size = |note: &str| note.lines().nth(1).and_then(|size| size.parse().ok()).unwrap_or(0.0);
        until("what is entered is signed", || size(&newest()) >= entries);
        self.folder.write(name, &newest())
    }

    /// What `verify` says of a database with the public key and a kept checkpoint.
    fn verify(&self, file: &Path, kept: &Path) -> Run {
        let key = self.folder.path("ledger.pub");
        run(&["verify", "--db", text(file), "--key", text(&key), "--checkpoint", text(kept)])
    }

    /// Puts a copy in the database's place; the log and index of the old file go.
    fn restore(&self, copy: &Path) {
        for old in ["city.db-wal", "city.db-shm"] {
            drop(std::fs::remove_file(self.folder.path(old)));
        }
        std::fs::copy(copy, self.folder.path("city.db")).unwrap();
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

fn visit(number: u64) -> String {
    format!(
        r#"{{"ts":"2026-11-20T09:00:00Z","record_id":"r-{number}","kind":"HM","started_at":"2026-11-20T08:00:00Z","ended_at":"2026-11-20T08:40:00Z","workers":["w-1","w-2"]}}"#
    )
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

    city.restore(&copy);
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
fn each_backup_made_while_visits_come_is_good_by_the_key_and_a_checkpoint_kept_before_it() {
    let (city, daemon) = City::signing();
    city.visit(&daemon, 1..=50);
    let kept = city.keep_checkpoint(&daemon, "kept.checkpoint");
    let copies = std::thread::scope(|scope| {
        let coming = scope.spawn(|| city.visit(&daemon, 51..=3_000));
        let mut copies = Vec::new();
        for number in 0..3 {
            let copy = city.folder.path(&format!("copy-{number}.db"));
            city.backup(&copy).exits(0);
            copies.push(copy);
        }
        coming.join().unwrap();
        copies
    });
    for copy in &copies {
        let said = city.verify(copy, &kept).exits(0).out;
        assert!(said.contains(": good. "), "{said}");
    }
    let later = city.keep_checkpoint(&daemon, "later.checkpoint");
    let lacks = city.verify(&copies[0], &later).exits(1);
    assert!(lacks.out.contains("later.checkpoint"), "{} {}", lacks.out, lacks.err);
    assert_eq!(daemon.stop().code(), Some(0));
    city.verify(&city.folder.path("city.db"), &later).exits(0);
    edit(&copies[1]);
    city.verify(&copies[1], &kept).exits(1);
}

/// What somebody with a SQLite shell could do to a copy.
fn edit(copy: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut file = SqliteConnectOptions::new().filename(copy).connect().await.unwrap();
        sqlx::query("update visit set ended_at = ended_at + 1 where record_id = 'r-7'")
            .execute(&mut file)
            .await
            .unwrap();
        file.close().await.unwrap();
    });
}

#[test]
fn a_daemon_that_gets_an_older_copy_serves_it_and_signs_nothing_until_the_newer_one_is_back() {
    let (city, daemon) = City::signing();
    city.visit(&daemon, 1..=5);
    let kept = city.keep_checkpoint(&daemon, "kept.checkpoint");
    let older = city.folder.path("older.db");
    city.backup(&older).exits(0);
    city.visit(&daemon, 6..=9);
    let newest = city.keep_checkpoint(&daemon, "newest.checkpoint");
    let newer = city.folder.path("newer.db");
    city.backup(&newer).exits(0);
    assert_eq!(daemon.stop().code(), Some(0));

    city.restore(&older);
    let daemon = city.folder.serve_connected();
    until("it says that it does not sign", || daemon.log().contains("an older state of the database was put back"));
    assert_eq!(daemon.items("/api/v1/visits?unit=T-0001").len(), 5);
    city.visit(&daemon, 10..=19);
    until("it sees another history", || daemon.log().contains("are not those that were signed"));
    assert_eq!(daemon.stop().code(), Some(0));
    let file = city.folder.path("city.db");
    city.verify(&file, &kept).exits(0);
    city.verify(&file, &newest).exits(1);

    city.restore(&newer);
    let daemon = city.folder.serve_connected();
    city.visit(&daemon, 20..=20);
    let signed = city.keep_checkpoint(&daemon, "signed.checkpoint");
    assert!(!daemon.log().contains("no checkpoint of the ledger is signed"), "{}", daemon.log());
    assert_eq!(daemon.stop().code(), Some(0));
    for checkpoint in [&kept, &newest, &signed] {
        city.verify(&file, checkpoint).exits(0);
    }
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
