//! `maintenance_overdue`: the unit's own interval since its last planned visit is over, in steps of 1, 3 and 7 days.

use liftwatch::domain::alert::Severity;
use liftwatch::domain::time::{DAY, HOUR, Timestamp};
use liftwatch::domain::unit::Unit;
use liftwatch::domain::visit::{Visit, VisitKind};

use super::{MS, heartbeat};
use crate::world::{UNIT, World, at, day, unit, visit, visit_message};

const RULE: &str = "maintenance_overdue";

/// A visit of two hours on a day, told when it ends or late.
async fn visited(world: &mut World, name: &str, kind: VisitKind, d: i64) {
    tell(world, visit(name, kind, day(d), day(d) + 2 * HOUR)).await;
}

async fn tell(world: &mut World, visit: Visit) {
    world.now = world.now.max(visit.ended_at.unwrap_or(visit.ts));
    world.arrive(vec![visit_message(UNIT, visit)]).await;
}

async fn levels(world: &mut World) -> Vec<(Timestamp, Option<Timestamp>, u8, String)> {
    let alerts = world.alerts(RULE).await;
    alerts.into_iter().map(|alert| (alert.starts, alert.ends, alert.level, alert.severity)).collect()
}

#[tokio::test]
async fn fires_a_day_after_the_visit_was_due_and_not_a_millisecond_before_and_grows_worse_at_three_and_seven() {
    let mut world = World::new().await;
    visited(&mut world, "r-1", VisitKind::Hm, 0).await;
    world.pass_until(day(16) - MS).await;
    assert_eq!(levels(&mut world).await, []);
    for (d, level, severity) in
        [(16, 1, "info"), (17, 1, "info"), (18, 2, "warning"), (22, 3, "warning"), (90, 3, "warning")]
    {
        world.pass_until(day(d)).await;
        assert_eq!(levels(&mut world).await, [(day(16), None, level, severity.to_owned())], "day {d}");
    }
    assert_eq!(world.told(RULE).await, ["fired", "escalated", "escalated"]);
    assert_eq!(world.alerts(RULE).await[0].evidence, 1);
}

#[tokio::test]
async fn ends_when_the_next_visit_ends_and_is_due_again_an_interval_after_it_began() {
    let mut world = World::new().await;
    visited(&mut world, "r-1", VisitKind::Hm, 0).await;
    world.pass_until(day(20)).await;
    visited(&mut world, "r-2", VisitKind::Tm, 20).await;
    assert_eq!(world.episodes(RULE).await, [(day(16), Some(day(20) + 2 * HOUR), false)]);
    world.pass_until(day(36)).await;
    assert_eq!(world.episodes(RULE).await.last(), Some(&(day(36), None, true)));
    assert_eq!(world.told(RULE).await, ["fired", "resolved", "fired"]);
}

#[tokio::test]
async fn a_visit_in_time_begins_a_new_interval_and_an_unfinished_one_does_not() {
    let mut world = World::new().await;
    visited(&mut world, "r-1", VisitKind::Hm, 0).await;
    tell(&mut world, Visit { ended_at: None, ..visit("r-2", VisitKind::Hm, day(10), day(10)) }).await;
    world.pass_until(day(16)).await;
    assert_eq!(world.episodes(RULE).await, [(day(16), None, true)], "nobody has said that it was finished");
    let mut world = World::new().await;
    visited(&mut world, "r-1", VisitKind::Hm, 0).await;
    visited(&mut world, "r-2", VisitKind::Hm, 15).await;
    world.pass_until(day(30)).await;
    assert_eq!(world.episodes(RULE).await, []);
}

#[tokio::test]
async fn no_visit_on_record_is_no_finding_whatever_the_last_inspection() {
    let mut world = World::new().await;
    let inspected = Unit { last_inspection: Some(jiff::civil::date(2024, 3, 1)), ..unit(UNIT) };
    world.register(vec![inspected]).await;
    world.pass_until(day(400)).await;
    assert_eq!(world.episodes(RULE).await, []);
}

