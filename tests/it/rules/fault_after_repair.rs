//! `fault_after_repair`: the same fault again within thirty days of the callback that should have ended it.

use liftwatch::domain::event::{Event, EventType};
use liftwatch::domain::fault::{Fault, FaultCode};
use liftwatch::domain::time::{DAY, HOUR};
use liftwatch::domain::visit::{Visit, VisitKind};

use super::{MS, heartbeat, tell_faults};
use crate::world::{UNIT, World, at, day, event, raised, visit, visit_message};

const RULE: &str = "fault_after_repair";
const CODE: FaultCode = FaultCode::DriveAndMotor;

fn repair() -> Visit {
    visit("r-1", VisitKind::Fm, at(1, 8, 0, 0), at(1, 10, 0, 0))
}

/// A visit's record arrives when the visit ends, or late.
async fn record(world: &mut World, visit: Visit) {
    world.now = world.now.max(visit.ended_at.unwrap_or(visit.ts));
    world.arrive(vec![visit_message(UNIT, visit)]).await;
}

/// A fault on day 0, and the callback that repairs it on day 1 from 08:00 to 10:00.
async fn repaired() -> World {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0)]).await;
    record(&mut world, repair()).await;
    world
}

/// The same fault again on day 11: it fires then and ceases on day 41.
async fn firing() -> World {
    let mut world = repaired().await;
    tell_faults(&mut world, CODE, &[day(11)]).await;
    world
}

#[tokio::test]
async fn fires_when_a_repaired_fault_returns_with_fault_visit_and_return_as_evidence() {
    let mut world = firing().await;
    let alerts = world.alerts(RULE).await;
    assert_eq!(alerts.len(), 1);
    assert_eq!((alerts[0].starts, alerts[0].ends, alerts[0].firing), (day(11), Some(day(41)), true));
    assert_eq!((alerts[0].severity.as_str(), alerts[0].evidence), ("warning", 3));
    let visits = "select count(*) from alert a, json_each(a.evidence) e join visit v on v.id = e.value \
         where a.rule = 'fault_after_repair'";
    assert_eq!(world.count(visits).await, 1);
}

#[tokio::test]
async fn does_not_fire_without_a_return_without_a_fault_before_nor_for_another_fault() {
    let mut world = repaired().await;
    tell_faults(&mut world, FaultCode::Levelling, &[day(11)]).await;
    assert_eq!(world.episodes(RULE).await, [], "another fault is no return");
    let mut world = World::new().await;
    record(&mut world, repair()).await;
    tell_faults(&mut world, CODE, &[day(11), day(12)]).await;
    assert_eq!(world.episodes(RULE).await, [], "what was not faulty before was not repaired");
}

#[tokio::test]
async fn does_not_fire_at_a_return_exactly_thirty_days_after_the_repair() {
    let end = at(1, 10, 0, 0);
    let mut world = repaired().await;
    tell_faults(&mut world, CODE, &[end + 30 * DAY]).await;
    assert_eq!(world.episodes(RULE).await, []);
    let mut world = repaired().await;
    tell_faults(&mut world, CODE, &[end + 30 * DAY - MS]).await;
    assert_eq!(world.episodes(RULE).await.len(), 1);
}

#[tokio::test]
async fn a_fault_exactly_thirty_days_before_the_repair_is_not_what_was_repaired() {
    let start = at(1, 8, 0, 0);
    for (before, fires) in [(start - 30 * DAY, 0), (start - 30 * DAY + MS, 1)] {
        let mut world = World::new().await;
        world.now = day(2);
        tell_faults(&mut world, CODE, &[before]).await;
        record(&mut world, repair()).await;
        tell_faults(&mut world, CODE, &[day(11)]).await;
        assert_eq!(world.episodes(RULE).await.len(), fires, "{before}");
    }
}

#[tokio::test]
async fn only_a_callback_that_has_ended_repairs() {
    for visit in [
        Visit { kind: VisitKind::Hm, ..repair() },
        Visit { kind: VisitKind::Oy, ..repair() },
        Visit { ended_at: None, ..repair() },
    ] {
        let mut world = World::new().await;
        tell_faults(&mut world, CODE, &[day(0)]).await;
        record(&mut world, visit.clone()).await;
        tell_faults(&mut world, CODE, &[day(11)]).await;
        assert_eq!(world.episodes(RULE).await, [], "{} {:?}", visit.kind, visit.ended_at);
    }
}

#[tokio::test]
async fn a_callback_that_a_later_record_corrects_repairs_nothing() {
    let mut world = firing().await;
    let corrected =
        Visit { supersedes: Some("r-1".to_owned()), ..visit("r-2", VisitKind::Hm, at(1, 8, 0, 0), at(1, 10, 0, 0)) };
    record(&mut world, corrected).await;
    assert_eq!(world.episodes(RULE).await, []);
    assert_eq!(world.told(RULE).await, ["fired", "withdrawn"]);
}

