//! What a rule is given: one unit's facts in order of time, and the incidents that they make.

use std::collections::HashMap;

use smol_str::SmolStr;

use crate::domain::event::{EventType, Mode, StoredEvent};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::gap::Gap;
use crate::domain::time::{MINUTE, Timestamp};
use crate::domain::unit::Unit;
use crate::domain::visit::{Elsewhere, Silence, StoredVisit};

/// One unit, as a rule sees it.
pub struct History<'a> {
    pub unit: &'a Unit,
    pub past: &'a Past,
    pub gaps: &'a [Gap],
    /// Other visits of those who worked here, at other sites at the same time.
    pub elsewhere: &'a [Elsewhere],
    /// When nothing was heard of the unit, as far as it is recorded.
    pub silences: &'a [Silence],
    /// When the unit was last heard, if it is silent now.
    pub silent_since: Option<Timestamp>,
}

/// What a unit's events and visits come to. Bounded below: faults before the bound are absent, facts that last are all
/// there. Grows by [`Past::push`] to what [`Past::new`] would make of all the facts together.
#[derive(Debug, Clone)]
pub struct Past {
    /// The events that last ([`lasts`]), ascending by time; at one moment, modes and mains come first, releases last.
    pub events: Vec<StoredEvent>,
    /// For each event, whether it falls in inspection or fire mode, under power loss, or inside a visit.
    pub excluded: Vec<bool>,
    /// Visits that no later record corrects, ascending by start; of those before the bound, the latest that rules need.
    pub visits: Vec<StoredVisit>,
    /// For each visit, whether the unit told an event in its time or within [`NEAR_VISIT`] of it.
    pub traces: Vec<bool>,
    /// Counted faults merged over flapping, ascending by time.
    pub incidents: Vec<Incident>,
    /// Counted entrapments, ascending by time.
    pub entrapments: Vec<Incident>,
    merge_gap: i64,
    /// The place of the latest event in the order of events.
    reached: Option<Place>,
    /// The latest incident of each fault.
    latest: HashMap<FaultKey, usize>,
    /// As of the latest event.
    circumstances: Circumstances,
}

#[derive(Debug, Clone, Default)]
struct Circumstances {
    /// A mode in which faults do not count.
    in_mode: bool,
    mains_off: bool,
    trapped: bool,
}

/// What tells two faults of a unit apart.
type FaultKey = (FaultCode, Option<SmolStr>);

/// How long before and after a visit's claimed time an event may be of that visit, in milliseconds. Ours: people write
/// down round times.
pub const NEAR_VISIT: i64 = 30 * MINUTE;

/// The order of events.
type Place = (Timestamp, u8, SmolStr);

fn place(event: &StoredEvent) -> Place {
    (event.at, rank(event.kind), event.id.clone())
}

/// Faults of one code merged over flapping, or one entrapment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// What was faulty; `None` for an entrapment.
    pub fault: Option<FaultKey>,
    /// The first event's time, which is the incident's.
    pub at: Timestamp,
    pub last_at: Timestamp,
    /// The first event's id, which stands for the incident in evidence.
    pub event: SmolStr,
    /// How many events it merged.
    pub count: u32,
}

impl Incident {
    fn begin(fault: Option<FaultKey>, event: &StoredEvent) -> Self {
        Self { fault, at: event.at, last_at: event.at, event: event.id.clone(), count: 1 }
    }

    fn merge(&mut self, event: &StoredEvent) {
        self.last_at = event.at;
        self.count += 1;
    }

    /// What was faulty, in both languages: `关门故障` and `door closing`; the vendor's code stands behind `other`.
    #[must_use]
    pub fn named(&self) -> (String, String) {
        match &self.fault {
            None => ("困人".to_owned(), "entrapment".to_owned()),
            Some((code, None)) => (code.zh().to_owned(), code.en()),
            Some((code, Some(vendor))) => (format!("{}（{vendor}）", code.zh()), format!("{} ({vendor})", code.en())),
        }
    }
}

/// Codes whose faults rules must know however old they are: those that `critical_fault` may watch.
pub const LASTING: [FaultCode; 7] = [
    FaultCode::SafetyChainOpen,
    FaultCode::UnintendedCarMovement,
    FaultCode::OpenedWhileRunning,
    FaultCode::OverheadOverrun,
    FaultCode::PitOverrun,
    FaultCode::Overspeed,
    FaultCode::UnintendedReversal,
];

/// Whether an event of this kind and code must be known however old it is (src/store/history.rs has the same condition).
#[must_use]
pub fn lasts(kind: EventType, code: Option<FaultCode>) -> bool {
    let circumstance = matches!(
        kind,
        EventType::ModeChanged
            | EventType::MainsOff
            | EventType::MainsOn
            | EventType::EntrapmentReported
            | EventType::PassengerReleased
    );
    circumstance || code.is_some_and(|code| LASTING.contains(&code))
}

