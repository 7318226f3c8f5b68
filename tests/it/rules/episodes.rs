//! What all rules share: what happens when an operator changes them, what an alert keeps, and which clock counts.

use liftwatch::detect::Settings;
use liftwatch::domain::event::{EventType, Mode};
use liftwatch::domain::fault::FaultCode;
use liftwatch::domain::time::{DAY, MINUTE};
use liftwatch::domain::unit::Unit;

use super::{MS, heartbeat, tell_faults, tell_faults_at_once};
use crate::world::{START, UNIT, World, at, day, event, event_message, mode, numbered, raised, unit};

const CODE: FaultCode = FaultCode::DoorClosing;

/// A unit of which every rule but two has something to say on day 3.
async fn all_firing() -> World {
    let mut world = World::new().await;
    world.register(vec![Unit { in_service_since: Some(jiff::civil::date(2005, 7, 1)), ..unit(UNIT) }]).await;
    tell_faults(&mut world, CODE, &[day(0), at(0, 8, 0, 0), day(1), day(2)]).await;
    world.tell(numbered("b1", 1, raised(FaultCode::PitOverrun, day(2)))).await;
    world.tell(numbered("b1", 3, event(EventType::EntrapmentReported, day(2) + MINUTE))).await;
    heartbeat(&mut world, day(2) + MINUTE).await;
    world.pass_until(day(3)).await;
    world
}

fn all_disabled() -> Settings {
    let mut settings = Settings::default();
    settings.entrapment.enabled = false;
    settings.critical_fault.enabled = false;
    settings.repeated_entrapment.enabled = false;
    settings.repeated_fault.enabled = false;
    settings.repeated_fault_watch.enabled = false;
    settings.fault_after_repair.enabled = false;
    settings.over_age.enabled = false;
    settings.silent_unit.enabled = false;
    settings.evidence_gap.enabled = false;
    settings
}

#[tokio::test]
async fn a_rule_that_is_disabled_ends_its_alerts_when_the_daemon_starts_though_the_unit_is_silent() {
    let mut world = all_firing().await;
    let firing: Vec<String> = world.all_alerts().await.into_iter().map(|alert| alert.rule).collect();
    let expected = [
        "critical_fault",
        "entrapment",
        "evidence_gap",
        "over_age",
        "repeated_fault",
        "repeated_fault_watch",
        "silent_unit",
    ];
    assert_eq!(firing, expected);
    world.now = day(4);
    world.restart_with(all_disabled()).await;
    world.pass_until(day(4)).await;
    for alert in world.all_alerts().await {
        assert!(!alert.firing, "{alert:?}");
        assert_eq!(alert.ends, Some(day(4)), "{alert:?}");
    }
    assert_eq!(world.told("over_age").await, ["fired", "resolved"]);
}

#[tokio::test]
async fn a_disabled_rule_says_nothing() {
    let mut world = World::with(all_disabled()).await;
    world.register(vec![Unit { in_service_since: Some(jiff::civil::date(2005, 7, 1)), ..unit(UNIT) }]).await;
    tell_faults(&mut world, FaultCode::PitOverrun, &[day(0), day(1), day(2), day(3)]).await;
    world.tell(event(EventType::EntrapmentReported, day(4))).await;
    heartbeat(&mut world, day(4)).await;
    world.pass_until(day(8)).await;
    assert_eq!(world.all_alerts().await, []);
}

#[tokio::test]
async fn a_rule_that_is_enabled_again_fires_from_then_on_as_a_new_alert() {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), day(1), day(2)]).await;
    let mut off = Settings::default();
    off.repeated_fault.enabled = false;
    for (days, settings) in [(5, off), (8, Settings::default())] {
        world.now = day(days);
        world.restart_with(settings).await;
        world.pass_until(day(days)).await;
    }
    let expected = [(day(2), Some(day(5)), false), (day(8), Some(day(30)), true)];
    assert_eq!(world.episodes("repeated_fault").await, expected);
    assert_eq!(world.told("repeated_fault").await, ["fired", "resolved", "fired"]);
}

#[tokio::test]
async fn a_lower_threshold_holds_from_the_restart_on_and_not_before_it() {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), day(1)]).await;
    let mut settings = Settings::default();
    settings.repeated_fault.threshold = 2;
    world.now = day(5);
    world.restart_with(settings).await;
    world.pass_until(day(5)).await;
    assert_eq!(world.episodes("repeated_fault").await, [(day(5), Some(day(30)), true)]);
    assert_eq!(world.told("repeated_fault").await, ["fired"]);
    let version = world.text("select rule_version from alert where rule = 'repeated_fault'").await;
    assert_eq!(version, "1 threshold=2 window_days=30 per_code=false");
}

