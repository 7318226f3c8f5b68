//! Power cuts: of each file only what a sync has written is certain, and of what came later any part.
//! The preloaded shim (tests/shim/power.c) keeps what is certain; here the cut is made.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::load::{EVEN, FOR_EVER, Load, Plan, Story};
use super::town::{Town, campaign, turn, wait_for};
use crate::mosquitto::Mosquitto;

/// Cuts in everyday tests, and in one round of a longer campaign.
const ROUND: u64 = 40;

/// What a disk writes as one.
const BLOCK: usize = 4096;

/// Compiles the shim and gives its path.
fn shim(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shim/power.c");
    let library = folder.join("power.so");
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"]).arg(&library).arg(source).arg("-ldl");
    let done = compile.output().expect("cc: apt-get install build-essential");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    library
}

fn with_ending(file: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", file.display()))
}

/// What the disk has of a file after the cut: the durable copy, and each block written since with a chance of `survive`
/// in 100. Returns how many blocks were at stake.
fn cut_file(file: &Path, survive: u32, rng: &mut fastrand::Rng) -> u64 {
    let durable = with_ending(file, ".durable");
    if !file.exists() {
        // Removed by the daemon, and with it what was certain of it.
        drop(std::fs::remove_file(durable));
        return 0;
    }
    let live = std::fs::read(file).unwrap();
    let mut disk = std::fs::read(&durable).unwrap_or_default();
    let mut at_stake = 0;
    for start in (0..live.len()).step_by(BLOCK) {
        let written = &live[start..live.len().min(start + BLOCK)];
        let end = start + written.len();
        if disk.get(start..end) == Some(written) {
            continue;
        }
        at_stake += 1;
        if rng.u32(..100) < survive {
            disk.resize(disk.len().max(end), 0);
            disk[start..end].copy_from_slice(written);
        }
    }
    std::fs::write(file, &disk).unwrap();
    std::fs::write(durable, &disk).unwrap();
    at_stake
}

/// Cuts the power of a town whose daemon has just been killed.
fn cut(town: &Town, rng: &mut fastrand::Rng) -> u64 {
    // Nothing of what was not synced, all of it, or some.
    let survive = [0, 0, 50, 90, 100][rng.usize(..5)];
    // Shared memory is no file on a disk.
    drop(std::fs::remove_file(with_ending(town.store(), "-shm")));
    let files = ["", "-wal", "-journal"];
    files.iter().map(|ending| cut_file(&with_ending(town.store(), ending), survive, rng)).sum()
}

/// So many power cuts under load, and then one life in peace.
fn round(cuts: u64, seed: u64, broken: &[(&str, &str)]) -> (Runtime, Mosquitto, Town, Story, u64) {
    let broker = Mosquitto::start();
    let town = Town::new(&broker.url(), 200);
    let shim = shim(&town.path(""));
    let environment = [broken, &[("LD_PRELOAD", shim.to_str().unwrap())]].concat();
    // What the import has left is certain.
    std::fs::copy(town.store(), with_ending(town.store(), ".durable")).unwrap();
    let runtime = Runtime::new().unwrap();
    let mut daemon = town.start(&environment);
    daemon.says("subscribed");
    let load = Load::begin(&runtime, broker.port, Plan { units: 200, rate: 800.0, from: 0, to: FOR_EVER });
    daemon.kill();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut at_stake = cut(&town, &mut rng);
    for _ in 0..cuts {
        let before = runtime.block_on(town.events());
        let daemon = town.start(&environment);
        // Every life stores something that a cut could take.
        wait_for(Duration::from_secs(20), "something stored", || runtime.block_on(town.events()) > before);
        std::thread::sleep(Duration::from_millis(rng.u64(0..250)));
        daemon.kill();
        at_stake += cut(&town, &mut rng);
    }
    let story = load.stop(&runtime);
    let mut daemon = town.start(&environment);
    daemon.says("subscribed");
    story.wait_until_delivered(&runtime, &broker, &town);
    assert_eq!(daemon.stop(), Some(0));
    (runtime, broker, town, story, at_stake)
}

#[test]
fn a_power_cut_loses_nothing_acknowledged() {
    let _turn = turn();
    let wanted = campaign(5 * ROUND) / 5;
    let mut done = 0;
    while done < wanted {
        let began = tokio::time::Instant::now();
        let cuts = ROUND.min(wanted - done);
        let (runtime, _broker, town, story, at_stake) = round(cuts, done, &[]);
        runtime.block_on(story.assert_whole(&town));
        println!(
            "power cuts, full: {cuts}, {} events, {at_stake} blocks not synced, missing 0, extra 0, {:.0?}",
            story.told,
            began.elapsed()
        );
        done += cuts;
    }
}

#[test]
fn twin_with_synchronous_normal_is_caught() {
    let _turn = turn();
    let (runtime, _broker, town, story, at_stake) = round(10, 3, &[("LIFTWATCH_TEST_SYNCHRONOUS_NORMAL", "1")]);
    let balance = runtime.block_on(story.balance(&town));
    println!("power cuts, normal: 10, {} events, {at_stake} blocks not synced, {balance:?}", story.told);
    assert!(balance != EVEN && balance.missing > 0, "{balance:?}");
}
