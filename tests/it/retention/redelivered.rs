//! What comes, or comes again, after its time was pruned: no false alert, no false gap, and what was recorded stays.

use liftwatch::domain::event::{Event, EventType};
use liftwatch::domain::fault::FaultCode;
use liftwatch::domain::time::{DAY, HOUR};
use liftwatch::domain::visit::{Visit, VisitKind};
use liftwatch::pipeline::message::ApplicationAck;

use crate::world::{UNIT, World, at, day, event, event_message, numbered, raised, visit, visit_message};

/// Ten faults of one boot, two of which never came, in the first days; 300 days later the old ones are gone.
async fn pruned() -> World {
    let mut world = World::new().await;
    for (seq, told) in told() {
        if ![4, 5].contains(&seq) {
            world.tell(told).await;
        }
    }
    world.pass_until(day(60)).await;
    world.retain(None, Some(200));
    world.now = day(300);
    assert!(world.prune().await > 0);
    world
}

fn told() -> Vec<(u64, Event)> {
    let faults = |seq| raised(FaultCode::DoorClosing, at(i64::try_from(seq).unwrap(), 1, 0, 0));
    (1..=10).map(|seq| (seq, numbered("b1", seq, faults(seq)))).collect()
}

const GAPS: &str = "select group_concat(from_seq || '-' || to_seq || ' ' || (closed_at is null)) from gap";

#[tokio::test]
async fn a_numbered_event_that_comes_again_is_a_duplicate_although_its_row_is_gone() {
    for restart in [false, true] {
        let mut world = pruned().await;
        if restart {
            world.restart().await;
        }
        let (rows, alerts) = (world.count("select count(*) from event").await, world.all_alerts().await);
        let gaps = world.text(GAPS).await;
        let again: Vec<_> = told().into_iter().filter(|(seq, _)| ![4, 5].contains(seq)).collect();
        for (seq, event) in again {
            let outcome = world.arrive(vec![event_message(UNIT, event)]).await;
            assert_eq!((outcome.duplicates, outcome.events.len(), outcome.gaps_found), (1, 0, 0), "{seq}");
            let ack = ApplicationAck { seq: 3, ..outcome.acks[0].clone() };
            assert_eq!(outcome.acks, [ack], "the controller may forget it, as before");
        }
        assert_eq!(world.count("select count(*) from event").await, rows);
        assert_eq!((world.all_alerts().await, world.text(GAPS).await), (alerts, gaps));
    }
}

#[tokio::test]
async fn a_number_that_never_came_is_stored_when_it_comes_and_closes_its_gap() {
    let mut world = pruned().await;
    let (alerts, rows) = (world.all_alerts().await, world.count("select count(*) from event").await);
    for (_, event) in told().into_iter().filter(|(seq, _)| [4, 5].contains(seq)) {
        let outcome = world.arrive(vec![event_message(UNIT, event)]).await;
        assert_eq!((outcome.duplicates, outcome.events.len()), (0, 1));
    }
    assert_eq!(world.count("select count(*) from event").await, rows + 2);
    assert_eq!(world.count("select count(*) from gap where closed_at is null").await, 0);
    let old = |alerts: Vec<crate::world::Seen>| {
        alerts.into_iter().filter(|alert| alert.rule != "evidence_gap").collect::<Vec<_>>()
    };
    assert_eq!(old(world.all_alerts().await), old(alerts), "its time can no longer be judged");
    world.now = day(450);
    assert_eq!(world.prune().await, 0);
    world.now = day(505);
    assert_eq!(world.prune().await, 2);
}

#[tokio::test]
async fn an_event_without_a_number_is_stored_again_and_changes_no_alert() {
    let mut world = World::new().await;
    let told: Vec<Event> = (0..6).map(|n| raised(FaultCode::DoorClosing, at(n, 1, 0, 0))).collect();
    for event in &told {
        world.tell(event.clone()).await;
    }
    world.pass_until(day(120)).await;
    let alerts = world.all_alerts().await;
    assert_eq!(alerts.len(), 2);
    world.retain(None, Some(200));
    world.now = day(300);
    assert_eq!(world.prune().await, 2, "four are evidence");
    for (n, event) in told.iter().enumerate() {
        let outcome = world.arrive(vec![event_message(UNIT, event.clone())]).await;
        assert_eq!(outcome.events.len(), usize::from(n > 3), "{n}: evidence is still known");
    }
    assert_eq!(world.all_alerts().await, alerts);
    let transitions = world.count("select count(*) from alert_transition").await;
    world.restart().await;
    world.pass_until(day(310)).await;
    assert_eq!(world.count("select count(*) from alert_transition").await, transitions);
}

#[tokio::test]
async fn late_faults_of_a_time_that_was_pruned_make_no_alert_and_those_of_a_time_that_was_not_do() {
    let mut world = World::new().await;
    world.retain(None, Some(200));
    world.tell(raised(FaultCode::DoorClosing, day(1))).await;
    world.now = day(300);
    world.prune().await;
    let late = |on: i64| (0..3).map(move |n| raised(FaultCode::DoorOpening, at(on + n, 1, 0, 0)));
    for event in late(20) {
        world.arrive(vec![event_message(UNIT, event)]).await;
    }
    assert_eq!(world.alerts("repeated_fault").await, []);
    for event in late(240) {
        world.arrive(vec![event_message(UNIT, event)]).await;
    }
    let late = world.episodes("repeated_fault").await;
    assert_eq!(late, [(at(242, 1, 0, 0), Some(at(270, 1, 0, 0)), false)], "60 days late is as if in time");
}

