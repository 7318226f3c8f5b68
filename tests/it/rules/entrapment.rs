//! `entrapment`, as it is reported: from the first report until a person says that they are out.

use liftwatch::domain::event::{Door, EventType, Mode, State};
use liftwatch::domain::time::{HOUR, MINUTE, Timestamp};
use liftwatch::domain::visit::VisitKind;
use liftwatch::pipeline::action::{Action, Done};

use super::{MS, heartbeat};
use crate::world::{UNIT, World, at, day, event, event_message, mode, unit_id, visit, visit_message};

const RULE: &str = "entrapment";

async fn reported(world: &mut World, at: Timestamp) {
    world.tell(event(EventType::EntrapmentReported, at)).await;
}

async fn released(world: &mut World, at: Timestamp) {
    world.tell(event(EventType::PassengerReleased, at)).await;
}

async fn firing() -> World {
    let mut world = World::new().await;
    reported(&mut world, day(0)).await;
    world
}

/// A person says through the API that the people are out.
async fn release(world: &mut World, unit: &str) -> Done {
    let (by, reason) = ("inspector-1".to_owned(), "seen on site".to_owned());
    let action = Action::ReleasePassengers { unit: unit_id(unit), by, reason };
    let now = world.now;
    world.pipeline().act(&action, now).await.unwrap().0
}

