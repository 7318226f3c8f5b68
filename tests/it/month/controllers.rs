//! What a city's controllers tell of what happens to their lifts, in the three ways in which controllers do: numbered
//! events that may come late, numbered events in good order beside whole states, and nothing but levels.

use fastrand::Rng;
use liftwatch::domain::event::{Door, Event, EventType, Mode, Sequence, State};
use liftwatch::domain::fault::{Fault, FaultCode};
use liftwatch::domain::time::{DAY, HOUR, MINUTE, Timestamp};
use liftwatch::domain::visit::Visit;
use liftwatch::pipeline::message::Arrival;

use super::plan::Plan;
use crate::world::START;

/// How a controller tells things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Events with numbers, late and out of order; its heartbeats say the last number and no level.
    Late,
    /// Events with numbers, in order; its heartbeats repeat every level, and so must say nothing new.
    Punctual,
    /// States alone: every event is an edge that the daemon must find. With a flag for trapped people, or without.
    Gateway { flag: bool },
}

/// Half of the city sends late, a quarter in order, a quarter levels alone.
pub fn kind_of(unit: usize) -> Kind {
    match unit % 8 {
        0 => Kind::Gateway { flag: true },
        4 => Kind::Gateway { flag: false },
        2 | 6 => Kind::Punctual,
        _ => Kind::Late,
    }
}

/// One thing told by or about a unit, which is a number in the city.
#[derive(Debug, Clone)]
pub struct Told {
    pub unit: usize,
    pub word: Word,
}

#[derive(Debug, Clone)]
pub enum Word {
    State(State),
    Event(Event),
    Visit(Visit),
    /// What the daemon has to refuse or to keep aside, as it came.
    Nonsense(Box<Arrival>),
}

/// A time in which nothing of the unit arrives.
#[derive(Debug, Clone, Copy)]
pub struct Silence {
    pub from: Timestamp,
    pub to: Timestamp,
    /// What happens in it is lost for good; else the controller keeps it and tells it afterwards.
    pub loses: bool,
}

/// One controller, with the truth about its lift.
pub struct Controller {
    pub kind: Kind,
    pub silence: Option<Silence>,
    mode: Mode,
    faults: Vec<Fault>,
    mains_off: bool,
    trapped: bool,
    last: Option<Sequence>,
}

impl Controller {
    pub fn new(unit: usize, plan: &Plan, rng: &mut Rng) -> Self {
        let kind = kind_of(unit);
        // One in twenty-five falls silent, if its messages may come in any order at all.
        let silence = (kind != Kind::Punctual && rng.u32(..25) == 0).then(|| {
            let from = START + rng.i64(DAY..(plan.days - 1).max(2) * DAY);
            let length = match rng.u32(..20) {
                0..12 => 4 * plan.beat + rng.i64(0..3 * HOUR),
                12..17 => rng.i64(3 * HOUR..2 * DAY),
                _ => rng.i64(80 * HOUR..6 * DAY),
            };
            Silence { from, to: from + length, loses: rng.bool() }
        });
        let (mode, faults) = (Mode::Normal, Vec::new());
        Self { kind, silence, mode, faults, mains_off: false, trapped: false, last: None }
    }

    /// Whether nothing of it can be heard then.
    pub fn is_silent(&self, at: Timestamp) -> bool {
        self.silence.is_some_and(|silence| silence.from <= at && at < silence.to)
    }

    /// Something happens to the lift; what of it the controller tells at once.
    pub fn happens(&mut self, event: Event) -> Vec<Word> {
        match (event.kind, &event.fault) {
            (EventType::FaultRaised, Some(fault)) => self.faults = vec![fault.clone()],
            (EventType::FaultCleared, _) => self.faults.clear(),
            (EventType::ModeChanged, _) => self.mode = event.mode.unwrap_or(Mode::Normal),
            (EventType::MainsOff | EventType::MainsOn, _) => self.mains_off = event.kind == EventType::MainsOff,
            (EventType::EntrapmentReported, _) => self.trapped = true,
            (EventType::PassengerReleased, _) => self.trapped = false,
            _ => {}
        }
        if !matches!(self.kind, Kind::Gateway { .. }) {
            self.last.clone_from(&event.sequence);
            return vec![Word::Event(event)];
        }
        let mut state = self.state(event.ts);
        state.alarm = Some(event.kind == EventType::AlarmPressed);
        if !self.trapped {
            // A standing car with somebody in it has its door open, unless people are trapped.
            let (moving, occupied) = (event.moving.unwrap_or(false), event.occupied.unwrap_or(false));
            (state.moving, state.occupied) = (Some(moving), Some(occupied));
            state.door = Some(if moving { Door::Closed } else { Door::Open });
        }
        match event.kind {
            // A level cannot say that people are out: somebody says it.
            EventType::PassengerReleased => vec![Word::Event(Event { sequence: None, ..event }), Word::State(state)],
            _ => vec![Word::State(state)],
        }
    }

    /// What it says of itself at this moment, asked or not.
    pub fn state(&self, ts: Timestamp) -> State {
        let moving = !self.trapped && self.faults.is_empty() && (ts.0 / MINUTE) % 3 == 0;
        let mut state = State {
            moving: Some(moving),
            door: Some(if moving || self.trapped { Door::Closed } else { Door::Open }),
            landing: Some("5".into()),
            in_unlocking_zone: Some(!moving && !self.trapped),
            runs: Some((ts.0 / MINUTE).unsigned_abs()),
            ..State::at(ts)
        };
        if let Some(Sequence { boot, seq }) = &self.last {
            (state.boot, state.last_seq) = (Some(boot.clone()), Some(*seq));
        }
        if self.kind == Kind::Late {
            return state;
        }
        state.occupied = Some(moving || self.trapped);
        state.mode = Some(self.mode);
        match self.kind {
            Kind::Gateway { flag } => {
                state.active_faults = Some(self.faults.clone());
                state.mains_off = Some(self.mains_off);
                state.alarm = Some(false);
                state.entrapment = flag.then_some(self.trapped);
            }
            // The canonical state names codes alone, so it is silent about a vendor's own.
            _ => {
                let own = self.faults.iter().any(|fault| fault.code == FaultCode::Other);
                state.active_faults = (!own).then(|| self.faults.clone());
            }
        }
        state
    }
}
