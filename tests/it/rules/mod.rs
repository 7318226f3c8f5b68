//! The rules as scenarios: what a city sees of each rule, in sentences. A scenario tells messages to the real
//! pipeline on a clock of its own and reads the alerts from the file.

mod repeated_fault;

mod repeated_fault_watch;

mod repeated_entrapment;

mod fault_after_repair;

mod critical_fault;

mod entrapment;

mod entrapment_by_state;

mod over_age;

mod silent_unit;

mod evidence_gap;

mod maintenance_overdue;

mod visit_without_trace;

mod worker_in_two_places;

mod visit_too_short;

mod incidents;

mod episodes;

mod settings;

use liftwatch::domain::event::State;
use liftwatch::domain::fault::FaultCode;
use liftwatch::domain::time::Timestamp;

use crate::world::{UNIT, World, event_message, raised};

/// One millisecond.
const MS: i64 = 1;

/// Faults of one code arrive one after the other, each as it happens or late.
async fn tell_faults(world: &mut World, code: FaultCode, times: &[Timestamp]) {
    for at in times {
        world.tell(raised(code, *at)).await;
    }
}

/// The same faults arrive together, late or not.
async fn tell_faults_at_once(world: &mut World, code: FaultCode, times: &[Timestamp]) {
    world.now = times.iter().copied().max().map_or(world.now, |latest| latest.max(world.now));
    world.arrive(times.iter().map(|at| event_message(UNIT, raised(code, *at))).collect()).await;
}

/// A state that says nothing but that the unit lives.
async fn heartbeat(world: &mut World, at: Timestamp) {
    world.tell_state(State::at(at)).await;
}
