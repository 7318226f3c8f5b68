//! The last known level of everything that a unit tells as a level, and the edges between two messages.
//!
//! Many gateways send their whole state each time; an event is where a level differs from the one before. A message
//! older than what is known of a group changes nothing in it, so duplicates and late states make no edges.

use super::event::{Event, EventType, Mode, Origin, State};
use super::fault::Fault;
use super::time::{EARLIEST, Timestamp};

/// More active faults at once than any controller has; beyond it a level is not remembered, so memory is bounded.
const MAX_ACTIVE: usize = 64;

/// Levels of one unit, each group with the time of the message that it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels {
    pub mode: Option<Mode>,
    pub mode_as_of: Timestamp,
    /// Active faults, sorted.
    pub faults: Vec<Fault>,
    pub faults_as_of: Timestamp,
    /// Faults that ended in that very moment: at one moment the end comes last, whatever is told twice. Not kept
    /// through a restart.
    pub ended: Vec<Fault>,
    pub alarm: bool,
    pub entrapment: bool,
    pub mains_off: bool,
    /// Of alarm, entrapment and mains.
    pub signals_as_of: Timestamp,
}

impl Default for Levels {
    fn default() -> Self {
        Self {
            mode: None,
            mode_as_of: EARLIEST,
            faults: Vec::new(),
            faults_as_of: EARLIEST,
            ended: Vec::new(),
            alarm: false,
            entrapment: false,
            mains_off: false,
            signals_as_of: EARLIEST,
        }
    }
}

impl Levels {
    /// Whether a state would change a level: the cheap question that most heartbeats answer with no.
    #[must_use]
    pub fn differ_from(&self, state: &State) -> bool {
        let mode = state.mode.is_some_and(|mode| mode != Mode::Unknown && self.mode != Some(mode));
        let faults = state.active_faults.as_ref().is_some_and(|told| {
            told.iter().any(|fault| !holds(&self.faults, fault)) || self.faults.iter().any(|fault| !holds(told, fault))
        });
        let differs = |told: Option<bool>, known: bool| told.is_some_and(|told| told != known);
        mode || faults
            || differs(state.alarm, self.alarm)
            || differs(state.entrapment, self.entrapment)
            || differs(state.mains_off, self.mains_off)
    }

    /// Takes a state over and returns the edges, each at the state's time.
    pub fn observe(&mut self, state: &State) -> Vec<Event> {
        let mut edges = Vec::new();
        if let Some(mode) = state.mode.filter(|mode| *mode != Mode::Unknown && state.ts > self.mode_as_of) {
            // The first mode that we hear of is an edge only if it is not the ordinary one.
            if self.mode.unwrap_or(Mode::Normal) != mode {
                edges.push(Event { mode: Some(mode), ..edge(state, EventType::ModeChanged) });
            }
            (self.mode, self.mode_as_of) = (Some(mode), state.ts);
        }
        if state.ts > self.signals_as_of {
            self.observe_signals(state, &mut edges);
        }
        if let Some(active) = state.active_faults.as_ref().filter(|_| state.ts > self.faults_as_of) {
            let mut active: Vec<Fault> = active.iter().take(MAX_ACTIVE).cloned().collect();
            active.sort();
            active.dedup_by(|later, earlier| later.key() == earlier.key());
            let fault = |kind, fault: &Fault| Event { fault: Some(fault.clone()), ..edge(state, kind) };
            let (mut faults, ended): (Vec<Fault>, Vec<Fault>) =
                std::mem::take(&mut self.faults).into_iter().partition(|known| holds(&active, known));
            active.retain(|told| !holds(&faults, told));
            edges.extend(ended.iter().map(|known| fault(EventType::FaultCleared, known)));
            edges.extend(active.iter().map(|told| fault(EventType::FaultRaised, told)));
            faults.append(&mut active);
            faults.sort();
            (self.faults, self.faults_as_of, self.ended) = (faults, state.ts, ended);
        }
        edges
    }

    fn observe_signals(&mut self, state: &State, edges: &mut Vec<Event>) {
        if let Some(mains_off) = state.mains_off {
            match (self.mains_off, mains_off) {
                (false, true) => edges.push(edge(state, EventType::MainsOff)),
                (true, false) => edges.push(edge(state, EventType::MainsOn)),
                _ => {}
            }
            (self.mains_off, self.signals_as_of) = (mains_off, state.ts);
        }
        if let Some(alarm) = state.alarm {
            if alarm && !self.alarm {
                edges.push(edge(state, EventType::AlarmPressed));
            }
            (self.alarm, self.signals_as_of) = (alarm, state.ts);
        }
        if let Some(entrapment) = state.entrapment {
            // Only a person ends an entrapment, so the falling flag is no event.
            if entrapment && !self.entrapment {
                edges.push(edge(state, EventType::EntrapmentReported));
            }
            (self.entrapment, self.signals_as_of) = (entrapment, state.ts);
        }
    }

    /// Forgets times that lie ahead of `now`: clocks have been set back since.
    pub fn set_back(&mut self, now: Timestamp) {
        for as_of in [&mut self.mode_as_of, &mut self.faults_as_of, &mut self.signals_as_of] {
            *as_of = as_of.not_ahead_of(now);
        }
    }

    /// Takes an event over, so that a state that repeats it makes no edge.
    pub fn learn(&mut self, event: &Event) {
        match event.kind {
            EventType::ModeChanged if event.ts >= self.mode_as_of => {
                (self.mode, self.mode_as_of) = (event.mode, event.ts);
            }
            EventType::MainsOff | EventType::MainsOn if event.ts >= self.signals_as_of => {
                (self.mains_off, self.signals_as_of) = (event.kind == EventType::MainsOff, event.ts);
            }
            EventType::FaultRaised | EventType::FaultCleared if event.ts >= self.faults_as_of => {
                if event.ts > self.faults_as_of {
                    self.ended.clear();
                }
                self.faults_as_of = event.ts;
                let Some(fault) = &event.fault else { return };
                if event.kind == EventType::FaultCleared {
                    self.faults.retain(|known| known.key() != fault.key());
                    if !holds(&self.ended, fault) && self.ended.len() < MAX_ACTIVE {
                        self.ended.push(fault.clone());
                    }
                } else if !holds(&self.ended, fault) && !holds(&self.faults, fault) && self.faults.len() < MAX_ACTIVE {
                    self.faults.push(fault.clone());
                    self.faults.sort();
                }
            }
            _ => {}
        }
    }
}

/// Whether the fault is among them. The vendor's code beside one of ours makes no other fault of it: an event may have it
/// where the state that repeats the fault has not.
fn holds(faults: &[Fault], fault: &Fault) -> bool {
    faults.iter().any(|other| other.key() == fault.key())
}

fn edge(state: &State, kind: EventType) -> Event {
    Event {
        ts: state.ts,
        sequence: None,
        kind,
        fault: None,
        mode: None,
        landing: state.landing.clone(),
        moving: state.moving,
        occupied: state.occupied,
        origin: Origin::Edge,
        extra: None,
    }
}
