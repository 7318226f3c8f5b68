//! Incidents: which faults are one, and which do not count at all. Seen through `repeated_fault`.

use liftwatch::domain::event::{Event, EventType, Mode};
use liftwatch::domain::fault::{Fault, FaultCode};
use liftwatch::domain::time::{HOUR, MINUTE, Timestamp};
use liftwatch::domain::visit::{Visit, VisitKind};

use super::{MS, tell_faults, tell_faults_at_once};
use crate::world::{UNIT, World, at, day, event, mode, raised, visit, visit_message};

const RULE: &str = "repeated_fault";
const CODE: FaultCode = FaultCode::DoorClosing;

/// The number of incidents in a year is seen by how many more it takes to make three.
async fn incidents(world: &mut World) -> usize {
    let last = world.now + HOUR * 2;
    for further in 0..4_i32 {
        if !world.episodes(RULE).await.is_empty() {
            return usize::try_from(3 - further).unwrap();
        }
        world.tell(raised(FaultCode::CombPlate, last + i64::from(further) * 2 * HOUR)).await;
    }
    panic!("three incidents fire");
}

fn coded(code: FaultCode, vendor: &str, ts: Timestamp) -> Event {
    Event { fault: Some(Fault { code, vendor_code: Some(vendor.into()) }), ..event(EventType::FaultRaised, ts) }
}

async fn record(world: &mut World, visit: Visit) {
    world.arrive(vec![visit_message(UNIT, visit)]).await;
}

#[tokio::test]
async fn faults_sixty_minutes_apart_are_one_incident_and_a_millisecond_more_makes_two() {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), day(0) + HOUR]).await;
    assert_eq!(incidents(&mut world).await, 1);
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), day(0) + HOUR + MS]).await;
    assert_eq!(incidents(&mut world).await, 2);
}

#[tokio::test]
async fn each_fault_within_an_hour_of_the_one_before_keeps_a_flapping_incident_one() {
    let mut world = World::new().await;
    let flapping: Vec<Timestamp> = (0..40).map(|n| day(0) + n * 50 * MINUTE).collect();
    tell_faults_at_once(&mut world, CODE, &flapping).await;
    assert_eq!(incidents(&mut world).await, 1);
}

#[tokio::test]
async fn the_incident_keeps_the_time_of_its_first_fault() {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), at(0, 0, 50, 0), day(1), at(1, 0, 50, 0), day(2), at(2, 0, 50, 0)]).await;
    assert_eq!(world.episodes(RULE).await, [(day(2), Some(day(30)), true)]);
}

#[tokio::test]
async fn a_late_fault_between_two_incidents_makes_them_one_and_withdraws_what_they_made() {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), day(1), at(1, 2, 0, 0)]).await;
    assert_eq!(world.episodes(RULE).await.len(), 1);
    world.tell(raised(CODE, at(1, 1, 0, 0))).await;
    assert_eq!(world.episodes(RULE).await, []);
    assert_eq!(world.told(RULE).await, ["fired", "withdrawn"]);
}

#[tokio::test]
async fn the_vendors_code_tells_faults_apart_for_other_alone() {
    let mut world = World::new().await;
    for event in [coded(FaultCode::Other, "E1", day(0)), coded(FaultCode::Other, "E2", day(0) + MINUTE)] {
        world.tell(event).await;
    }
    assert_eq!(incidents(&mut world).await, 2);
    let mut world = World::new().await;
    for event in [coded(CODE, "E1", day(0)), coded(CODE, "E2", day(0) + MINUTE)] {
        world.tell(event).await;
    }
    assert_eq!(incidents(&mut world).await, 1);
}

