//! `repeated_entrapment`: people trapped twice in thirty days; critical at the third time.

use liftwatch::domain::event::{EventType, Mode};
use liftwatch::domain::time::{HOUR, MINUTE, Timestamp};
use liftwatch::domain::visit::VisitKind;

use super::{MS, heartbeat};
use crate::world::{UNIT, World, at, day, event, event_message, mode, visit, visit_message};

const RULE: &str = "repeated_entrapment";

async fn trapped(world: &mut World, at: Timestamp) {
    world.tell(event(EventType::EntrapmentReported, at)).await;
}

async fn released(world: &mut World, at: Timestamp) {
    world.tell(event(EventType::PassengerReleased, at)).await;
}

/// People are trapped, and out 20 minutes later.
async fn trapped_and_released(world: &mut World, at: Timestamp) {
    trapped(world, at).await;
    released(world, at + 20 * MINUTE).await;
}

/// Two entrapments on days 0 and 5: it fires on day 5 and ceases on day 30.
async fn firing() -> World {
    let mut world = World::new().await;
    trapped_and_released(&mut world, day(0)).await;
    trapped_and_released(&mut world, day(5)).await;
    world
}

#[tokio::test]
async fn fires_at_the_second_entrapment_as_a_warning() {
    let mut world = firing().await;
    let alerts = world.alerts(RULE).await;
    assert_eq!(alerts.len(), 1);
    assert_eq!((alerts[0].starts, alerts[0].ends, alerts[0].firing), (day(5), Some(day(30)), true));
    assert_eq!((alerts[0].severity.as_str(), alerts[0].evidence), ("warning", 2));
}

#[tokio::test]
async fn does_not_fire_at_one_entrapment_nor_at_a_second_exactly_thirty_days_later() {
    let mut world = World::new().await;
    trapped_and_released(&mut world, day(0)).await;
    assert_eq!(world.episodes(RULE).await, []);
    trapped_and_released(&mut world, day(30)).await;
    assert_eq!(world.episodes(RULE).await, []);
}

#[tokio::test]
async fn the_third_entrapment_escalates_to_critical_and_is_told() {
    let mut world = firing().await;
    trapped_and_released(&mut world, day(10)).await;
    let alerts = world.alerts(RULE).await;
    assert_eq!(alerts.len(), 1, "still one alert");
    assert_eq!((alerts[0].starts, alerts[0].ends), (day(5), Some(day(35))));
    assert_eq!(alerts[0].severity, "critical");
    assert_eq!(world.told(RULE).await, ["fired", "escalated"]);
    let severity = "select severity from alert_transition where kind = 'escalated'";
    assert_eq!(world.text(severity).await, "critical");
}

#[tokio::test]
async fn the_severity_stays_at_the_worst_when_the_count_falls_back_to_two() {
    let mut world = firing().await;
    trapped_and_released(&mut world, day(10)).await;
    world.pass_until(day(31)).await;
    let alerts = world.alerts(RULE).await;
    assert_eq!((alerts[0].ends, alerts[0].firing, alerts[0].severity.as_str()), (Some(day(35)), true, "critical"));
    assert_eq!(world.told(RULE).await, ["fired", "escalated"]);
}

#[tokio::test]
async fn fires_once_while_firing_though_people_press_on_while_trapped() {
    let mut world = firing().await;
    for minute in 0..3 {
        trapped(&mut world, at(6, 0, minute, 0)).await;
    }
    released(&mut world, at(6, 0, 30, 0)).await;
    assert_eq!(world.told(RULE).await, ["fired", "escalated"], "three reports of one entrapment are the third");
    assert_eq!(world.episodes(RULE).await, [(day(5), Some(day(35)), true)]);
}

#[tokio::test]
async fn reports_while_people_are_still_trapped_are_one_entrapment_however_long_it_takes() {
    let mut world = World::new().await;
    trapped(&mut world, day(0)).await;
    trapped(&mut world, at(0, 5, 0, 0)).await;
    trapped(&mut world, at(1, 0, 0, 0)).await;
    assert_eq!(world.episodes(RULE).await, []);
}