#[tokio::test]
async fn fires_once_while_firing_and_each_further_return_moves_the_end() {
    let mut world = firing().await;
    tell_faults(&mut world, CODE, &[day(12), day(20)]).await;
    assert_eq!(world.episodes(RULE).await, [(day(11), Some(day(50)), true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn resolves_at_the_millisecond_thirty_days_after_the_last_return() {
    let mut world = firing().await;
    world.pass_until(day(41) - MS).await;
    assert_eq!(world.episodes(RULE).await, [(day(11), Some(day(41)), true)]);
    world.pass_until(day(41)).await;
    assert_eq!(world.episodes(RULE).await, [(day(11), Some(day(41)), false)]);
    assert_eq!(world.told(RULE).await, ["fired", "resolved"]);
}

#[tokio::test]
async fn keeps_firing_while_the_unit_is_silent_and_resolves_when_it_is_heard() {
    let mut world = firing().await;
    heartbeat(&mut world, day(12)).await;
    world.pass_until(day(45)).await;
    assert_eq!(world.episodes(RULE).await, [(day(11), Some(day(41)), true)]);
    heartbeat(&mut world, day(46)).await;
    assert_eq!(world.episodes(RULE).await, [(day(11), Some(day(41)), false)]);
}

#[tokio::test]
async fn a_duplicate_of_the_repaired_fault_is_no_return_and_a_duplicate_visit_no_second_repair() {
    let mut world = repaired().await;
    world.pass_until(day(5)).await;
    tell_faults(&mut world, CODE, &[day(0)]).await;
    record(&mut world, repair()).await;
    assert_eq!(world.episodes(RULE).await, []);
    assert_eq!(world.count("select count(*) from visit").await, 1);
    assert_eq!(world.count("select count(*) from quarantine").await, 0);
}

#[tokio::test]
async fn a_late_visit_record_gives_the_episode_that_it_should_have_given() {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), day(11)]).await;
    world.pass_until(day(15)).await;
    record(&mut world, repair()).await;
    assert_eq!(world.episodes(RULE).await, [(day(11), Some(day(41)), true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn a_late_first_fault_gives_the_episode_that_it_should_have_given() {
    let mut world = World::new().await;
    record(&mut world, repair()).await;
    tell_faults(&mut world, CODE, &[day(11)]).await;
    world.pass_until(day(15)).await;
    tell_faults(&mut world, CODE, &[day(0)]).await;
    assert_eq!(world.episodes(RULE).await, [(day(11), Some(day(41)), true)]);
}

#[tokio::test]
async fn a_late_record_whose_episode_is_over_is_recorded_late_and_told_to_nobody() {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), day(11)]).await;
    world.pass_until(day(60)).await;
    record(&mut world, repair()).await;
    assert_eq!(world.episodes(RULE).await, [(day(11), Some(day(41)), false)]);
    assert_eq!(world.told(RULE).await, [""; 0]);
}

#[tokio::test]
async fn survives_a_restart() {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0)]).await;
    world.restart().await;
    record(&mut world, repair()).await;
    world.restart().await;
    tell_faults(&mut world, CODE, &[day(11)]).await;
    world.restart().await;
    world.pass_until(day(12)).await;
    assert_eq!(world.episodes(RULE).await, [(day(11), Some(day(41)), true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn a_fault_raised_while_the_repair_runs_is_no_return() {
    let mut world = repaired().await;
    world.now = day(2);
    tell_faults(&mut world, CODE, &[at(1, 9, 0, 0), at(1, 10, 0, 0)]).await;
    assert_eq!(world.episodes(RULE).await, [], "both ends of the visit are inside it");
    tell_faults(&mut world, CODE, &[at(1, 10, 0, 0) + HOUR]).await;
    assert_eq!(world.episodes(RULE).await.len(), 1);
}

#[tokio::test]
async fn the_vendors_code_tells_other_faults_apart() {
    let other = |vendor: &str, ts| Event {
        fault: Some(Fault { code: FaultCode::Other, vendor_code: Some(vendor.into()) }),
        ..event(EventType::FaultRaised, ts)
    };
    for (returned, fires) in [("E2", 0), ("E1", 1)] {
        let mut world = World::new().await;
        world.tell(other("E1", day(0))).await;
        record(&mut world, repair()).await;
        world.tell(other(returned, day(11))).await;
        assert_eq!(world.episodes(RULE).await.len(), fires, "{returned}");
    }
}

#[tokio::test]
async fn a_return_as_another_alert_ends_keeps_the_episode_one() {
    let mut world = firing().await;
    record(&mut world, visit("r-2", VisitKind::Fm, at(20, 8, 0, 0), at(20, 10, 0, 0))).await;
    world.tell(raised(CODE, day(41))).await;
    assert_eq!(world.episodes(RULE).await, [(day(11), Some(day(71)), true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}
