//! `repeated_fault_watch`: four incidents in ninety days.

use liftwatch::detect::Settings;
use liftwatch::domain::fault::FaultCode;

use super::{MS, heartbeat, tell_faults, tell_faults_at_once};
use crate::world::{World, day, raised};

const RULE: &str = "repeated_fault_watch";
const CODE: FaultCode = FaultCode::DoorOpening;

/// Four incidents, far enough apart for `repeated_fault` to stay quiet: it fires on day 60 and ceases on day 90.
async fn firing() -> World {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), day(20), day(40), day(60)]).await;
    world
}

#[tokio::test]
async fn fires_at_the_fourth_incident_as_information() {
    let mut world = firing().await;
    let alerts = world.alerts(RULE).await;
    assert_eq!(alerts.len(), 1);
    assert_eq!((alerts[0].starts, alerts[0].ends, alerts[0].firing), (day(60), Some(day(90)), true));
    assert_eq!((alerts[0].severity.as_str(), alerts[0].evidence), ("info", 4));
    assert_eq!(world.episodes("repeated_fault").await, []);
}

#[tokio::test]
async fn does_not_fire_at_three_incidents_nor_at_a_fourth_exactly_ninety_days_after_the_first() {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), day(20), day(40)]).await;
    assert_eq!(world.episodes(RULE).await, []);
    tell_faults(&mut world, CODE, &[day(90)]).await;
    assert_eq!(world.episodes(RULE).await, []);
}

#[tokio::test]
async fn fires_once_while_firing() {
    let mut world = firing().await;
    tell_faults(&mut world, CODE, &[day(70), day(80)]).await;
    assert_eq!(world.episodes(RULE).await, [(day(60), Some(day(130)), true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn resolves_at_the_millisecond_at_which_the_first_incident_leaves_the_window() {
    let mut world = firing().await;
    world.pass_until(day(90) - MS).await;
    assert_eq!(world.episodes(RULE).await, [(day(60), Some(day(90)), true)]);
    world.pass_until(day(90)).await;
    assert_eq!(world.episodes(RULE).await, [(day(60), Some(day(90)), false)]);
    assert_eq!(world.told(RULE).await, ["fired", "resolved"]);
}

#[tokio::test]
async fn keeps_firing_while_the_unit_is_silent_and_resolves_when_it_is_heard() {
    let mut world = firing().await;
    heartbeat(&mut world, day(61)).await;
    world.pass_until(day(95)).await;
    assert_eq!(world.episodes(RULE).await, [(day(60), Some(day(90)), true)]);
    heartbeat(&mut world, day(96)).await;
    assert_eq!(world.episodes(RULE).await, [(day(60), Some(day(90)), false)]);
    assert_eq!(world.told(RULE).await, ["fired", "resolved"]);
}

#[tokio::test]
async fn counts_a_duplicate_once() {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), day(20), day(40), day(40), day(20), day(0)]).await;
    assert_eq!(world.episodes(RULE).await, []);
}

#[tokio::test]
async fn a_late_fault_gives_the_episode_that_it_should_have_given() {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), day(40), day(60)]).await;
    world.pass_until(day(80)).await;
    world.tell(raised(CODE, day(20))).await;
    assert_eq!(world.episodes(RULE).await, [(day(60), Some(day(90)), true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn late_faults_whose_episode_is_over_are_recorded_late_and_told_to_nobody() {
    let mut world = World::new().await;
    world.pass_until(day(200)).await;
    tell_faults_at_once(&mut world, CODE, &[day(60), day(0), day(40), day(20)]).await;
    assert_eq!(world.episodes(RULE).await, [(day(60), Some(day(90)), false)]);
    assert_eq!(world.told(RULE).await, [""; 0]);
    assert_eq!(world.transitions(RULE).await, ["recorded_late"]);
}

#[tokio::test]
async fn survives_a_restart() {
    let mut world = World::new().await;
    for at in [day(0), day(20), day(40), day(60)] {
        tell_faults(&mut world, CODE, &[at]).await;
        world.restart().await;
        world.pass_until(at).await;
    }
    assert_eq!(world.episodes(RULE).await, [(day(60), Some(day(90)), true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn with_per_code_each_code_is_watched_by_itself() {
    let mut settings = Settings::default();
    settings.repeated_fault_watch.per_code = true;
    let mut world = World::with(settings).await;
    tell_faults(&mut world, FaultCode::DoorClosing, &[day(0), day(20), day(40)]).await;
    tell_faults(&mut world, FaultCode::DoorOpening, &[day(50)]).await;
    assert_eq!(world.episodes(RULE).await, []);
    tell_faults(&mut world, FaultCode::DoorClosing, &[day(60)]).await;
    assert_eq!(world.episodes(RULE).await, [(day(60), Some(day(90)), true)]);
}