#[tokio::test]
async fn a_higher_threshold_ends_the_alert_at_the_restart() {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), day(1), day(2)]).await;
    let mut settings = Settings::default();
    settings.repeated_fault.threshold = 4;
    world.now = day(5);
    world.restart_with(settings).await;
    world.pass_until(day(5)).await;
    assert_eq!(world.episodes("repeated_fault").await, [(day(2), Some(day(5)), false)]);
    let version = world.text("select rule_version from alert where rule = 'repeated_fault'").await;
    assert_eq!(version, "1 threshold=3 window_days=30 per_code=false", "the version by which it fired");
}

#[tokio::test]
async fn a_late_fault_from_before_a_change_is_judged_by_the_rules_of_today() {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), day(1)]).await;
    let mut settings = Settings::default();
    settings.repeated_fault.threshold = 2;
    world.now = day(5);
    world.restart_with(settings).await;
    world.pass_until(day(5)).await;
    tell_faults(&mut world, CODE, &[at(0, 12, 0, 0)]).await;
    let expected = [(at(0, 12, 0, 0), Some(at(30, 12, 0, 0)), true)];
    assert_eq!(world.episodes("repeated_fault").await, expected, "one alert, whose start has moved");
    assert_eq!(world.told("repeated_fault").await, ["fired"]);
}

#[tokio::test]
async fn a_restart_with_the_same_rules_judges_nobody_anew() {
    let mut world = all_firing().await;
    let transitions = world.count("select count(*) from alert_transition").await;
    world.restart().await;
    world.pass_until(world.now).await;
    assert_eq!(world.count("select count(*) from alert_transition").await, transitions);
}

#[tokio::test]
async fn an_alert_keeps_what_an_auditor_asks_for() {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), day(1), day(2)]).await;
    let complete = "select count(*) from alert where id <> '' and rule = 'repeated_fault' and rule_version <> '' \
         and unit = 'lift-1' and severity = 'warning' and state = 'firing' and basis like '%/%' \
         and summary_zh <> '' and summary_en <> '' and resolved_at is null and not late";
    assert_eq!(world.count(complete).await, 1);
    assert_eq!(world.count("select recorded_at from alert").await, day(2).0);
    let evidence = "select count(*) from alert a, json_each(a.evidence) j join event e on e.id = j.value \
         where e.type = 'fault_raised'";
    assert_eq!(world.count(evidence).await, 3, "its evidence is in the file");
}

#[tokio::test]
async fn a_clock_four_minutes_ahead_is_believed_and_fires_at_once() {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), day(1)]).await;
    world.now = day(2);
    let ahead = day(2) + 4 * MINUTE;
    world.arrive(vec![event_message(UNIT, raised(CODE, ahead))]).await;
    assert_eq!(world.episodes("repeated_fault").await, [(ahead, Some(day(30)), true)]);
    world.pass_until(ahead + MS).await;
    assert_eq!(world.told("repeated_fault").await, ["fired"]);
}

#[tokio::test]
async fn a_clock_more_than_five_minutes_ahead_counts_when_it_is_received() {
    for (ahead, counts_at) in [(5 * MINUTE, day(2) + 5 * MINUTE), (5 * MINUTE + MS, day(2)), (400 * DAY, day(2))] {
        let mut world = World::new().await;
        tell_faults(&mut world, CODE, &[day(0), day(1)]).await;
        world.now = day(2);
        world.arrive(vec![event_message(UNIT, raised(CODE, day(2) + ahead))]).await;
        assert_eq!(world.episodes("repeated_fault").await, [(counts_at, Some(day(30)), true)], "{ahead} ms ahead");
    }
}

#[tokio::test]
async fn an_alert_that_a_late_mode_withdraws_is_told_if_it_fired_and_not_if_it_was_over() {
    for (told_on, expected) in [(3, vec!["fired", "withdrawn"]), (40, vec!["fired", "resolved"])] {
        let mut world = World::new().await;
        tell_faults(&mut world, CODE, &[day(0), day(1), day(2)]).await;
        world.pass_until(day(told_on)).await;
        world.tell(mode(Mode::Inspection, START - MS)).await;
        assert_eq!(world.episodes("repeated_fault").await, []);
        assert_eq!(world.told("repeated_fault").await, expected);
        assert_eq!(world.transitions("repeated_fault").await.last().unwrap(), "withdrawn");
        assert_eq!(world.count("select count(*) from alert where state = 'withdrawn'").await, 1, "it is kept");
    }
}

#[tokio::test]
async fn units_do_not_count_each_others_incidents() {
    let mut world = World::new().await;
    world.register(vec![unit("lift-2")]).await;
    tell_faults_at_once(&mut world, CODE, &[day(0), day(1)]).await;
    world.now = day(2);
    world.arrive(vec![event_message("lift-2", raised(CODE, day(2)))]).await;
    assert_eq!(world.all_alerts().await, []);
}