/// Whether any rule looks at an event of this kind and code.
#[must_use]
pub fn counts(kind: EventType, code: Option<FaultCode>) -> bool {
    kind == EventType::FaultRaised || lasts(kind, code)
}

/// Puts events in their order.
pub fn sort(events: &mut [StoredEvent]) {
    events.sort_by(|a, b| (a.at, rank(a.kind), &a.id).cmp(&(b.at, rank(b.kind), &b.id)));
}

impl Past {
    /// Sorts the facts and derives what is excluded and what the incidents are. `merge_gap` is in milliseconds.
    #[must_use]
    pub fn new(mut events: Vec<StoredEvent>, mut visits: Vec<StoredVisit>, merge_gap: i64) -> Self {
        sort(&mut events);
        visits.sort_by(|a, b| (a.started_at, &a.id).cmp(&(b.started_at, &b.id)));
        let mut past = Self {
            events: Vec::new(),
            excluded: Vec::new(),
            traces: vec![false; visits.len()],
            visits,
            incidents: Vec::new(),
            entrapments: Vec::new(),
            merge_gap,
            reached: events.last().map(place),
            latest: HashMap::new(),
            circumstances: Circumstances::default(),
        };
        events.into_iter().for_each(|event| past.take(event));
        past
    }

    /// Whether the event comes after all that are here.
    #[must_use]
    pub fn is_followed_by(&self, event: &StoredEvent) -> bool {
        self.reached.as_ref().is_none_or(|reached| {
            let (at, rank_reached, id) = reached;
            (*at, *rank_reached, id) < (event.at, rank(event.kind), &event.id)
        })
    }

    /// Takes an event over that comes after all that are here.
    pub fn push(&mut self, event: StoredEvent) {
        self.reached = Some(place(&event));
        self.take(event);
    }

    /// When the latest event was.
    #[must_use]
    pub fn latest_at(&self) -> Option<Timestamp> {
        self.reached.as_ref().map(|(at, ..)| *at)
    }

    /// How many facts it holds.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.events.len() + self.visits.len() + self.incidents.len() + self.entrapments.len()
    }

    fn take(&mut self, event: StoredEvent) {
        match event.kind {
            EventType::ModeChanged => self.circumstances.in_mode = event.mode.is_some_and(Mode::excludes_faults),
            EventType::MainsOff => self.circumstances.mains_off = true,
            EventType::MainsOn => self.circumstances.mains_off = false,
            _ => {}
        }
        for (visit, trace) in self.visits.iter().zip(&mut self.traces) {
            *trace = *trace || visit.is_near(event.at, NEAR_VISIT);
        }
        let Circumstances { in_mode, mains_off, .. } = self.circumstances;
        let excluded = in_mode || mains_off || self.visits.iter().any(|visit| visit.covers(event.at));
        match (event.kind, &event.fault) {
            (EventType::FaultRaised, Some(fault)) if !excluded => self.fault(fault, &event),
            (EventType::EntrapmentReported, _) if !excluded => self.entrapment(&event),
            (EventType::PassengerReleased, _) => self.circumstances.trapped = false,
            _ => {}
        }
        if lasts(event.kind, event.code()) {
            self.events.push(event);
            self.excluded.push(excluded);
        }
    }

    fn fault(&mut self, fault: &Fault, event: &StoredEvent) {
        let (code, vendor) = fault.key();
        let key = (code, vendor.map(SmolStr::from));
        match self.latest.get(&key).map(|index| &mut self.incidents[*index]) {
            Some(open) if event.at - open.last_at <= self.merge_gap => open.merge(event),
            _ => {
                self.latest.insert(key.clone(), self.incidents.len());
                self.incidents.push(Incident::begin(Some(key), event));
            }
        }
    }

    /// A report while people are still trapped, or soon after the last report, tells of the same entrapment.
    fn entrapment(&mut self, event: &StoredEvent) {
        match self.entrapments.last_mut() {
            Some(open) if self.circumstances.trapped || event.at - open.last_at <= self.merge_gap => open.merge(event),
            _ => self.entrapments.push(Incident::begin(None, event)),
        }
        self.circumstances.trapped = true;
    }
}

/// At one moment: what changes the circumstances, then what happens in them, then what ends it.
fn rank(kind: EventType) -> u8 {
    match kind {
        EventType::ModeChanged | EventType::MainsOff | EventType::MainsOn => 0,
        EventType::PassengerReleased | EventType::FaultCleared => 2,
        _ => 1,
    }
}
