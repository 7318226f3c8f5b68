//! What is going to happen in the simulated city, in order of time.

use std::collections::BTreeMap;

use crate::domain::event::Mode;
use crate::domain::fault::Fault;
use crate::domain::visit::VisitKind;

/// Something that is going to happen to a lift (or, for the last two, to the city).
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    Heartbeat,
    /// A fault comes by itself; the next one is drawn.
    Strike,
    Raise(Fault),
    Clear(Fault),
    Alarm,
    Entrap,
    Release,
    Enter(Mode),
    PlannedVisit,
    /// A visit's record is sent; it began at this story time and ended at that.
    Record(VisitKind, i64, i64),
    Mains(bool),
    /// Its controller is without power, or has it again.
    Dark(bool),
    Reboot,
    Lose,
    FallSilent,
    Wake,
    Outage,
    Nonsense,
}

/// One happening to come.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Milliseconds of story time; the start is 0, the past below it.
    pub at: i64,
    /// Number of the lift.
    pub lift: usize,
    pub what: Happening,
}

/// The happenings to come. Two at one time come in the order in which they were planned.
#[derive(Debug, Default)]
pub struct Agenda {
    to_come: BTreeMap<(i64, u64), (usize, Happening)>,
    planned: u64,
}

impl Agenda {
    /// Plans `what` for `lift` at story time `at`.
    pub fn add(&mut self, at: i64, lift: usize, what: Happening) {
        self.planned += 1;
        self.to_come.insert((at, self.planned), (lift, what));
    }

    /// Takes the earliest.
    pub fn take_next(&mut self) -> Option<Planned> {
        let ((at, _), (lift, what)) = self.to_come.pop_first()?;
        Some(Planned { at, lift, what })
    }
}
