//! The broker dies and comes back, with and without what it knew of us; and the daemon is told to stop under load.

use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::runtime::Runtime;

use super::load::{FOR_EVER, Load, Plan, Story};
use super::town::{PATIENCE, Town, turn, wait_for};
use crate::mosquitto::Mosquitto;

const UNITS: u64 = 50;

fn phase(from: u64, to: u64) -> Plan {
    Plan { units: UNITS, rate: 2_000.0, from, to }
}

fn tell(runtime: &Runtime, broker: &Mosquitto, from: u64, to: u64) -> Story {
    Load::begin(runtime, broker.port, phase(from, to)).wait(runtime)
}

#[test]
fn a_broker_that_keeps_its_sessions_loses_nothing_when_it_is_killed() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    // Where mosquitto runs as another user when root starts it, that user must be able to write there.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(dir.path(), open).unwrap();
    let mut broker = Mosquitto::start_with(&format!(
        "allow_anonymous true\npersistence true\npersistence_location {}/\nautosave_interval 1\n\
         autosave_on_changes true\n",
        dir.path().display()
    ));
    let town = Town::new(&broker.url(), UNITS);
    let runtime = Runtime::new().unwrap();
    let mut daemon = town.start(&[]);
    daemon.says("subscribed");
    tell(&runtime, &broker, 0, 500).wait_until_stored(&runtime, &town);
    daemon.kill();

    // Queued at the broker alone, and then the broker dies.
    tell(&runtime, &broker, 500, 1_000);
    broker.kill();
    broker.spawn();
    let mut daemon = town.start(&[]);
    daemon.says("the broker kept the session");
    daemon.says("subscribed");
    // It dies again, under a daemon that lives.
    broker.kill();
    daemon.says("no connection to the broker");
    broker.spawn();
    wait_for(PATIENCE, "kept again", || daemon.log().matches("the broker kept the session").count() == 2);
    let story = tell(&runtime, &broker, 1_000, 1_500);
    story.wait_until_delivered(&runtime, &broker, &town);
    assert_eq!(daemon.stop(), Some(0));
    runtime.block_on(story.assert_whole(&town));
    println!("broker killed twice with its sessions on disk: {} events, missing 0, extra 0", story.told);
}

