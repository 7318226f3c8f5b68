//! The last known level of everything that a unit tells as a level, and the edges between two messages.
//!
//! Many gateways send their whole state each time; an event is where a level differs from the one before. A message
//! older than what is known of a group changes nothing in it, so duplicates and late states make no edges.

use super::event::{Event, EventType, Mode, Origin, State};
use super::fault::{Fault, FaultCode};
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
            self.faults.iter().any(|known| !is_told(known, told))
                || told.iter().any(|told| !is_known(told, &self.faults))
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
                std::mem::take(&mut self.faults).into_iter().partition(|known| is_told(known, &active));
            active.retain(|told| !is_known(told, &faults));
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

/// Whether a state's fault is the known one. States name codes alone, so the vendor's code of an event says nothing
/// against it; and `other` without a vendor's code means whichever other fault is known.
fn means(told: &Fault, known: &Fault) -> bool {
    let any_other = told.code == FaultCode::Other && told.vendor_code.is_none();
    told.key() == known.key() || (any_other && known.code == FaultCode::Other)
}

fn is_told(known: &Fault, told: &[Fault]) -> bool {
    told.iter().any(|told| means(told, known))
}

fn is_known(told: &Fault, known: &[Fault]) -> bool {
    known.iter().any(|known| means(told, known))
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

#[cfg(test)]
mod tests {
    use smol_str::SmolStr;

    use super::*;

    fn fault(code: FaultCode, vendor: Option<&str>) -> Fault {
        Fault { code, vendor_code: vendor.map(SmolStr::from) }
    }

    fn state(ts: i64, faults: Vec<Fault>) -> State {
        State { active_faults: Some(faults), ..State::at(EARLIEST + ts) }
    }

    fn raised(ts: i64, fault: Fault) -> Event {
        Event { fault: Some(fault), ..edge(&State::at(EARLIEST + ts), EventType::FaultRaised) }
    }

    fn shape(edges: &[Event]) -> Vec<(EventType, Option<&str>)> {
        edges.iter().map(|edge| (edge.kind, edge.fault.as_ref().unwrap().vendor_code.as_deref())).collect()
    }

    #[test]
    fn a_state_that_names_the_code_repeats_an_event_that_named_the_vendors_code_too() {
        for code in [FaultCode::DoorClosing, FaultCode::Other] {
            let mut levels = Levels::default();
            levels.learn(&raised(1, fault(code, Some("E41"))));
            let repeated = state(2, vec![fault(code, None)]);
            assert!(!levels.differ_from(&repeated));
            assert_eq!(levels.observe(&repeated), []);
            let over = levels.observe(&state(3, vec![]));
            assert_eq!(shape(&over), [(EventType::FaultCleared, Some("E41"))]);
        }
    }

    #[test]
    fn vendors_codes_tell_other_faults_apart_and_no_else() {
        let mut levels = Levels::default();
        let faults = vec![
            fault(FaultCode::Other, Some("a")),
            fault(FaultCode::Other, Some("b")),
            fault(FaultCode::DoorOpening, Some("a")),
            fault(FaultCode::DoorOpening, Some("b")),
        ];
        let edges = levels.observe(&state(1, faults.clone()));
        assert_eq!(shape(&edges), [Some("a"), Some("a"), Some("b")].map(|vendor| (EventType::FaultRaised, vendor)));
        assert!(!levels.differ_from(&state(2, faults)));
        levels.learn(&raised(3, fault(FaultCode::DoorOpening, None)));
        assert_eq!(levels.faults.len(), 3);
    }

    #[test]
    fn no_more_faults_are_remembered_than_there_is_room_for() {
        let mut levels = Levels::default();
        let many = |letter: &str| (0..100).map(|n| fault(FaultCode::Other, Some(&format!("{letter}{n}")))).collect();
        assert_eq!(levels.observe(&state(1, many("a"))).len(), MAX_ACTIVE);
        assert_eq!(levels.observe(&state(2, many("b"))).len(), 2 * MAX_ACTIVE);
        assert_eq!(levels.faults.len(), MAX_ACTIVE);
    }
}