#[tokio::test]
async fn an_entrapment_that_comes_years_late_traps_people_from_when_it_can_be_judged() {
    let mut world = World::new().await;
    world.retain(Some(4), Some(200));
    for on in [1, 14] {
        let told = visit(&format!("r-{on}"), VisitKind::Hm, at(on, 8, 0, 0), at(on, 9, 0, 0));
        world.now = at(on, 9, 0, 0);
        world.arrive(vec![visit_message(UNIT, told)]).await;
    }
    world.now = day(5 * 366);
    assert_eq!(world.prune().await, 1);
    world.tell(event(EventType::EntrapmentReported, day(3))).await;
    let alerts = world.episodes("entrapment").await;
    let bound = world.count("select cast(value as integer) from setting where name = 'pruned_visit'").await;
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!((alerts[0].0.0, alerts[0].2), (bound, true));
}

/// The registry's row changes, and the unit is judged over its whole past: of which part is not there.
#[tokio::test]
async fn a_new_date_of_first_use_does_not_take_back_what_rests_on_pruned_events() {
    let mut world = World::new().await;
    for n in 0..6 {
        world.tell(raised(FaultCode::DoorClosing, at(n, 1, 0, 0))).await;
    }
    world.pass_until(day(120)).await;
    world.retain(None, Some(200));
    world.now = day(400);
    assert_eq!(world.prune().await, 2);
    let alerts = world.all_alerts().await;
    let unit = crate::world::unit(UNIT);
    let aged = liftwatch::domain::unit::Unit { in_service_since: Some(jiff::civil::date(2020, 1, 1)), ..unit };
    world.register(vec![aged]).await;
    world.pass_until(day(401)).await;
    assert_eq!(world.all_alerts().await, alerts);
}

#[tokio::test]
async fn a_visit_that_comes_again_after_it_was_pruned_is_a_new_record_and_no_alert() {
    let mut world = World::new().await;
    let first = visit("r-1", VisitKind::Hm, at(1, 8, 0, 0), at(1, 8, 5, 0));
    let names = [("r-2", 16), ("r-3", 31)];
    // It is too short, which is an alert that keeps it for as long as alerts are kept.
    world.now = at(1, 9, 0, 0);
    world.arrive(vec![visit_message(UNIT, first.clone())]).await;
    for (name, on) in names {
        world.now = at(on, 9, 0, 0);
        world
            .arrive(vec![visit_message(
                UNIT,
                Visit { ended_at: Some(world.now), ..visit(name, VisitKind::Hm, at(on, 8, 0, 0), world.now) },
            )])
            .await;
    }
    world.pass_until(day(200)).await;
    world.all_is_told().await;
    world.retain(Some(4), Some(200));
    world.now = day(4 * 366 + 220);
    world.prune().await;
    assert_eq!(world.count("select count(*) from visit where record_id = 'r-1'").await, 0);
    let alerts = world.all_alerts().await;
    let outcome = world.arrive(vec![visit_message(UNIT, first)]).await;
    assert_eq!((outcome.duplicates, outcome.visits), (0, 1), "nothing remembers it");
    assert_eq!(world.all_alerts().await, alerts);
    world.now = world.now + HOUR;
    let audit = liftwatch::store::verify::verify(&world.file(), &[], &[]).await.unwrap();
    assert!(audit.is_clean(), "{:#?}", audit.findings);
    world.now = world.now + 4 * 366 * DAY;
    assert!(world.prune().await > 0);
    assert_eq!(world.count("select count(*) from visit where record_id = 'r-1'").await, 0);
}

/// Its earlier record is gone, so it stands alone; what was recorded of that time stays as it was.
#[tokio::test]
async fn a_correction_of_a_visit_that_was_pruned_stands_alone() {
    let mut world = World::new().await;
    for (name, on) in [("r-1", 1), ("r-2", 14), ("r-3", 27)] {
        world.now = at(on, 9, 0, 0);
        let told = visit(name, VisitKind::Hm, at(on, 8, 0, 0), at(on, 9, 0, 0));
        world.arrive(vec![visit_message(UNIT, told)]).await;
    }
    world.retain(Some(4), Some(200));
    world.now = day(4 * 366 + 15);
    assert_eq!(world.prune().await, 1);
    let alerts = world.all_alerts().await;
    let told = visit("r-4", VisitKind::Hm, at(2, 8, 0, 0), at(2, 8, 5, 0));
    let outcome = world.arrive(vec![visit_message(UNIT, Visit { supersedes: Some("r-1".to_owned()), ..told })]).await;
    assert_eq!((outcome.visits, outcome.refused.len()), (1, 0));
    assert_eq!(world.count("select count(*) from visit_correction").await, 0);
    assert_eq!(world.all_alerts().await, alerts);
}
