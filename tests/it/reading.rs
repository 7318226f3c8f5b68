//! What the real pipeline writes, read as people read it: every evidence id names something, and live state is understood.

use liftwatch::domain::event::{Door, EventType, State};
use liftwatch::domain::fault::FaultCode;
use liftwatch::domain::visit::VisitKind;
use liftwatch::http::api::live::{LevelsWire, StateWire};
use liftwatch::store::read::Reader;
use liftwatch::store::read::alerts::{AlertFilter, EvidenceRow};

use crate::world::{UNIT, World, at, day, event, fault, numbered, raised, state_message, visit, visit_message};

/// What kinds of evidence the alerts of a rule rest on, in order.
async fn evidence(reader: &Reader, rule: &str) -> Vec<&'static str> {
    let filter = AlertFilter { rule: Some(rule.to_owned()), limit: 10, ..AlertFilter::default() };
    let mut kinds = Vec::new();
    for row in reader.alerts(&filter).await.unwrap().items {
        let file = reader.alert(&row.id).await.unwrap().unwrap();
        assert!(!file.transitions.is_empty(), "{rule} began without a transition");
        kinds.extend(file.evidence.iter().map(|fact| match fact {
            EvidenceRow::Event(_) => "event",
            EvidenceRow::Visit(_) => "visit",
            EvidenceRow::Gap(_) => "gap",
            EvidenceRow::Missing(_) => "missing",
        }));
    }
    kinds
}

#[tokio::test]
async fn every_kind_of_evidence_that_rules_name_is_found() {
    let mut world = World::new().await;
    for d in [1, 2, 3] {
        world.pass_until(day(d)).await;
        world.tell(raised(FaultCode::DoorClosing, day(d))).await;
    }
    world.pass_until(day(4)).await;
    world.arrive(vec![visit_message(UNIT, visit("r-1", VisitKind::Fm, at(3, 6, 0, 0), at(3, 7, 0, 0)))]).await;
    world.pass_until(day(5)).await;
    world.tell(numbered("b1", 1, raised(FaultCode::DoorClosing, day(5)))).await;
    world.tell(numbered("b1", 4, event(EventType::EntrapmentReported, at(5, 0, 1, 0)))).await;
    world.pass_until(at(5, 0, 20, 0)).await;
    let reader = Reader::open(&world.file()).await.unwrap();
    assert_eq!(evidence(&reader, "repeated_fault").await, ["event", "event", "event"]);
    assert_eq!(evidence(&reader, "entrapment").await, ["event"]);
    let repaired = evidence(&reader, "fault_after_repair").await;
    assert!(
        repaired.contains(&"visit") && repaired.contains(&"event") && !repaired.contains(&"missing"),
        "{repaired:?}"
    );
    assert_eq!(evidence(&reader, "evidence_gap").await, ["gap"]);
}

#[tokio::test]
async fn live_state_and_levels_are_understood() {
    let mut world = World::new().await;
    world.pass_until(day(1)).await;
    let state = State {
        landing: Some("B2".into()),
        door: Some(Door::Closed),
        active_faults: Some(fault(FaultCode::Levelling).into_iter().collect()),
        alarm: Some(true),
        ..State::at(day(1))
    };
    world.arrive(vec![state_message(UNIT, state)]).await;
    world.pipeline().flush().await.unwrap();
    let reader = Reader::open(&world.file()).await.unwrap();
    let file = reader.unit(UNIT, 0, 0).await.unwrap().unwrap();
    let state = StateWire::of(&file.state.unwrap()).unwrap();
    assert_eq!((state.ts.as_str(), state.landing.as_deref()), ("2026-01-02T00:00:00.000Z", Some("B2")));
    let levels = LevelsWire::of(&file.flags.unwrap()).unwrap();
    assert_eq!((levels.faults[0].code.as_str(), levels.alarm, levels.entrapment), ("levelling", true, false));
    let city = reader.city(day(1).0, "2000-01-01").await.unwrap();
    assert_eq!((city.regions[0].total, city.regions[0].heard, city.regions[0].unmonitored), (1, 1, 0));
    let gauges = reader.gauges(day(1).0, "2000-01-01", 10).await.unwrap();
    assert!(gauges.database_bytes > 0);
}
