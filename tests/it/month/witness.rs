//! Hears the same month as the daemon and writes down, by the definitions of docs/RULES.md alone, which alerts there must be.
//! Knows nothing of the daemon's code; what facts say, the naive model of `model.rs` judges.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::civil::Date;
use liftwatch::domain::event::{Event, EventType, Mode, Origin, State};
use liftwatch::domain::fault::Fault;
use liftwatch::domain::time::{HOUR, SECOND, Timestamp};
use liftwatch::simulate::city::City;

use super::controllers::{Kind, Told, Word, kind_of};
use super::numbers::Numbers;
use super::plan::Plan;
use super::post::Step;
use crate::model::Known;
use crate::world::{START, event};

/// How long a state must look like people trapped.
const TRAP_LIMIT: i64 = 120 * SECOND;

/// To what a witness is deaf, so that its account must differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deaf {
    /// Facts that come more than an hour late.
    LateFacts,
    Visits,
    /// That the broker could not be heard, and that the daemon was gone.
    Outages,
    /// Events that nobody tells, and that are edges between two states.
    Levels,
}

/// One unit as the witness knows it.
struct Unit {
    known: Known,
    seen: HashSet<(i64, String)>,
    /// The last state that counts, of a unit that tells levels.
    levels: Option<State>,
    looks_trapped: Option<Look>,
    numbers: Numbers,
    heard: Option<Timestamp>,
    silent: Option<Timestamp>,
    /// Since when silence counted, and when it ended.
    silences: Vec<(Timestamp, Timestamp)>,
    since: Option<Date>,
}

struct Look {
    since: Timestamp,
    heard: Timestamp,
    told: bool,
}

pub struct Witness {
    deaf: Option<Deaf>,
    units: Vec<Unit>,
    names: Vec<String>,
    /// Since when the broker is heard.
    listening: Option<Timestamp>,
    patience: i64,
}

impl Witness {
    pub fn new(plan: Plan, city: &City, deaf: Option<Deaf>) -> Self {
        let unit = |since| Unit {
            known: Known { events: Vec::new(), visits: Vec::new() },
            seen: HashSet::new(),
            levels: None,
            looks_trapped: None,
            numbers: Numbers::default(),
            heard: None,
            silent: None,
            silences: Vec::new(),
            since,
        };
        let units = city.units.iter().map(|row| unit(row.in_service_since)).collect();
        let names = city.units.iter().map(|unit| unit.id.to_string()).collect();
        Self { deaf, units, names, listening: Some(START), patience: plan.patience() }
    }

    pub fn notes(&mut self, now: Timestamp, step: &Step) {
        match step {
            Step::Batch(messages) => {
                for told in messages {
                    self.hears(now, told);
                }
                for told in messages {
                    self.units[told.unit].numbers.batch_over(now);
                }
            }
            Step::Sweep => self.time_passes(now),
            Step::Lost | Step::Kill if self.deaf != Some(Deaf::Outages) => self.listening = None,
            Step::Found if self.deaf != Some(Deaf::Outages) => self.listening = Some(now),
            Step::Start => {
                if self.deaf != Some(Deaf::Outages) {
                    self.listening = Some(now);
                }
                // What was said in the meantime may still be on its way: the limit by our clock begins anew.
                for look in self.units.iter_mut().filter_map(|unit| unit.looks_trapped.as_mut()) {
                    look.heard = now;
                }
            }
            _ => {}
        }
    }