/// The broker forgets us under a daemon that lives; then 500 more events. Returns what is missing of those.
fn forgotten(broken: &[(&str, &str)]) -> usize {
    let mut broker = Mosquitto::start();
    let town = Town::new(&broker.url(), UNITS);
    let runtime = Runtime::new().unwrap();
    let mut daemon = town.start(broken);
    daemon.says("subscribed");
    tell(&runtime, &broker, 0, 500).wait_until_stored(&runtime, &town);
    broker.kill();
    broker.spawn();
    daemon.says("the broker lost the session: messages sent since missing_from may be missing");
    assert!(daemon.log().contains("\"missing_from\":\""), "it says since when");
    // Until it has subscribed again, and long enough for a daemon that does not.
    let subscribed = || daemon.log().matches("\"subscribed\"").count() == 2;
    for _ in 0..200 {
        if subscribed() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let story = tell(&runtime, &broker, 500, 1_000);
    if subscribed() {
        story.wait_until_delivered(&runtime, &broker, &town);
        runtime.block_on(story.assert_whole(&town));
    }
    assert_eq!(daemon.stop(), Some(0));
    runtime.block_on(story.missing_from(500, &town)).len()
}

#[test]
fn a_broker_that_forgot_the_session_is_subscribed_to_again() {
    let _turn = turn();
    assert_eq!(forgotten(&[]), 0);
    println!(
        "broker killed without its sessions: told since when, subscribed again, 500 of the next 500 events stored"
    );
}

#[test]
fn twin_that_does_not_subscribe_again_is_caught() {
    let _turn = turn();
    let missing = forgotten(&[("LIFTWATCH_TEST_NO_RESUBSCRIBE", "1")]);
    println!("no resubscribe: {missing} of 500 missing");
    assert_eq!(missing, 500);
}

/// A commit of the old connection ends when the new one has delivered under the same packet ids; then the daemon dies in
/// the next commit. Returns what is missing of what the new connection delivered.
fn late_commit(broken: &[(&str, &str)]) -> usize {
    let mut broker = Mosquitto::start();
    let town = Town::new(&broker.url(), UNITS);
    let runtime = Runtime::new().unwrap();
    let mut daemon = town.start(&[broken, &[("LIFTWATCH_TEST_CRASH", "before_commit:2")]].concat());
    daemon.says("subscribed");
    let options = SqliteConnectOptions::new().filename(town.store());
    let mut lock = runtime.block_on(options.connect()).unwrap();
    runtime.block_on(sqlx::query("begin immediate").execute(&mut lock)).unwrap();
    tell(&runtime, &broker, 0, 500);
    broker.kill();
    broker.spawn();
    wait_for(PATIENCE, "subscribed again", || daemon.log().matches("\"subscribed\"").count() == 2);
    let story = tell(&runtime, &broker, 500, 1_500);
    // Received, as the lock lets nothing be stored yet.
    std::thread::sleep(Duration::from_millis(300));
    runtime.block_on(sqlx::query("rollback").execute(&mut lock)).unwrap();
    // The next commit is held up too, so that what the first one acknowledges reaches the broker before the daemon dies.
    runtime.block_on(async {
        let stored = || sqlx::query_scalar("select count(*) from event");
        let end = tokio::time::Instant::now() + PATIENCE;
        while stored().fetch_one(&mut lock).await.is_ok_and(|stored: i64| stored == 0) {
            assert!(tokio::time::Instant::now() < end, "nothing was stored after the lock was gone");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        sqlx::query("begin immediate").execute(&mut lock).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        sqlx::query("rollback").execute(&mut lock).await.unwrap();
        sqlx::Connection::close(lock).await.unwrap();
    });
    assert!(daemon.ended_within(PATIENCE).expect("it dies in the second commit").code().is_none());
    let mut daemon = town.start(broken);
    daemon.says("subscribed");
    story.wait_until_delivered(&runtime, &broker, &town);
    assert_eq!(daemon.stop(), Some(0));
    // What the old connection had delivered and was not stored died with the broker, which this is not about.
    runtime.block_on(story.missing_from(500, &town)).len()
}

#[test]
fn a_late_commit_acknowledges_nothing_on_a_new_connection() {
    let _turn = turn();
    assert_eq!(late_commit(&[]), 0);
    println!("a commit that outlives its connection: 1,000 of 1,000 events of the new connection stored");
}

#[test]
fn twin_without_the_tag_of_the_connection_is_caught() {
    let _turn = turn();
    // Nothing is lost where the old connection's first commit had two messages or fewer, which is chance.
    let missing = (0..5).map(|_| late_commit(&[("LIFTWATCH_TEST_NO_EPOCH_TAG", "1")])).find(|missing| *missing > 0);
    let missing = missing.expect("one of five tries loses something");
    println!("no epoch tag: {missing} of 1,000 missing");
}

#[test]
fn stopping_under_load_drains() {
    let _turn = turn();
    let broker = Mosquitto::start();
    let town = Town::new(&broker.url(), UNITS);
    let runtime = Runtime::new().unwrap();
    let mut daemon = town.start(&[]);
    daemon.says("subscribed");
    let load = Load::begin(&runtime, broker.port, Plan { units: UNITS, rate: 1_000.0, from: 0, to: FOR_EVER });
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(400));
        assert_eq!(daemon.stop(), Some(0));
        daemon = town.start(&[]);
        daemon.says("subscribed");
    }
    let story = load.stop(&runtime);
    story.wait_until_delivered(&runtime, &broker, &town);
    assert_eq!(daemon.stop(), Some(0));
    runtime.block_on(story.assert_whole(&town));
    println!("SIGTERM under load, 5 times: {} events, missing 0, extra 0", story.told);
}

#[test]
fn a_second_daemon_on_the_same_file_goes_and_the_first_goes_on() {
    let _turn = turn();
    let broker = Mosquitto::start();
    let town = Town::new(&broker.url(), UNITS);
    let runtime = Runtime::new().unwrap();
    let mut first = town.start(&[]);
    first.says("subscribed");
    let mut second = town.start(&[]);
    assert_eq!(second.ended_within(PATIENCE).and_then(|status| status.code()), Some(75));
    let story = tell(&runtime, &broker, 0, 500);
    story.wait_until_delivered(&runtime, &broker, &town);
    assert_eq!(first.stop(), Some(0));
    runtime.block_on(story.assert_whole(&town));
}