#[tokio::test]
async fn a_callback_is_no_planned_visit_but_for_a_unit_maintained_on_demand() {
    let mut world = World::new().await;
    visited(&mut world, "r-1", VisitKind::Hm, 0).await;
    visited(&mut world, "r-2", VisitKind::Fm, 10).await;
    world.pass_until(day(16)).await;
    assert_eq!(world.episodes(RULE).await, [(day(16), None, true)]);
    let mut world = World::new().await;
    world.register(vec![Unit { maintenance_interval_days: 30, ..unit(UNIT) }]).await;
    visited(&mut world, "r-1", VisitKind::Fm, 0).await;
    visited(&mut world, "r-2", VisitKind::Fm, 20).await;
    world.pass_until(day(51) - MS).await;
    assert_eq!(world.episodes(RULE).await, []);
    world.pass_until(day(51)).await;
    assert_eq!(world.episodes(RULE).await, [(day(51), None, true)]);
}

#[tokio::test]
async fn a_record_that_comes_late_ends_it_where_it_should_have_ended_and_one_that_is_corrected_counts_as_corrected() {
    let mut world = World::new().await;
    visited(&mut world, "r-1", VisitKind::Hm, 0).await;
    world.pass_until(day(25)).await;
    visited(&mut world, "r-2", VisitKind::Hm, 14).await;
    assert_eq!(world.episodes(RULE).await, [], "it never was overdue");
    assert_eq!(world.transitions(RULE).await.last().unwrap(), "withdrawn");
    let never = Visit { supersedes: Some("r-2".to_owned()), ..visit("r-3", VisitKind::Fm, day(14), day(14) + HOUR) };
    tell(&mut world, never).await;
    assert_eq!(world.episodes(RULE).await, [(day(16), None, true)], "the visit was a callback after all");
}

#[tokio::test]
async fn silence_holds_nothing_up_and_a_duplicate_and_a_restart_change_nothing() {
    let mut world = World::new().await;
    heartbeat(&mut world, at(0, 0, 1, 0)).await;
    visited(&mut world, "r-1", VisitKind::Hm, 0).await;
    world.pass_until(day(17)).await;
    world.restart().await;
    world.pass_until(day(19)).await;
    visited(&mut world, "r-1", VisitKind::Hm, 0).await;
    assert_eq!(levels(&mut world).await, [(day(16), None, 2, "warning".to_owned())]);
    visited(&mut world, "r-2", VisitKind::Hm, 19).await;
    assert_eq!(world.episodes(RULE).await, [(day(16), Some(day(19) + 2 * HOUR), false)], "although the unit is silent");
}

#[tokio::test]
async fn a_longer_interval_in_the_registry_holds_from_now_on() {
    let mut world = World::new().await;
    visited(&mut world, "r-1", VisitKind::Hm, 0).await;
    world.pass_until(day(20)).await;
    world.register(vec![Unit { maintenance_interval_days: 90, ..unit(UNIT) }]).await;
    assert_eq!(world.episodes(RULE).await, [(day(16), Some(day(20)), false)]);
    world.pass_until(day(91)).await;
    assert_eq!(world.episodes(RULE).await.last(), Some(&(day(91), None, true)));
}

#[tokio::test]
async fn a_visit_of_years_ago_is_the_last_one_still() {
    let mut world = World::new().await;
    let long_ago = day(-4 * 365);
    tell(&mut world, visit("r-1", VisitKind::Hm, long_ago, long_ago + HOUR)).await;
    assert_eq!(world.episodes(RULE).await, [(long_ago + 16 * DAY, None, true)]);
    world.restart().await;
    world.pass_until(day(100)).await;
    tell(&mut world, visit("r-0", VisitKind::Hm, long_ago - DAY, long_ago - DAY + HOUR)).await;
    assert_eq!(world.episodes(RULE).await, [(long_ago + 16 * DAY, None, true)]);
}

#[tokio::test]
async fn the_steps_are_settings() {
    let mut settings = liftwatch::detect::Settings::default();
    settings.maintenance_overdue.days = vec![5];
    settings.maintenance_overdue.severity = Severity::Critical;
    let mut world = World::with(settings).await;
    visited(&mut world, "r-1", VisitKind::Hm, 0).await;
    world.pass_until(day(20)).await;
    assert_eq!(levels(&mut world).await, [(day(20), None, 1, "critical".to_owned())]);
    for days in [vec![], vec![0], vec![3, 3], vec![7, 3]] {
        let settings = liftwatch::detect::maintenance_overdue::Settings { days, ..Default::default() };
        assert_eq!(settings.problems().len(), 1, "{settings:?}");
    }
}