    fn hears(&mut self, now: Timestamp, told: &Told) {
        let (deaf, kind) = (self.deaf, kind_of(told.unit));
        let unit = &mut self.units[told.unit];
        let too_late = |ts: Timestamp| deaf == Some(Deaf::LateFacts) && now - ts > HOUR;
        match &told.word {
            Word::Nonsense(_) => return,
            Word::Visit(visit) => {
                let known = unit.known.visits.iter().any(|known| known.record_id == visit.record_id);
                if !known && deaf != Some(Deaf::Visits) && !too_late(visit.ts) {
                    unit.known.visits.push(visit.clone());
                }
                return;
            }
            Word::Event(event) => {
                if let Some(sequence) = &event.sequence {
                    unit.numbers.arrived(sequence);
                }
                if event.kind == EventType::PassengerReleased {
                    unit.looks_trapped = unit.looks_trapped.take().filter(|look| look.since > event.ts);
                }
                if !too_late(event.ts) {
                    unit.learns(event.clone());
                }
            }
            Word::State(state) => unit.sees(now, kind, state, deaf != Some(Deaf::Levels)),
        }
        unit.heard = Some(now);
        if let Some(since) = unit.silent.take() {
            unit.silences.push((since, now));
        }
    }

    fn time_passes(&mut self, now: Timestamp) {
        let listening = self.listening;
        for unit in &mut self.units {
            if let Some(look) = unit.looks_trapped.as_mut().filter(|look| !look.told && look.heard + TRAP_LIMIT <= now)
            {
                look.told = true;
                let since = look.since;
                unit.learns(trapped(since));
            }
            let since = unit.heard.zip(listening).map(|(heard, listening)| heard.max(listening));
            if unit.silent.is_none() && since.is_some_and(|since| since + self.patience <= now) {
                unit.silent = since;
            }
        }
    }

    /// The units that are silent now.
    pub fn silent(&self) -> HashSet<String> {
        let silent = self.units.iter().zip(&self.names).filter(|(unit, _)| unit.silent.is_some());
        silent.map(|(_, name)| name.clone()).collect()
    }

    /// Every alert that must stand now: `rule unit start end severity`.
    pub fn alerts(&self, now: Timestamp) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        for (unit, name) in self.units.iter().zip(&self.names) {
            let mut line = |rule: &str, starts: Timestamp, ends: Option<Timestamp>, severity: &str| {
                let ends = ends.map_or_else(|| "-".to_owned(), |ends| ends.to_string());
                lines.insert(format!("{rule} {name} {starts} {ends} {severity}"));
            };
            let open = unit.silent.map(|since| (since, None));
            let silences = unit.silences.iter().map(|(since, ends)| (*since, Some(*ends))).chain(open);
            let silences: Vec<(Timestamp, Option<Timestamp>)> = silences.collect();
            if !unit.known.events.is_empty() || !unit.known.visits.is_empty() {
                let told: Vec<_> = silences.iter().map(|(since, ends)| (*since + self.patience, *ends)).collect();
                let traceless = unit.known.without_trace(now, &told);
                for (rule, starts, ends, level) in unit.known.episodes(now).into_iter().chain(traceless) {
                    line(rule, starts, ends, severity(rule, level));
                }
            }
            for (starts, ends) in unit.numbers.alerts(now) {
                line("evidence_gap", starts, Some(ends), "info");
            }
            for (since, ends) in silences {
                let hazard = since + 72 * HOUR < ends.unwrap_or(now + 1);
                line("silent_unit", since + self.patience, ends, if hazard { "warning" } else { "info" });
            }
            if let Some(thirteen) = unit.since.map(|since| birthday(since, 13)).filter(|at| *at <= now) {
                let limit = unit.since.is_some_and(|since| birthday(since, 15) <= now);
                line("over_age", thirteen, None, if limit { "warning" } else { "info" });
            }
        }
        lines
    }

    /// How many facts this rests on.
    pub fn facts(&self) -> usize {
        self.units.iter().map(|unit| unit.known.events.len() + unit.known.visits.len()).sum()
    }
}

impl Unit {
    /// One fact is one fact, however often it is told.
    fn learns(&mut self, event: Event) {
        let identity = match &event.sequence {
            Some(sequence) => (-1, format!("{sequence:?}")),
            None => (event.ts.0, format!("{} {:?}", event.kind, event.fault)),
        };
        if self.seen.insert(identity) {
            self.known.events.push(event);
        }
    }

