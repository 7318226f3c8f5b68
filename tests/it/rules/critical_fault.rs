//! `critical_fault`: faults in which a person can be hurt at once, from raised to cleared.

use liftwatch::detect::Settings;
use liftwatch::detect::history::LASTING;
use liftwatch::domain::event::{Event, Mode, State};
use liftwatch::domain::fault::{Fault, FaultCode};
use liftwatch::domain::visit::VisitKind;

use super::{MS, heartbeat, tell_faults_at_once};
use crate::world::{UNIT, World, at, cleared, day, event_message, mode, raised, visit, visit_message};

const RULE: &str = "critical_fault";
const CODE: FaultCode = FaultCode::UnintendedCarMovement;

async fn firing() -> World {
    let mut world = World::new().await;
    world.tell(raised(CODE, day(0))).await;
    world
}

#[tokio::test]
async fn fires_at_one_fault_and_says_which() {
    let mut world = firing().await;
    let alerts = world.alerts(RULE).await;
    assert_eq!(alerts.len(), 1);
    assert_eq!((alerts[0].starts, alerts[0].ends, alerts[0].firing), (day(0), None, true));
    assert_eq!((alerts[0].severity.as_str(), alerts[0].evidence), ("critical", 1));
    let summary = world.text("select summary_en from alert where rule = 'critical_fault'").await;
    assert_eq!(summary, "critical fault: unintended car movement");
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn fires_for_the_five_codes_of_the_default_and_for_no_other() {
    for code in FaultCode::ALL {
        let mut world = World::new().await;
        world.tell(raised(*code, day(0))).await;
        let expected = usize::from(LASTING[..5].contains(code));
        assert_eq!(world.episodes(RULE).await.len(), expected, "{code}");
    }
}

#[tokio::test]
async fn the_codes_are_those_of_the_settings() {
    let mut settings = Settings::default();
    settings.critical_fault.codes = vec![FaultCode::Overspeed];
    let mut world = World::with(settings).await;
    world.tell(raised(CODE, day(0))).await;
    assert_eq!(world.episodes(RULE).await, []);
    world.tell(raised(FaultCode::Overspeed, day(1))).await;
    assert_eq!(world.episodes(RULE).await, [(day(1), None, true)]);
}

#[tokio::test]
async fn an_open_safety_chain_does_not_fire_in_a_car_that_is_said_to_be_empty_or_standing() {
    for (moving, occupied, fires) in [
        (None, None, 1),
        (Some(true), None, 1),
        (None, Some(true), 1),
        (Some(true), Some(true), 1),
        (Some(false), Some(true), 0),
        (Some(true), Some(false), 0),
        (Some(false), None, 0),
        (None, Some(false), 0),
    ] {
        let mut world = World::new().await;
        world.tell(Event { moving, occupied, ..raised(FaultCode::SafetyChainOpen, day(0)) }).await;
        assert_eq!(world.episodes(RULE).await.len(), fires, "moving {moving:?}, occupied {occupied:?}");
    }
}

#[tokio::test]
async fn the_other_codes_fire_though_the_car_is_empty_and_standing() {
    let mut world = World::new().await;
    world.tell(Event { moving: Some(false), occupied: Some(false), ..raised(CODE, day(0)) }).await;
    assert_eq!(world.episodes(RULE).await.len(), 1);
}

#[tokio::test]
async fn fires_once_while_firing_though_it_is_raised_again_and_a_second_code_joins() {
    let mut world = firing().await;
    world.tell(raised(CODE, day(1))).await;
    world.tell(raised(FaultCode::PitOverrun, day(2))).await;
    world.tell(cleared(CODE, day(3))).await;
    assert_eq!(world.episodes(RULE).await, [(day(0), None, true)], "the second code still holds");
    world.tell(cleared(FaultCode::PitOverrun, day(4))).await;
    assert_eq!(world.episodes(RULE).await, [(day(0), Some(day(4)), false)]);
    assert_eq!(world.told(RULE).await, ["fired", "resolved"]);
}

#[tokio::test]
async fn resolves_when_its_own_code_is_cleared_at_that_millisecond() {
    let mut world = firing().await;
    world.tell(cleared(FaultCode::DoorClosing, at(0, 0, 30, 0))).await;
    assert_eq!(world.episodes(RULE).await, [(day(0), None, true)]);
    world.tell(cleared(CODE, at(0, 1, 0, 0) + MS)).await;
    assert_eq!(world.episodes(RULE).await, [(day(0), Some(at(0, 1, 0, 0) + MS), false)]);
    assert_eq!(world.told(RULE).await, ["fired", "resolved"]);
}

#[tokio::test]
async fn keeps_firing_for_years_while_the_unit_is_silent() {
    let mut world = firing().await;
    heartbeat(&mut world, at(0, 0, 1, 0)).await;
    world.pass_until(day(800)).await;
    assert_eq!(world.episodes(RULE).await, [(day(0), None, true)]);
    heartbeat(&mut world, day(801)).await;
    assert_eq!(world.episodes(RULE).await, [(day(0), None, true)], "being heard is not being cleared");
    world.tell(cleared(CODE, day(802))).await;
    assert_eq!(world.episodes(RULE).await, [(day(0), Some(day(802)), false)]);
}

#[tokio::test]
async fn a_clear_that_comes_after_silence_ends_it_when_it_happened() {
    let mut world = firing().await;
    heartbeat(&mut world, at(0, 0, 1, 0)).await;
    world.pass_until(day(5)).await;
    world.now = day(6);
    world.tell(cleared(CODE, day(1))).await;
    assert_eq!(world.episodes(RULE).await, [(day(0), Some(day(1)), false)]);
}

#[tokio::test]
async fn a_duplicate_after_the_clear_does_not_fire_again() {
    let mut world = firing().await;
    world.tell(cleared(CODE, day(1))).await;
    world.tell(raised(CODE, day(0))).await;
    assert_eq!(world.episodes(RULE).await, [(day(0), Some(day(1)), false)]);
    assert_eq!(world.told(RULE).await, ["fired", "resolved"]);
}

#[tokio::test]
async fn a_late_fault_without_its_clear_fires_from_when_it_was_raised() {
    let mut world = World::new().await;
    world.pass_until(day(10)).await;
    world.tell(raised(CODE, day(3))).await;
    assert_eq!(world.episodes(RULE).await, [(day(3), None, true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn a_late_fault_and_its_clear_are_recorded_late_and_told_to_nobody() {
    let mut world = World::new().await;
    world.pass_until(day(10)).await;
    let late = vec![event_message(UNIT, cleared(CODE, day(4))), event_message(UNIT, raised(CODE, day(3)))];
    world.arrive(late).await;
    assert_eq!(world.episodes(RULE).await, [(day(3), Some(day(4)), false)]);
    assert_eq!(world.told(RULE).await, [""; 0]);
}

#[tokio::test]
async fn a_clear_that_came_before_its_fault_ends_it_at_once() {
    let mut world = World::new().await;
    world.tell(cleared(CODE, day(4))).await;
    world.tell(raised(CODE, day(3))).await;
    assert_eq!(world.episodes(RULE).await, [(day(3), Some(day(4)), false)]);
    assert_eq!(world.told(RULE).await, [""; 0]);
}

#[tokio::test]
async fn a_fault_raised_and_cleared_at_one_moment_is_no_episode() {
    let mut world = World::new().await;
    let both = vec![event_message(UNIT, cleared(CODE, day(1))), event_message(UNIT, raised(CODE, day(1)))];
    world.arrive(both).await;
    assert_eq!(world.episodes(RULE).await, []);
}

#[tokio::test]
async fn a_late_earlier_fault_moves_the_start_of_the_same_alert() {
    let mut world = World::new().await;
    world.tell(raised(CODE, day(5))).await;
    world.tell(raised(CODE, day(2))).await;
    assert_eq!(world.episodes(RULE).await, [(day(2), None, true)]);
    assert_eq!(world.told(RULE).await, ["fired"]);
}

#[tokio::test]
async fn survives_a_restart() {
    let mut world = firing().await;
    world.restart().await;
    world.pass_until(day(1)).await;
    world.tell(raised(CODE, day(1))).await;
    assert_eq!(world.episodes(RULE).await, [(day(0), None, true)]);
    world.restart().await;
    world.tell(cleared(CODE, day(2))).await;
    assert_eq!(world.episodes(RULE).await, [(day(0), Some(day(2)), false)]);
    assert_eq!(world.told(RULE).await, ["fired", "resolved"]);
}

#[tokio::test]
async fn flags_in_states_raise_and_clear_it_at_the_edges() {
    let mut world = World::new().await;
    let fault = Fault { code: CODE, vendor_code: None };
    world.tell_state(State { active_faults: Some(vec![]), ..State::at(day(0)) }).await;
    world.tell_state(State { active_faults: Some(vec![fault.clone()]), ..State::at(day(1)) }).await;
    world.tell_state(State { active_faults: Some(vec![fault]), ..State::at(day(2)) }).await;
    assert_eq!(world.episodes(RULE).await, [(day(1), None, true)]);
    world.tell_state(State { active_faults: Some(vec![]), ..State::at(day(3)) }).await;
    assert_eq!(world.episodes(RULE).await, [(day(1), Some(day(3)), false)]);
}

#[tokio::test]
async fn does_not_fire_in_inspection_mode_nor_inside_a_visit() {
    let mut world = World::new().await;
    world.tell(mode(Mode::Inspection, day(0))).await;
    world.tell(raised(CODE, at(0, 1, 0, 0))).await;
    world.tell(mode(Mode::Normal, day(1))).await;
    assert_eq!(world.episodes(RULE).await, []);
    world.now = day(3);
    world.arrive(vec![visit_message(UNIT, visit("r-1", VisitKind::Hm, day(1), day(2)))]).await;
    tell_faults_at_once(&mut world, CODE, &[at(1, 12, 0, 0)]).await;
    assert_eq!(world.episodes(RULE).await, []);
}