#[tokio::test]
async fn a_report_within_an_hour_of_the_last_is_the_same_entrapment_though_released_between() {
    let mut world = World::new().await;
    trapped(&mut world, day(0)).await;
    released(&mut world, at(0, 0, 10, 0)).await;
    trapped(&mut world, day(0) + HOUR).await;
    released(&mut world, at(0, 1, 10, 0)).await;
    assert_eq!(world.episodes(RULE).await, [], "sixty minutes are included");
    trapped(&mut world, day(0) + 2 * HOUR + MS).await;
    assert_eq!(world.episodes(RULE).await, [(day(0) + 2 * HOUR + MS, Some(day(30)), true)]);
}

#[tokio::test]
async fn resolves_at_the_millisecond_at_which_the_first_entrapment_leaves_the_window() {
    let mut world = firing().await;
    world.pass_until(day(30) - MS).await;
    assert_eq!(world.episodes(RULE).await, [(day(5), Some(day(30)), true)]);
    world.pass_until(day(30)).await;
    assert_eq!(world.episodes(RULE).await, [(day(5), Some(day(30)), false)]);
    assert_eq!(world.told(RULE).await, ["fired", "resolved"]);
}

#[tokio::test]
async fn keeps_firing_while_the_unit_is_silent_and_resolves_when_it_is_heard() {
    let mut world = firing().await;
    heartbeat(&mut world, day(6)).await;
    world.pass_until(day(33)).await;
    assert_eq!(world.episodes(RULE).await, [(day(5), Some(day(30)), true)]);
    heartbeat(&mut world, day(34)).await;
    assert_eq!(world.episodes(RULE).await, [(day(5), Some(day(30)), false)]);
}

#[tokio::test]
async fn counts_a_duplicate_once() {
    let mut world = World::new().await;
    for _ in 0..3 {
        trapped_and_released(&mut world, day(0)).await;
    }
    assert_eq!(world.episodes(RULE).await, []);
}

#[tokio::test]
async fn a_late_entrapment_gives_the_episode_that_it_should_have_given() {
    let mut world = World::new().await;
    trapped_and_released(&mut world, day(5)).await;
    world.pass_until(day(20)).await;
    trapped_and_released(&mut world, day(0)).await;
    assert_eq!(world.episodes(RULE).await, [(day(5), Some(day(30)), true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn a_late_release_makes_two_entrapments_of_what_looked_like_one() {
    let mut world = World::new().await;
    trapped(&mut world, day(0)).await;
    trapped(&mut world, day(5)).await;
    world.pass_until(day(6)).await;
    assert_eq!(world.episodes(RULE).await, []);
    released(&mut world, day(1)).await;
    assert_eq!(world.episodes(RULE).await, [(day(5), Some(day(30)), true)]);
}

#[tokio::test]
async fn late_entrapments_whose_episode_is_over_are_recorded_late_at_their_worst_and_told_to_nobody() {
    let mut world = World::new().await;
    world.pass_until(day(100)).await;
    for at in [day(0), day(5), day(10)] {
        trapped_and_released(&mut world, at).await;
    }
    let alerts = world.alerts(RULE).await;
    assert_eq!(alerts.len(), 1);
    assert_eq!((alerts[0].starts, alerts[0].ends, alerts[0].firing), (day(5), Some(day(35)), false));
    assert_eq!(alerts[0].severity, "critical");
    assert_eq!(world.told(RULE).await, [""; 0]);
}

#[tokio::test]
async fn survives_a_restart() {
    let mut world = World::new().await;
    trapped(&mut world, day(0)).await;
    world.restart().await;
    released(&mut world, at(0, 0, 20, 0)).await;
    world.restart().await;
    trapped(&mut world, day(5)).await;
    world.restart().await;
    world.pass_until(day(5)).await;
    assert_eq!(world.episodes(RULE).await, [(day(5), Some(day(30)), true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn a_drill_in_inspection_mode_or_inside_a_visit_does_not_count() {
    let mut world = World::new().await;
    trapped_and_released(&mut world, day(0)).await;
    world.tell(mode(Mode::Inspection, day(1))).await;
    trapped_and_released(&mut world, at(1, 1, 0, 0)).await;
    world.tell(mode(Mode::Normal, day(2))).await;
    world.now = day(3);
    let drill = visit("r-1", VisitKind::Sm, at(2, 8, 0, 0), at(2, 10, 0, 0));
    world.arrive(vec![visit_message(UNIT, drill)]).await;
    world.arrive(vec![event_message(UNIT, event(EventType::EntrapmentReported, at(2, 9, 0, 0)))]).await;
    assert_eq!(world.episodes(RULE).await, []);
}
