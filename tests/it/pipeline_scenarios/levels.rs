//! Gateways that send their whole state each time: events are the edges between two messages.

use liftwatch::domain::event::{EventType, Mode, State};
use liftwatch::domain::fault::{Fault, FaultCode};
use liftwatch::domain::time::Timestamp;

use crate::world::{World, at, cleared, event, mode, raised};

const CODE: FaultCode = FaultCode::DoorClosing;

fn active(ts: Timestamp, codes: &[FaultCode]) -> State {
    let faults = codes.iter().map(|code| Fault { code: *code, vendor_code: None }).collect();
    State { active_faults: Some(faults), ..State::at(ts) }
}

fn minute(m: i64) -> Timestamp {
    at(0, 0, m, 0)
}

/// The stored events as `type code minute`.
async fn edges(world: &mut World) -> Vec<String> {
    let query = "select type || coalesce(' ' || code, '') || coalesce(' ' || mode, '') || ' ' \
         || ((at - 1767225600000) / 60000) from event order by at, type";
    sqlx::query_scalar(query).fetch_all(&mut world.reader().await).await.unwrap()
}

#[tokio::test]
async fn faults_that_are_active_at_first_sight_are_raised() {
    let mut world = World::new().await;
    world.tell_state(active(minute(1), &[CODE, FaultCode::Levelling])).await;
    assert_eq!(edges(&mut world).await, ["fault_raised door_closing 1", "fault_raised levelling 1"]);
    assert_eq!(world.text("select distinct origin from event").await, "edge");
}

#[tokio::test]
async fn a_fault_is_raised_and_cleared_at_its_edges_alone() {
    let mut world = World::new().await;
    for (m, codes) in [(1, &[][..]), (2, &[CODE]), (3, &[CODE]), (4, &[CODE]), (5, &[]), (6, &[])] {
        world.tell_state(active(minute(m), codes)).await;
    }
    assert_eq!(edges(&mut world).await, ["fault_raised door_closing 2", "fault_cleared door_closing 5"]);
}

#[tokio::test]
async fn a_state_that_says_nothing_of_faults_clears_none() {
    let mut world = World::new().await;
    world.tell_state(active(minute(1), &[CODE])).await;
    world.tell_state(State::at(minute(2))).await;
    world.tell_state(active(minute(3), &[CODE])).await;
    assert_eq!(edges(&mut world).await, ["fault_raised door_closing 1"]);
}

#[tokio::test]
async fn stale_and_duplicate_states_make_no_edge() {
    let mut world = World::new().await;
    world.tell_state(active(minute(1), &[])).await;
    world.tell_state(active(minute(3), &[CODE])).await;
    for stale in [active(minute(1), &[]), active(minute(3), &[CODE]), active(minute(2), &[]), active(minute(3), &[])] {
        world.tell_state(stale).await;
    }
    world.tell_state(active(minute(4), &[CODE])).await;
    assert_eq!(edges(&mut world).await, ["fault_raised door_closing 3"]);
}

#[tokio::test]
async fn a_restart_in_between_makes_no_second_edge() {
    let mut world = World::new().await;
    world.tell_state(State { mode: Some(Mode::Inspection), alarm: Some(true), ..active(minute(1), &[CODE]) }).await;
    world.restart().await;
    world.tell_state(State { mode: Some(Mode::Inspection), alarm: Some(true), ..active(minute(2), &[CODE]) }).await;
    let expected = ["alarm_pressed 1", "fault_raised door_closing 1", "mode_changed inspection 1"];
    assert_eq!(edges(&mut world).await, expected);
    world.restart().await;
    world.tell_state(active(minute(3), &[])).await;
    assert_eq!(edges(&mut world).await[3..], ["fault_cleared door_closing 3"]);
}

#[tokio::test]
async fn a_state_that_repeats_an_event_makes_no_edge() {
    let mut world = World::new().await;
    world.tell(raised(CODE, minute(1))).await;
    world.tell(mode(Mode::Inspection, minute(1))).await;
    world.tell(event(EventType::MainsOff, minute(1))).await;
    let told = State { mode: Some(Mode::Inspection), mains_off: Some(true), ..active(minute(2), &[CODE]) };
    world.tell_state(told).await;
    world.tell(cleared(CODE, minute(3))).await;
    world.tell_state(active(minute(4), &[])).await;
    assert_eq!(world.count("select count(*) from event where origin = 'edge'").await, 0);
}

#[tokio::test]
async fn the_first_mode_is_an_edge_only_if_it_is_not_the_ordinary_one() {
    let mut world = World::new().await;
    world.tell_state(State { mode: Some(Mode::Normal), ..State::at(minute(1)) }).await;
    world.tell_state(State { mode: Some(Mode::Unknown), ..State::at(minute(2)) }).await;
    world.tell_state(State { mode: Some(Mode::Inspection), ..State::at(minute(3)) }).await;
    world.tell_state(State { mode: Some(Mode::Normal), ..State::at(minute(4)) }).await;
    assert_eq!(edges(&mut world).await, ["mode_changed inspection 3", "mode_changed normal 4"]);
}

#[tokio::test]
async fn button_mains_and_entrapment_flags_have_their_own_edges() {
    let mut world = World::new().await;
    for (m, on) in [(1, false), (2, true), (3, true), (4, false)] {
        let (alarm, mains_off, entrapment) = (Some(on), Some(on), Some(on));
        world.tell_state(State { alarm, mains_off, entrapment, ..State::at(minute(m)) }).await;
    }
    let expected = ["alarm_pressed 2", "entrapment_reported 2", "mains_off 2", "mains_on 4"];
    assert_eq!(edges(&mut world).await, expected, "the falling entrapment flag is no release");
}

#[tokio::test]
async fn a_state_of_a_suspect_clock_makes_its_edges_when_it_is_received() {
    let mut world = World::new().await;
    world.now = minute(1);
    world.arrive(vec![crate::world::state_message(crate::world::UNIT, active(minute(10), &[CODE]))]).await;
    assert_eq!(edges(&mut world).await, ["fault_raised door_closing 1"]);
}

#[tokio::test]
async fn states_of_one_batch_make_the_edges_that_they_make_one_by_one() {
    let mut one_by_one = World::new().await;
    let states: Vec<State> = [(1, &[][..]), (2, &[CODE]), (3, &[]), (4, &[CODE])]
        .iter()
        .map(|(m, codes)| active(minute(*m), codes))
        .collect();
    for state in &states {
        one_by_one.tell_state(state.clone()).await;
    }
    let mut together = World::new().await;
    together.now = minute(4);
    let messages = states.iter().map(|state| crate::world::state_message(crate::world::UNIT, state.clone()));
    together.arrive(messages.collect()).await;
    assert_eq!(edges(&mut one_by_one).await, edges(&mut together).await);
}
