//! REGISTRY of rules: one line per rule. Everything here is pure: no clock, no I/O, no memory between calls.

pub mod rule;

pub mod history;

pub mod window;

pub mod episode;

pub mod repeated_fault;

pub mod repeated_fault_watch;

pub mod repeated_entrapment;

pub mod fault_after_repair;

pub mod critical_fault;

pub mod entrapment;

pub mod over_age;

pub mod silent_unit;

pub mod evidence_gap;

pub mod maintenance_overdue;

pub mod visit_without_trace;

pub mod worker_in_two_places;

pub mod visit_too_short;

pub mod area_power;

pub mod blind_region;

use serde::{Deserialize, Serialize};

use crate::domain::time::{DAY, MINUTE};
use rule::Rule;

/// `[rules]`: one section per rule, each read by the rule that owns it. The last two are of areas; they are no [`Rule`],
/// because they speak of many units at once.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub incident: IncidentSettings,
    pub repeated_fault: repeated_fault::Settings,
    pub repeated_fault_watch: repeated_fault_watch::Settings,
    pub repeated_entrapment: repeated_entrapment::Settings,
    pub fault_after_repair: fault_after_repair::Settings,
    pub critical_fault: critical_fault::Settings,
    pub entrapment: entrapment::Settings,
    pub over_age: over_age::Settings,
    pub silent_unit: silent_unit::Settings,
    pub evidence_gap: evidence_gap::Settings,
    pub maintenance_overdue: maintenance_overdue::Settings,
    pub visit_without_trace: visit_without_trace::Settings,
    pub worker_in_two_places: worker_in_two_places::Settings,
    pub visit_too_short: visit_too_short::Settings,
    pub area_power: area_power::Settings,
    pub blind_region: blind_region::Settings,
}

impl Settings {
    /// Which keys hold what cannot be meant, and why: `repeated_fault.threshold`, `must be at least 1`.
    #[must_use]
    pub fn problems(&self) -> Vec<(String, String)> {
        let sections = [
            ("repeated_fault", self.repeated_fault.problems()),
            ("repeated_fault_watch", self.repeated_fault_watch.problems()),
            ("repeated_entrapment", self.repeated_entrapment.problems()),
            ("fault_after_repair", self.fault_after_repair.problems()),
            ("critical_fault", self.critical_fault.problems()),
            ("entrapment", self.entrapment.problems()),
            ("over_age", self.over_age.problems()),
            ("silent_unit", self.silent_unit.problems()),
            ("evidence_gap", self.evidence_gap.problems()),
            ("maintenance_overdue", self.maintenance_overdue.problems()),
            ("visit_without_trace", self.visit_without_trace.problems()),
            ("worker_in_two_places", self.worker_in_two_places.problems()),
            ("visit_too_short", self.visit_too_short.problems()),
            ("area_power", self.area_power.problems()),
            ("blind_region", self.blind_region.problems()),
        ];
        let named = |(rule, problems): (&str, Vec<(&'static str, String)>)| {
            problems.into_iter().map(|(key, problem)| (format!("{rule}.{key}"), problem)).collect::<Vec<_>>()
        };
        sections.into_iter().flat_map(named).collect()
    }
}

/// `[rules.incident]`: when two faults are one incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IncidentSettings {
    /// The same fault again within so many minutes is the same incident (269 such repeats in New York's 2023 tickets).
    pub merge_minutes: u32,
}

impl Default for IncidentSettings {
    fn default() -> Self {
        Self { merge_minutes: 60 }
    }
}

impl IncidentSettings {
    /// The merge gap in milliseconds.
    #[must_use]
    pub fn merge_gap(&self) -> i64 {
        i64::from(self.merge_minutes) * MINUTE
    }
}

/// Every rule with its settings, in the order in which they are evaluated and shown.
pub struct Rules {
    rules: Vec<Box<dyn Rule>>,
    merge_gap: i64,
}

impl Rules {
    /// Takes each rule's settings; `zone` is where birthdays of units begin.
    #[must_use]
    pub fn new(settings: &Settings, zone: &jiff::tz::TimeZone) -> Self {
        let rules: Vec<Box<dyn Rule>> = vec![
            Box::new(entrapment::Entrapment(settings.entrapment.clone())),
            Box::new(critical_fault::CriticalFault(settings.critical_fault.clone())),
            Box::new(repeated_entrapment::RepeatedEntrapment(settings.repeated_entrapment.clone())),
            Box::new(repeated_fault::RepeatedFault(settings.repeated_fault.clone())),
            Box::new(repeated_fault_watch::RepeatedFaultWatch(settings.repeated_fault_watch.clone())),
            Box::new(fault_after_repair::FaultAfterRepair(settings.fault_after_repair.clone())),
            Box::new(over_age::OverAge::new(settings.over_age.clone(), zone.clone())),
            Box::new(silent_unit::SilentUnit(settings.silent_unit.clone())),
            Box::new(evidence_gap::EvidenceGap(settings.evidence_gap.clone())),
            Box::new(maintenance_overdue::MaintenanceOverdue(settings.maintenance_overdue.clone())),
            Box::new(visit_without_trace::VisitWithoutTrace(settings.visit_without_trace.clone())),
            Box::new(worker_in_two_places::WorkerInTwoPlaces(settings.worker_in_two_places.clone())),
            Box::new(visit_too_short::VisitTooShort(settings.visit_too_short.clone())),
        ];
        Self { rules, merge_gap: settings.incident.merge_gap() }
    }

    /// The rules, enabled or not: a disabled rule's condition never holds, so its alerts end.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Rule> {
        self.rules.iter().map(AsRef::as_ref)
    }

    /// How long the same fault again is still the same incident, in milliseconds.
    #[must_use]
    pub fn merge_gap(&self) -> i64 {
        self.merge_gap
    }

    /// How far back facts must be loaded so that every condition is right from a moment on, in milliseconds.
    #[must_use]
    pub fn lookback(&self) -> i64 {
        let longest = self.iter().map(Rule::lookback).max().unwrap_or(0);
        longest + self.merge_gap + DAY
    }

    /// One text that changes when any rule's meaning or threshold changes.
    #[must_use]
    pub fn version(&self) -> String {
        let each = self.iter().map(|rule| format!("{} {} {}", rule.name(), rule.enabled(), rule.version()));
        let mut all: Vec<String> = each.collect();
        all.push(format!("merge_gap={}", self.merge_gap));
        all.join("; ")
    }
}
