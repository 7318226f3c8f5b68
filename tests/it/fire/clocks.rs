//! The machine's clock is set under a running daemon, by libfaketime: by hours ahead, and back behind the start.

use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::load::{FOR_EVER, Load, Plan, Story};
use super::town::{LAST, Town, turn};
use crate::mosquitto::Mosquitto;

fn libfaketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map(|folder| folder.unwrap().path());
    let library = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|library| library.exists());
    library.expect("libfaketime: apt-get install faketime")
}

/// Sets the clock by these steps under load. Returns how often it told of it, and how many units it took for silent,
/// though each was heard a moment before.
fn set_the_clock(steps: &[&str], environment: &[(&str, &str)]) -> (Runtime, Town, Story, usize, i64) {
    let broker = Mosquitto::start();
    let town = Town::new(&broker.url(), 20);
    let runtime = Runtime::new().unwrap();
    let (library, offset) = (libfaketime(), town.path("offset"));
    std::fs::write(&offset, "+0").unwrap();
    let faked = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", offset.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
    ];
    let mut daemon = town.start(&[&faked, environment].concat());
    daemon.says("subscribed");
    let heard = |broker: &Mosquitto| {
        // Each state is of a moment ago, by the machine's true clock.
        let now = liftwatch::clock::Clock::now(&liftwatch::clock::SystemClock::new());
        let state = format!("{{\"ts\":\"{now}\",\"mode\":\"normal\"}}");
        broker.publish(&format!("lift/v1/350582/maker-a/{LAST}/state"), state.as_bytes());
    };
    let load = Load::begin(&runtime, broker.port, Plan { units: 20, rate: 100.0, from: 0, to: FOR_EVER });
    heard(&broker);
    for step in steps {
        std::thread::sleep(Duration::from_millis(1_500));
        std::fs::write(&offset, step).unwrap();
    }
    std::thread::sleep(Duration::from_secs(3));
    let story = load.stop(&runtime);
    story.wait_until_delivered(&runtime, &broker, &town);
    let told = daemon.log().matches("the system clock was set by more than a minute").count();
    daemon.kill();
    let silent = "select count(*) from alert where rule = 'silent_unit'";
    let silent =
        runtime.block_on(async { sqlx::query_scalar(silent).fetch_one(&mut town.reader().await).await.unwrap() });
    (runtime, town, story, told, silent)
}

#[test]
fn a_clock_that_is_set_silences_nobody_and_loses_nothing() {
    let _turn = turn();
    // Ahead, and then behind the start.
    let monotonic = [("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    let (runtime, town, story, told, silent) = set_the_clock(&["+7200", "-3600"], &monotonic);
    assert_eq!((told, silent), (2, 0));
    runtime.block_on(story.assert_whole(&town));
    println!("clock set 2 h ahead and 3 h back: {} events, missing 0, extra 0, no unit taken for silent", story.told);
}

#[test]
fn twin_whose_clock_creeps_takes_a_unit_for_silent() {
    let _turn = turn();
    // Each step is too small to be taken for a jump, so that time seems to pass and the unit seems to say nothing.
    let steps: Vec<String> = (1..=8).map(|step| format!("+{}", step * 50)).collect();
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let monotonic = [("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    let (_runtime, _town, _story, told, silent) = set_the_clock(&steps, &monotonic);
    assert_eq!(told, 0);
    assert!(silent > 0);
}
