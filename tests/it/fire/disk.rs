//! A full disk: it says so, stays up for reading, acknowledges nothing that is not stored, and goes on when there is room.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::Instant;

use super::load::{FOR_EVER, Load, Plan, Story};
use super::town::{Daemon, PATIENCE, Town, turn, wait_for};
use crate::mosquitto::Mosquitto;

/// A small file system of its own; unmounted when dropped.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: PathBuf) -> Self {
        std::fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(&at).output().unwrap();
        let said = String::from_utf8_lossy(&mounted.stderr);
        assert!(mounted.status.success(), "this test needs root to mount a small tmpfs: {said}");
        Self(at)
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut ballast = std::fs::File::options().create(true).append(true).open(self.0.join("ballast")).unwrap();
        while ballast.write(&[0; 4096]).is_ok() {}
    }

    /// Gives it back.
    fn make_room(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a daemon that a failed test leaves behind may still hold a file.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

/// The disk comes second, so that it goes first: a mounted folder cannot be removed.
fn on_a_small_disk(broker: &Mosquitto) -> (Town, Disk) {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::mount(dir.path().join("disk"));
    let store = disk.path().join("city.db");
    (Town::with_store(dir, store, &broker.url(), 100), disk)
}

#[test]
fn a_full_disk_is_said_waited_out_and_loses_nothing() {
    let _turn = turn();
    let broker = Mosquitto::start();
    let (town, disk) = on_a_small_disk(&broker);
    let runtime = Runtime::new().unwrap();
    let mut daemon = town.start(&[]);
    daemon.says("subscribed");
    let load = Load::begin(&runtime, broker.port, Plan { units: 100, rate: 500.0, from: 0, to: FOR_EVER });

    disk.fill();
    daemon.says("nothing can be stored");
    let (ready, why) = daemon.get("/-/ready");
    assert_eq!(ready, 503, "{why}");
    assert!(why.contains("full"), "{why}");
    assert_eq!(daemon.get("/-/healthy").0, 200);
    assert_eq!(daemon.get("/api/v1/events?limit=10").0, 200);
    assert_eq!(daemon.get("/").0, 200);
    let at_full = runtime.block_on(town.events());
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(runtime.block_on(town.events()), at_full, "nothing is stored while the disk is full");

    disk.make_room();
    let began = Instant::now();
    daemon.says_within(Duration::from_secs(5), "storing again");
    let waited = began.elapsed();

    let story = die_while_it_is_full(&runtime, &broker, &town, &disk, load, daemon, &[]);
    runtime.block_on(story.assert_whole(&town));
    println!("full disk: went on {waited:.1?} after there was room; {} events, missing 0, extra 0", story.told);
}

/// The disk is full, and then kill -9; with room again, one life in peace.
fn die_while_it_is_full(
    runtime: &Runtime,
    broker: &Mosquitto,
    town: &Town,
    disk: &Disk,
    load: Load,
    daemon: Daemon,
    broken: &[(&str, &str)],
) -> Story {
    disk.fill();
    wait_for(PATIENCE, "full", || daemon.get("/-/ready").0 == 503);
    daemon.kill();
    disk.make_room();
    let mut daemon = town.start(broken);
    daemon.says("subscribed");
    let story = load.stop(runtime);
    story.wait_until_delivered(runtime, broker, town);
    assert_eq!(daemon.stop(), Some(0));
    story
}

#[test]
fn twin_that_acknowledges_what_finds_no_room_is_caught() {
    let _turn = turn();
    let broker = Mosquitto::start();
    let (town, disk) = on_a_small_disk(&broker);
    let runtime = Runtime::new().unwrap();
    let broken = [("LIFTWATCH_TEST_ACK_BEFORE_COMMIT", "1")];
    let mut daemon = town.start(&broken);
    daemon.says("subscribed");
    let load = Load::begin(&runtime, broker.port, Plan { units: 100, rate: 500.0, from: 0, to: FOR_EVER });
    let story = die_while_it_is_full(&runtime, &broker, &town, &disk, load, daemon, &broken);
    let balance = runtime.block_on(story.balance(&town));
    println!("acknowledge before commit, full disk: {} told, {balance:?}", story.told);
    assert!(balance.missing > 0, "{balance:?}");
}
