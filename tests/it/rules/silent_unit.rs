//! `silent_unit`: a unit that used to send its state and stopped. It is about what reached us, so it depends on when
//! messages arrive and not on when they say that things happened.

use liftwatch::detect::Settings;
use liftwatch::domain::event::{EventType, State};
use liftwatch::domain::fault::FaultCode;
use liftwatch::domain::time::{DAY, HOUR, MINUTE, SECOND, Timestamp};
use liftwatch::domain::visit::VisitKind;

use super::{MS, heartbeat, tell_faults};
use crate::world::{
    START, UNIT, World, at, day, event, event_message, raised, state_message, unit, visit, visit_message,
};

const RULE: &str = "silent_unit";

/// Three heartbeats of a minute.
const PATIENCE: i64 = 180 * SECOND;

/// Heard once, one hour after the start, and not since.
const HEARD: Timestamp = Timestamp(START.0 + HOUR);

async fn heard_once() -> World {
    let mut world = World::new().await;
    heartbeat(&mut world, HEARD).await;
    world
}

async fn firing() -> World {
    let mut world = heard_once().await;
    world.pass_until(HEARD + PATIENCE).await;
    world
}

#[tokio::test]
async fn fires_after_three_missed_heartbeats_and_not_a_millisecond_before() {
    let mut world = heard_once().await;
    world.pass_until(HEARD + PATIENCE - MS).await;
    assert_eq!(world.episodes(RULE).await, []);
    world.pass_until(HEARD + PATIENCE).await;
    let alerts = world.alerts(RULE).await;
    assert_eq!((alerts[0].starts, alerts[0].ends, alerts[0].firing), (HEARD + PATIENCE, None, true));
    assert_eq!(alerts[0].severity, "info");
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn starts_when_the_third_heartbeat_was_due_though_we_look_later() {
    let mut world = heard_once().await;
    world.pass_until(HEARD + PATIENCE + 5 * MINUTE).await;
    assert_eq!(world.episodes(RULE).await, [(HEARD + PATIENCE, None, true)]);
}

#[tokio::test]
async fn fires_once_while_it_lasts() {
    let mut world = firing().await;
    for hours in 2..10 {
        world.pass_until(at(0, hours, 0, 0)).await;
    }
    assert_eq!(world.episodes(RULE).await, [(HEARD + PATIENCE, None, true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn seventy_two_hours_raise_it_to_a_warning_and_are_told() {
    let mut world = firing().await;
    world.pass_until(HEARD + 72 * HOUR - MS).await;
    assert_eq!(world.alerts(RULE).await[0].severity, "info");
    world.pass_until(HEARD + 72 * HOUR).await;
    assert_eq!(world.alerts(RULE).await[0].severity, "warning");
    assert_eq!(world.told(RULE).await, ["fired", "escalated"]);
}

#[tokio::test]
async fn resolves_at_the_millisecond_at_which_it_is_heard_again() {
    let mut world = firing().await;
    heartbeat(&mut world, at(0, 2, 0, 0) + MS).await;
    assert_eq!(world.episodes(RULE).await, [(HEARD + PATIENCE, Some(at(0, 2, 0, 0) + MS), false)]);
    assert_eq!(world.told(RULE).await, ["fired", "resolved"]);
}

#[tokio::test]
async fn falls_silent_again_as_a_second_episode() {
    let mut world = firing().await;
    let again = at(0, 2, 0, 0);
    heartbeat(&mut world, again).await;
    world.pass_until(again + PATIENCE).await;
    let first = (HEARD + PATIENCE, Some(again), false);
    assert_eq!(world.episodes(RULE).await, [first, (again + PATIENCE, None, true)]);
    assert_eq!(world.told(RULE).await, ["fired", "resolved", "fired"]);
}

#[tokio::test]
async fn a_unit_that_never_sent_a_state_is_unmonitored_and_not_silent() {
    let mut world = World::new().await;
    tell_faults(&mut world, FaultCode::DoorClosing, &[HEARD]).await;
    world.pass_until(day(10)).await;
    assert_eq!(world.episodes(RULE).await, []);
}

#[tokio::test]
async fn an_event_keeps_a_monitored_unit_from_being_silent() {
    let mut world = heard_once().await;
    tell_faults(&mut world, FaultCode::DoorClosing, &[HEARD + 2 * MINUTE]).await;
    world.pass_until(HEARD + PATIENCE).await;
    assert_eq!(world.episodes(RULE).await, []);
    world.pass_until(HEARD + 2 * MINUTE + PATIENCE).await;
    assert_eq!(world.episodes(RULE).await, [(HEARD + 2 * MINUTE + PATIENCE, None, true)]);
}

#[tokio::test]
async fn a_visit_record_is_no_word_of_the_unit() {
    let mut world = firing().await;
    world.now = at(0, 2, 0, 0);
    world.arrive(vec![visit_message(UNIT, visit("r-1", VisitKind::Hm, START, HEARD))]).await;
    assert_eq!(world.episodes(RULE).await, [(HEARD + PATIENCE, None, true)]);
}

#[tokio::test]
async fn a_duplicate_is_a_word_of_the_unit_though_it_tells_nothing_new() {
    let mut world = World::new().await;
    heartbeat(&mut world, HEARD).await;
    tell_faults(&mut world, FaultCode::DoorClosing, &[HEARD]).await;
    world.pass_until(HEARD + PATIENCE).await;
    world.now = at(0, 2, 0, 0);
    tell_faults(&mut world, FaultCode::DoorClosing, &[HEARD]).await;
    assert_eq!(world.episodes(RULE).await, [(HEARD + PATIENCE, Some(at(0, 2, 0, 0)), false)]);
}

#[tokio::test]
async fn a_late_message_counts_when_it_arrives_and_ends_the_silence_then() {
    for told in [START, HEARD, HEARD + MINUTE, HEARD + PATIENCE, HEARD + PATIENCE + MINUTE] {
        let mut world = firing().await;
        world.now = at(0, 2, 0, 0);
        tell_faults(&mut world, FaultCode::DoorClosing, &[told]).await;
        let silence = (HEARD + PATIENCE, Some(at(0, 2, 0, 0)), false);
        assert_eq!(world.episodes(RULE).await, [silence], "a buffered fault of {told}");
        assert_eq!(world.told(RULE).await, ["fired", "resolved"]);
    }
}

#[tokio::test]
async fn a_late_message_changes_nothing_in_a_silence_that_is_over() {
    let mut world = firing().await;
    heartbeat(&mut world, at(0, 2, 0, 0)).await;
    for told in [START, HEARD + MINUTE, HEARD + PATIENCE + MINUTE] {
        tell_faults(&mut world, FaultCode::DoorClosing, &[told]).await;
        assert_eq!(world.episodes(RULE).await, [(HEARD + PATIENCE, Some(at(0, 2, 0, 0)), false)], "{told}");
    }
    assert_eq!(world.transitions(RULE).await, ["fired", "resolved"]);
}

#[tokio::test]
async fn a_fast_clock_does_not_hide_silence() {
    let mut world = World::new().await;
    world.now = HEARD;
    world.arrive(vec![state_message(UNIT, State::at(HEARD + DAY))]).await;
    world.arrive(vec![event_message(UNIT, event(EventType::AlarmPressed, HEARD + DAY))]).await;
    world.pass_until(HEARD + PATIENCE).await;
    assert_eq!(world.episodes(RULE).await, [(HEARD + PATIENCE, None, true)]);
}

#[tokio::test]
async fn nobody_is_called_silent_while_the_broker_cannot_be_heard() {
    let mut world = heard_once().await;
    world.disconnect();
    world.pass_until(day(2)).await;
    assert_eq!(world.episodes(RULE).await, []);
}

#[tokio::test]
async fn after_a_reconnect_every_unit_has_its_whole_patience_again() {
    let mut world = heard_once().await;
    world.disconnect();
    let back = day(2);
    world.pass_until(back).await;
    world.connect();
    world.pass_until(back + PATIENCE - MS).await;
    assert_eq!(world.episodes(RULE).await, []);
    world.pass_until(back + PATIENCE).await;
    assert_eq!(world.episodes(RULE).await, [(back + PATIENCE, None, true)]);
}

#[tokio::test]
async fn after_a_reconnect_silence_and_its_seventy_two_hours_count_from_there() {
    let mut world = heard_once().await;
    world.disconnect();
    let back = day(2);
    world.now = back;
    world.connect();
    world.pass_until(back + PATIENCE).await;
    world.register(vec![liftwatch::domain::unit::Unit { site: "site-2".to_owned(), ..unit(UNIT) }]).await;
    world.pass_until(back + 72 * HOUR - MS).await;
    assert_eq!(world.told(RULE).await, ["fired"], "a changed registry row does not move it");
    assert_eq!(world.episodes(RULE).await, [(back + PATIENCE, None, true)]);
    world.pass_until(back + 72 * HOUR).await;
    assert_eq!(world.told(RULE).await, ["fired", "escalated"]);
}

#[tokio::test]
async fn a_firing_silence_keeps_firing_while_the_broker_is_away() {
    let mut world = firing().await;
    world.disconnect();
    world.pass_until(day(1)).await;
    world.connect();
    world.pass_until(day(1) + MINUTE).await;
    assert_eq!(world.episodes(RULE).await, [(HEARD + PATIENCE, None, true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn when_our_clock_jumped_every_unit_has_its_whole_patience_again() {
    let mut world = heard_once().await;
    let jumped = day(1);
    world.now = jumped;
    world.pipeline().fleet_mut().listen_anew(jumped);
    world.pass_until(jumped + PATIENCE - MS).await;
    assert_eq!(world.episodes(RULE).await, []);
    world.pass_until(jumped + PATIENCE).await;
    assert_eq!(world.episodes(RULE).await, [(jumped + PATIENCE, None, true)]);
}

#[tokio::test]
async fn survives_a_restart_while_silent_and_counts_the_seventy_two_hours_through() {
    let mut world = heard_once().await;
    world.pipeline().flush().await.unwrap();
    world.pass_until(HEARD + PATIENCE).await;
    world.restart().await;
    world.pass_until(at(0, 5, 0, 0)).await;
    assert_eq!(world.episodes(RULE).await, [(HEARD + PATIENCE, None, true)]);
    world.pass_until(HEARD + 72 * HOUR).await;
    assert_eq!(world.told(RULE).await, ["fired", "escalated"]);
    heartbeat(&mut world, day(4)).await;
    assert_eq!(world.episodes(RULE).await, [(HEARD + PATIENCE, Some(day(4)), false)]);
}

#[tokio::test]
async fn survives_a_kill_before_the_units_state_was_flushed() {
    let mut world = firing().await;
    world.restart().await;
    tell_faults_of_another_kind(&mut world).await;
    world.pass_until(HEARD + 72 * HOUR).await;
    assert_eq!(world.episodes(RULE).await, [(HEARD + PATIENCE, None, true)]);
    assert_eq!(world.told(RULE).await, ["fired", "escalated"]);
}

/// Something that has the unit judged without its being heard: a changed row of the registry.
async fn tell_faults_of_another_kind(world: &mut World) {
    world.register(vec![liftwatch::domain::unit::Unit { site: "site-3".to_owned(), ..unit(UNIT) }]).await;
}

#[tokio::test]
async fn after_a_restart_a_unit_that_was_heard_before_has_its_whole_patience_again() {
    let mut world = heard_once().await;
    world.pipeline().flush().await.unwrap();
    world.now = day(1);
    world.restart().await;
    world.pass_until(day(1) + PATIENCE - MS).await;
    assert_eq!(world.episodes(RULE).await, []);
    world.pass_until(day(1) + PATIENCE).await;
    assert_eq!(world.episodes(RULE).await, [(day(1) + PATIENCE, None, true)]);
}

#[tokio::test]
async fn the_patience_is_that_of_the_settings() {
    let mut settings = Settings::default();
    settings.silent_unit.heartbeat_seconds = 10;
    settings.silent_unit.missed = 2;
    let mut world = World::with(settings).await;
    heartbeat(&mut world, HEARD).await;
    world.tell(raised(FaultCode::DoorClosing, HEARD + SECOND)).await;
    world.pass_until(HEARD + 21 * SECOND - MS).await;
    assert_eq!(world.episodes(RULE).await, []);
    world.pass_until(HEARD + 21 * SECOND).await;
    assert_eq!(world.episodes(RULE).await.len(), 1);
}
