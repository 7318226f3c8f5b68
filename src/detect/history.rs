//! What a rule is given: one unit's facts in order of time, and the incidents that they make.

use std::collections::HashMap;

use crate::domain::event::{EventType, Mode, StoredEvent};
use crate::domain::fault::FaultCode;
use crate::domain::gap::Gap;
use crate::domain::time::Timestamp;
use crate::domain::unit::Unit;
use crate::domain::visit::StoredVisit;

/// One unit's facts. Lookback-bounded: faults before the bound are absent, facts that last are all there.
pub struct History<'a> {
    pub unit: &'a Unit,
    /// Ascending by time; at one moment, modes and mains come first and releases last.
    pub events: Vec<StoredEvent>,
    /// For each event, whether it falls in inspection or fire mode, under power loss, or inside a visit.
    pub excluded: Vec<bool>,
    /// Visits that no later record supersedes, ascending by start.
    pub visits: Vec<StoredVisit>,
    pub gaps: Vec<Gap>,
    /// When the unit was last heard, if it is silent now.
    pub silent_since: Option<Timestamp>,
    /// Counted faults merged over flapping, ascending by time.
    pub incidents: Vec<Incident>,
    /// Counted entrapments, ascending by time.
    pub entrapments: Vec<Incident>,
}

/// Faults of one code merged over flapping, or one entrapment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// What was faulty; `None` for an entrapment.
    pub fault: Option<(FaultCode, Option<String>)>,
    /// The first event's time, which is the incident's.
    pub at: Timestamp,
    pub last_at: Timestamp,
    /// The first event's id, which stands for the incident in evidence.
    pub event: String,
    /// How many events it merged.
    pub count: u32,
}

impl Incident {
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

impl<'a> History<'a> {
    /// Sorts the facts and derives what is excluded and what the incidents are.
    #[must_use]
    pub fn new(unit: &'a Unit, mut events: Vec<StoredEvent>, mut visits: Vec<StoredVisit>, merge_gap: i64) -> Self {
        events.sort_by(|a, b| (a.at, rank(a.kind), &a.id).cmp(&(b.at, rank(b.kind), &b.id)));
        visits.sort_by(|a, b| (a.started_at, &a.id).cmp(&(b.started_at, &b.id)));
        let excluded = exclusions(&events, &visits);
        let incidents = fault_incidents(&events, &excluded, merge_gap);
        let entrapments = entrapment_incidents(&events, &excluded, merge_gap);
        Self { unit, events, excluded, visits, gaps: Vec::new(), silent_since: None, incidents, entrapments }
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

fn exclusions(events: &[StoredEvent], visits: &[StoredVisit]) -> Vec<bool> {
    let (mut in_mode, mut mains_off) = (false, false);
    let mut excluded = Vec::with_capacity(events.len());
    for event in events {
        match event.kind {
            EventType::ModeChanged => in_mode = event.mode.is_some_and(Mode::excludes_faults),
            EventType::MainsOff => mains_off = true,
            EventType::MainsOn => mains_off = false,
            _ => {}
        }
        excluded.push(in_mode || mains_off || visits.iter().any(|visit| visit.covers(event.at)));
    }
    excluded
}

fn fault_incidents(events: &[StoredEvent], excluded: &[bool], merge_gap: i64) -> Vec<Incident> {
    let mut incidents: Vec<Incident> = Vec::new();
    let mut latest: HashMap<(FaultCode, Option<&str>), usize> = HashMap::new();
    for (event, excluded) in events.iter().zip(excluded) {
        let (EventType::FaultRaised, Some(fault), false) = (event.kind, &event.fault, excluded) else {
            continue;
        };
        match latest.get(&fault.key()).map(|index| &mut incidents[*index]) {
            Some(open) if event.at - open.last_at <= merge_gap => {
                open.last_at = event.at;
                open.count += 1;
            }
            _ => {
                let (code, vendor) = fault.key();
                latest.insert(fault.key(), incidents.len());
                incidents.push(Incident {
                    fault: Some((code, vendor.map(str::to_owned))),
                    at: event.at,
                    last_at: event.at,
                    event: event.id.clone(),
                    count: 1,
                });
            }
        }
    }
    incidents
}

/// A report while people are still trapped, or soon after the last report, tells of the same entrapment.
fn entrapment_incidents(events: &[StoredEvent], excluded: &[bool], merge_gap: i64) -> Vec<Incident> {
    let mut incidents: Vec<Incident> = Vec::new();
    let mut trapped = false;
    for (event, excluded) in events.iter().zip(excluded) {
        match event.kind {
            EventType::PassengerReleased => trapped = false,
            EventType::EntrapmentReported if !excluded => {
                match incidents.last_mut() {
                    Some(open) if trapped || event.at - open.last_at <= merge_gap => {
                        open.last_at = event.at;
                        open.count += 1;
                    }
                    _ => incidents.push(Incident {
                        fault: None,
                        at: event.at,
                        last_at: event.at,
                        event: event.id.clone(),
                        count: 1,
                    }),
                }
                trapped = true;
            }
            _ => {}
        }
    }
    incidents
}