#[tokio::test]
async fn faults_in_inspection_and_fire_modes_do_not_count_and_those_in_other_modes_do() {
    for (told, counts) in [
        (Mode::Inspection, 0),
        (Mode::FireRecall, 0),
        (Mode::Firefighter, 0),
        (Mode::OutOfService, 1),
        (Mode::EmergencyPower, 1),
        (Mode::Earthquake, 1),
        (Mode::Unknown, 1),
        (Mode::Normal, 1),
    ] {
        let mut world = World::new().await;
        world.tell(mode(told, day(0))).await;
        world.tell(raised(CODE, day(5))).await;
        world.tell(mode(Mode::Normal, day(6))).await;
        assert_eq!(incidents(&mut world).await, counts, "{told}");
    }
}

#[tokio::test]
async fn a_mode_holds_however_long_ago_it_was_told() {
    let mut world = World::new().await;
    world.tell(mode(Mode::Inspection, day(0))).await;
    tell_faults(&mut world, CODE, &[day(300), day(301), day(302)]).await;
    assert_eq!(world.episodes(RULE).await, []);
}

#[tokio::test]
async fn a_fault_at_the_moment_of_a_mode_falls_in_that_mode() {
    let mut world = World::new().await;
    world.tell(raised(CODE, day(0))).await;
    world.tell(mode(Mode::Inspection, day(0))).await;
    world.tell(mode(Mode::Normal, day(1))).await;
    world.tell(raised(CODE, day(1))).await;
    assert_eq!(incidents(&mut world).await, 1, "the first is excluded, the second is not");
}

#[tokio::test]
async fn faults_under_power_loss_do_not_count() {
    let mut world = World::new().await;
    world.tell(event(EventType::MainsOff, day(0))).await;
    tell_faults(&mut world, CODE, &[at(0, 0, 0, 1), day(1), day(2)]).await;
    world.tell(event(EventType::MainsOn, day(3))).await;
    assert_eq!(incidents(&mut world).await, 0);
}

#[tokio::test]
async fn faults_inside_a_visit_do_not_count_and_both_of_its_ends_are_inside() {
    let (from, to) = (at(1, 8, 0, 0), at(1, 12, 0, 0));
    for (fault, counts) in [(from - MS, 1), (from, 0), (at(1, 10, 0, 0), 0), (to, 0), (to + MS, 1)] {
        let mut world = World::new().await;
        world.now = day(2);
        record(&mut world, visit("r-1", VisitKind::Hm, from, to)).await;
        world.tell(raised(CODE, fault)).await;
        assert_eq!(incidents(&mut world).await, counts, "{fault}");
    }
}

#[tokio::test]
async fn a_visit_without_an_end_covers_a_day() {
    for (fault, counts) in [(day(2), 0), (day(2) + MS, 1)] {
        let mut world = World::new().await;
        world.now = day(3);
        record(&mut world, Visit { ended_at: None, ..visit("r-1", VisitKind::Hm, day(1), day(1)) }).await;
        world.tell(raised(CODE, fault)).await;
        assert_eq!(incidents(&mut world).await, counts, "{fault}");
    }
}

#[tokio::test]
async fn a_visit_that_a_later_record_corrects_does_not_count() {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0), day(1), day(2)]).await;
    world.pass_until(day(3)).await;
    record(&mut world, visit("r-1", VisitKind::Hm, at(1, 23, 0, 0), at(2, 1, 0, 0))).await;
    assert_eq!(world.episodes(RULE).await, [], "the third fault was in the visit");
    let corrected = visit("r-2", VisitKind::Hm, at(2, 23, 0, 0), day(3));
    record(&mut world, Visit { supersedes: Some("r-1".to_owned()), ..corrected }).await;
    assert_eq!(world.episodes(RULE).await, [(day(2), Some(day(30)), true)], "the visit was a day later");
    assert_eq!(world.told(RULE).await, ["fired", "withdrawn", "fired"]);
}

#[tokio::test]
async fn a_fault_whose_cleared_event_never_comes_counts_once() {
    let mut world = World::new().await;
    tell_faults(&mut world, CODE, &[day(0)]).await;
    world.pass_until(day(20)).await;
    assert_eq!(incidents(&mut world).await, 1);
}
