//! kill -9 at every named stage and at random moments, under load, with every twentieth message twice.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::load::{EVEN, FOR_EVER, Load, Plan, Story};
use super::town::{Town, campaign, turn};
use crate::mosquitto::Mosquitto;

/// Kills in everyday tests, and in one round of a longer campaign.
const ROUND: u64 = 200;

/// So many that a unit's story stays short enough for the naive model.
const UNITS: u64 = 200;

const STAGES: [&str; 7] =
    ["before_begin", "after_insert", "after_judge", "before_commit", "after_commit", "before_ack", "after_ack"];

/// What a crash point ends the process with.
const SIGABRT: i32 = 6;

/// How the lives of a round ended.
#[derive(Debug, Default)]
struct Deaths {
    /// At the stage that was asked for, by its place in [`STAGES`]; the last is the flush.
    staged: [u64; 8],
    /// From outside.
    random: u64,
}

impl Deaths {
    fn all(&self) -> u64 {
        self.staged.iter().sum::<u64>() + self.random
    }
}

/// One life, and its end.
fn live_and_die(town: &Town, turn: u64, rng: &mut fastrand::Rng, broken: &[(&str, &str)], deaths: &mut Deaths) {
    let place = usize::try_from(turn % 15).unwrap();
    if place < 7 {
        let crash = format!("{}:{}", STAGES[place], rng.u32(1..=3));
        let mut daemon = town.start(&[broken, &[("LIFTWATCH_TEST_CRASH", &crash)]].concat());
        if daemon.ended_within(Duration::from_secs(5)).is_some() {
            deaths.staged[place] += 1;
        } else {
            daemon.kill();
            deaths.random += 1;
        }
    } else if place == 7 {
        // Draining flushes what was heard; so it dies while it drains.
        let mut daemon = town.start(&[broken, &[("LIFTWATCH_TEST_CRASH", "in_flush:1")]].concat());
        std::thread::sleep(Duration::from_millis(rng.u64(300..500)));
        daemon.terminate();
        let status = daemon.ended_within(Duration::from_secs(20)).expect("it ends");
        if status.signal() == Some(SIGABRT) {
            deaths.staged[7] += 1;
        } else {
            deaths.random += 1;
        }
    } else {
        let daemon = town.start(broken);
        std::thread::sleep(Duration::from_millis(rng.u64(50..350)));
        daemon.kill();
        deaths.random += 1;
    }
}

/// So many lives under load, and then one in peace.
fn round(kills: u64, seed: u64, broken: &[(&str, &str)]) -> (Runtime, Mosquitto, Town, Story, Deaths) {
    let broker = Mosquitto::start();
    let town = Town::new(&broker.url(), UNITS);
    let runtime = Runtime::new().unwrap();
    // The first life takes the session up, so that the broker keeps what comes from then on.
    let mut daemon = town.start(broken);
    daemon.says("subscribed");
    let load = Load::begin(&runtime, broker.port, Plan { units: UNITS, rate: 800.0, from: 0, to: FOR_EVER });
    daemon.kill();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut deaths = Deaths::default();
    for turn in 0..kills {
        live_and_die(&town, turn, &mut rng, broken, &mut deaths);
    }
    let story = load.stop(&runtime);
    let mut daemon = town.start(broken);
    daemon.says("subscribed");
    story.wait_until_delivered(&runtime, &broker, &town);
    assert_eq!(daemon.stop(), Some(0));
    (runtime, broker, town, story, deaths)
}

#[test]
fn kill_9_at_every_stage_and_at_random_loses_nothing_and_doubles_nothing() {
    let _turn = turn();
    let wanted = campaign(ROUND);
    let mut done = 0;
    while done < wanted {
        let began = tokio::time::Instant::now();
        let kills = ROUND.min(wanted - done);
        let (runtime, _broker, town, story, deaths) = round(kills, done, &[]);
        runtime.block_on(story.assert_whole(&town));
        println!(
            "kills: {} ({deaths:?}), {} events in {} messages, missing 0, extra 0, alerts as the model's, {:.0?}",
            deaths.all(),
            story.told,
            story.messages,
            began.elapsed()
        );
        if kills == ROUND {
            assert!(deaths.staged.iter().all(|times| *times >= 3), "every stage was reached: {deaths:?}");
        }
        done += kills;
    }
}

#[test]
fn twin_that_acknowledges_before_the_commit_is_caught() {
    let _turn = turn();
    let (runtime, _broker, town, story, deaths) = round(30, 1, &[("LIFTWATCH_TEST_ACK_BEFORE_COMMIT", "1")]);
    let balance = runtime.block_on(story.balance(&town));
    println!("acknowledge before commit: {} kills, {} told, {balance:?}", deaths.all(), story.told);
    assert!(balance != EVEN && balance.missing > 0, "{balance:?}");
}

#[test]
fn a_release_build_has_no_switch() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_liftwatch")).unwrap();
    let needle = concat!("LIFTWATCH", "_TEST_").as_bytes();
    // A build for tests has them, so that the search is known to find.
    assert_eq!(
        program.windows(needle.len()).any(|window| window == needle),
        cfg!(any(debug_assertions, feature = "switches"))
    );
}