#[tokio::test]
async fn fires_at_the_first_report() {
    let mut world = firing().await;
    let alerts = world.alerts(RULE).await;
    assert_eq!(alerts.len(), 1);
    assert_eq!((alerts[0].starts, alerts[0].ends, alerts[0].firing), (day(0), None, true));
    assert_eq!((alerts[0].severity.as_str(), alerts[0].evidence), ("critical", 1));
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn does_not_fire_at_a_pressed_button_alone() {
    let mut world = World::new().await;
    world.tell(event(EventType::AlarmPressed, day(0))).await;
    world.pass_until(day(1)).await;
    assert_eq!(world.episodes(RULE).await, []);
}

#[tokio::test]
async fn fires_once_while_firing_though_it_is_reported_again() {
    let mut world = firing().await;
    for minute in 1..5 {
        reported(&mut world, at(0, 0, minute, 0)).await;
    }
    assert_eq!(world.episodes(RULE).await, [(day(0), None, true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn resolves_when_the_unit_says_that_the_passengers_are_released_at_that_millisecond() {
    let mut world = firing().await;
    released(&mut world, at(0, 0, 12, 0) + MS).await;
    assert_eq!(world.episodes(RULE).await, [(day(0), Some(at(0, 0, 12, 0) + MS), false)]);
    assert_eq!(world.told(RULE).await, ["fired", "resolved"]);
}

#[tokio::test]
async fn resolves_when_a_person_says_so_and_keeps_who_and_why() {
    let mut world = firing().await;
    world.now = at(0, 0, 20, 0);
    let Done::Released { event } = release(&mut world, UNIT).await else { panic!("somebody was trapped") };
    assert_eq!(world.episodes(RULE).await, [(day(0), Some(at(0, 0, 20, 0)), false)]);
    let kept = world.text("select extra from event where type = 'passenger_released' and origin = 'person'").await;
    assert!(kept.contains("inspector-1") && kept.contains("seen on site"), "{kept}");
    assert_eq!(world.text("select id from event where type = 'passenger_released'").await, event);
    assert_eq!(world.told(RULE).await, ["fired", "resolved"]);
}

#[tokio::test]
async fn nobody_can_be_released_who_is_not_trapped_or_not_registered() {
    let mut world = World::new().await;
    assert_eq!(release(&mut world, UNIT).await, Done::NotTrapped);
    assert_eq!(release(&mut world, "lift-404").await, Done::UnknownUnit);
    reported(&mut world, day(1)).await;
    assert!(matches!(release(&mut world, UNIT).await, Done::Released { .. }));
    assert_eq!(release(&mut world, UNIT).await, Done::NotTrapped, "they are out already");
    assert_eq!(world.count("select count(*) from event where origin = 'person'").await, 1);
}

#[tokio::test]
async fn a_person_can_release_people_whom_a_clock_four_minutes_fast_reported() {
    let mut world = World::new().await;
    world.arrive(vec![event_message(UNIT, event(EventType::EntrapmentReported, at(0, 0, 4, 0)))]).await;
    assert_eq!(world.episodes(RULE).await, [(at(0, 0, 4, 0), None, true)]);
    assert!(matches!(release(&mut world, UNIT).await, Done::Released { .. }));
    assert_eq!(world.episodes(RULE).await, [(at(0, 0, 4, 0), Some(at(0, 0, 4, 0) + MS), false)]);
}

#[tokio::test]
async fn is_not_ended_by_states_that_say_open_empty_and_running_nor_by_a_flag_that_falls() {
    let mut world = World::new().await;
    world.tell_state(State { entrapment: Some(true), ..State::at(day(0)) }).await;
    assert_eq!(world.episodes(RULE).await, [(day(0), None, true)]);
    let free = State {
        entrapment: Some(false),
        occupied: Some(false),
        moving: Some(true),
        door: Some(Door::Open),
        ..State::at(day(1))
    };
    world.tell_state(free).await;
    world.tell(mode(Mode::Normal, day(2))).await;
    world.pass_until(day(2) + MINUTE).await;
    assert_eq!(world.episodes(RULE).await, [(day(0), None, true)], "only a person ends it");
}

#[tokio::test]
async fn a_flag_that_rises_again_before_the_release_is_the_same_entrapment() {
    let mut world = World::new().await;
    for (minute, flag) in (0..).zip([true, false, true, true, false]) {
        world.tell_state(State { entrapment: Some(flag), ..State::at(at(0, 0, minute, 0)) }).await;
    }
    assert_eq!(world.episodes(RULE).await, [(day(0), None, true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn keeps_firing_while_the_unit_is_silent_and_when_it_is_heard_again() {
    let mut world = firing().await;
    heartbeat(&mut world, at(0, 0, 1, 0)).await;
    world.pass_until(day(3)).await;
    heartbeat(&mut world, day(4)).await;
    world.pass_until(day(4) + MINUTE).await;
    assert_eq!(world.episodes(RULE).await, [(day(0), None, true)]);
}

#[tokio::test]
async fn a_person_ends_it_though_the_unit_is_silent() {
    let mut world = firing().await;
    heartbeat(&mut world, at(0, 0, 1, 0)).await;
    world.pass_until(at(0, 1, 0, 0)).await;
    assert_eq!(world.alerts("silent_unit").await.len(), 1);
    assert!(matches!(release(&mut world, UNIT).await, Done::Released { .. }));
    assert_eq!(world.episodes(RULE).await, [(day(0), Some(at(0, 1, 0, 0)), false)]);
    assert_eq!(world.told(RULE).await, ["fired", "resolved"]);
}

#[tokio::test]
async fn a_duplicate_report_after_the_release_does_not_fire_again() {
    let mut world = firing().await;
    released(&mut world, at(0, 0, 12, 0)).await;
    reported(&mut world, day(0)).await;
    assert_eq!(world.episodes(RULE).await, [(day(0), Some(at(0, 0, 12, 0)), false)]);
    assert_eq!(world.told(RULE).await, ["fired", "resolved"]);
}

#[tokio::test]
async fn a_late_report_without_a_release_fires_from_when_it_was_made() {
    let mut world = World::new().await;
    world.pass_until(day(1)).await;
    reported(&mut world, day(0)).await;
    assert_eq!(world.episodes(RULE).await, [(day(0), None, true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn a_late_report_that_was_released_already_is_recorded_late_and_told_to_nobody() {
    let mut world = World::new().await;
    released(&mut world, at(0, 0, 30, 0)).await;
    world.pass_until(day(1)).await;
    reported(&mut world, day(0)).await;
    assert_eq!(world.episodes(RULE).await, [(day(0), Some(at(0, 0, 30, 0)), false)]);
    assert_eq!(world.told(RULE).await, [""; 0]);
}

#[tokio::test]
async fn a_late_earlier_report_moves_the_start_of_the_same_alert() {
    let mut world = World::new().await;
    reported(&mut world, at(0, 1, 0, 0)).await;
    reported(&mut world, at(0, 0, 58, 0)).await;
    assert_eq!(world.episodes(RULE).await, [(at(0, 0, 58, 0), None, true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn a_late_release_between_two_reports_makes_two_episodes_of_one() {
    let mut world = World::new().await;
    reported(&mut world, day(0)).await;
    reported(&mut world, day(2)).await;
    released(&mut world, day(1)).await;
    assert_eq!(world.episodes(RULE).await, [(day(0), Some(day(1)), false), (day(2), None, true)]);
}

#[tokio::test]
async fn a_report_at_the_moment_of_the_release_before_it_is_over_with_it() {
    let mut world = firing().await;
    released(&mut world, at(0, 1, 0, 0)).await;
    reported(&mut world, at(0, 1, 0, 0)).await;
    assert_eq!(world.episodes(RULE).await, [(day(0), Some(at(0, 1, 0, 0)), false)]);
}

#[tokio::test]
async fn survives_a_restart() {
    let mut world = firing().await;
    world.restart().await;
    world.pass_until(at(0, 0, 5, 0)).await;
    reported(&mut world, at(0, 0, 5, 0)).await;
    assert_eq!(world.episodes(RULE).await, [(day(0), None, true)]);
    world.restart().await;
    world.now = at(0, 0, 30, 0);
    assert!(matches!(release(&mut world, UNIT).await, Done::Released { .. }));
    assert_eq!(world.episodes(RULE).await, [(day(0), Some(at(0, 0, 30, 0)), false)]);
    assert_eq!(world.told(RULE).await, ["fired", "resolved"]);
}

#[tokio::test]
async fn power_loss_modes_and_visits_excuse_nothing() {
    let mut world = World::new().await;
    world.tell(event(EventType::MainsOff, day(0))).await;
    world.tell(mode(Mode::FireRecall, day(0) + MINUTE)).await;
    world.now = day(1);
    world.arrive(vec![visit_message(UNIT, visit("r-1", VisitKind::Hm, day(0), day(1)))]).await;
    reported(&mut world, day(0) + HOUR).await;
    assert_eq!(world.episodes(RULE).await, [(day(0) + HOUR, None, true)]);
}