    /// A state counts if none is newer. An edge is where it differs from the one before.
    fn sees(&mut self, now: Timestamp, kind: Kind, state: &State, edges_too: bool) {
        if let Some((boot, last)) = state.boot.clone().zip(state.last_seq) {
            self.numbers.announced(boot, last);
        }
        if kind == Kind::Late || self.levels.as_ref().is_some_and(|before| state.ts <= before.ts) {
            return;
        }
        let before = self.levels.replace(state.clone()).unwrap_or(State::at(START));
        let flag = |state: &State| state.entrapment == Some(true);
        if matches!(kind, Kind::Gateway { .. }) && edges_too {
            for edge in edges(&before, state) {
                self.learns(edge);
            }
        }
        let at_work = matches!(state.mode, Some(Mode::Inspection | Mode::FireRecall | Mode::Firefighter));
        if !state.looks_trapped().unwrap_or(false) || at_work {
            self.looks_trapped = None;
            return;
        }
        let rises = flag(state) && !flag(&before);
        let look = self.looks_trapped.get_or_insert(Look { since: state.ts, heard: now, told: rises });
        if !look.told && state.ts - look.since >= TRAP_LIMIT {
            look.told = true;
            let since = look.since;
            self.learns(trapped(since));
        }
    }
}

/// What happened between two states, at the time of the second.
fn edges(before: &State, state: &State) -> Vec<Event> {
    let edge = |kind| Event { moving: state.moving, occupied: state.occupied, ..event(kind, state.ts) };
    let none: Vec<Fault> = Vec::new();
    let (was, is) = (before.active_faults.as_ref().unwrap_or(&none), state.active_faults.as_ref().unwrap_or(&none));
    let mut found = Vec::new();
    if state.mode != Some(before.mode.unwrap_or(Mode::Normal)) {
        found.push(Event { mode: state.mode, ..edge(EventType::ModeChanged) });
    }
    for (kind, from, to) in [(EventType::FaultCleared, was, is), (EventType::FaultRaised, is, was)] {
        let only = from.iter().filter(|fault| !to.contains(fault));
        found.extend(only.map(|fault| Event { fault: Some(fault.clone()), ..edge(kind) }));
    }
    match (before.mains_off.unwrap_or(false), state.mains_off.unwrap_or(false)) {
        (false, true) => found.push(edge(EventType::MainsOff)),
        (true, false) => found.push(edge(EventType::MainsOn)),
        _ => {}
    }
    if state.entrapment == Some(true) && before.entrapment != Some(true) {
        found.push(edge(EventType::EntrapmentReported));
    }
    found
}

/// What a state that lasted comes to.
fn trapped(since: Timestamp) -> Event {
    Event { origin: Origin::Derived, ..event(EventType::EntrapmentReported, since) }
}

/// Midnight in Shanghai, eight hours before that of UTC.
fn birthday(since: Date, years: i16) -> Timestamp {
    let year = since.year() + years;
    let day = Date::new(year, since.month(), since.day()).or_else(|_| Date::new(year, since.month(), 28)).unwrap();
    let midnight = jiff::tz::TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).unwrap();
    Timestamp(midnight.as_millisecond() - 8 * HOUR)
}

fn severity(rule: &str, level: u8) -> &'static str {
    match (rule, level) {
        ("critical_fault" | "entrapment", _) | ("repeated_entrapment", 2) => "critical",
        ("repeated_fault_watch" | "visit_without_trace" | "visit_too_short", _) | ("maintenance_overdue", 1) => "info",
        _ => "warning",
    }
}

/// How many alerts each rule has.
pub fn by_rule(lines: &BTreeSet<String>) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for line in lines {
        *counts.entry(line.split(' ').next().unwrap()).or_default() += 1;
    }
    counts
}
