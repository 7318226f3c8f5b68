//! Series for what is exceptional now: alerts that fire, and the units that they are about. Capped by whoever fills it.

use std::collections::BTreeMap;

use prometheus::GaugeVec;

use super::gauge::{float, gauge, seconds};

const LABELS: [&str; 7] = ["alert", "rule", "severity", "unit", "region", "site", "maintainer"];

/// One firing alert that has series of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Firing {
    pub alert: String,
    pub rule: String,
    pub severity: String,
    pub unit: String,
    pub region: String,
    pub site: String,
    pub maintainer: String,
    /// Milliseconds.
    pub since: i64,
    /// Milliseconds; `None` where no number is known.
    pub deadline: Option<i64>,
}

impl Firing {
    fn labels(&self) -> [&str; 7] {
        let Self { alert, rule, severity, unit, region, site, maintainer, .. } = self;
        [alert, rule, severity, unit, region, site, maintainer].map(String::as_str)
    }
}

/// What is shown of a unit for which a warning or worse fires.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExceptionalUnit {
    pub unit: String,
    /// Milliseconds; so the next.
    pub heard_at: Option<i64>,
    pub last_visit_at: Option<i64>,
    /// Since the controller was made, as it tells; so the next.
    pub runs: Option<i64>,
    pub door_cycles: Option<i64>,
    /// Incidents of the last 30 days; `None` while that is not known.
    pub incidents: Option<i64>,
}

/// The gauges of both lists.
pub(super) fn gauges(firing: &[Firing], units: &[ExceptionalUnit]) -> Vec<GaugeVec> {
    // One rule may fire twice for a unit (per fault code): still one series.
    let mut lit: BTreeMap<[&str; 5], f64> = BTreeMap::new();
    for alert in firing {
        let Firing { rule, severity, unit, site, maintainer, .. } = alert;
        lit.insert([rule, severity, unit, site, maintainer].map(String::as_str), 1.0);
    }
    let since = firing.iter().map(|alert| (alert.labels(), seconds(alert.since)));
    let deadlines = firing.iter().filter_map(|alert| Some((alert.labels(), seconds(alert.deadline?))));
    vec![
        gauge(
            "alert_firing",
            "Always 1: a rule fires for a unit. The worst alerts only; alert_firing_truncated tells how many are left out.",
            ["rule", "severity", "unit", "site", "maintainer"],
            lit,
        ),
        gauge("alert_firing_since_timestamp_seconds", "When each of these alerts began.", LABELS, since),
        gauge(
            "alert_deadline_timestamp_seconds",
            "By when something is expected of these alerts; absent where no number is known (docs/RULES.md).",
            LABELS,
            deadlines,
        ),
        of_units(units, "unit_heard_timestamp_seconds", "When an exceptional unit was last heard.", |unit| {
            unit.heard_at.map(seconds)
        }),
        of_units(
            units,
            "unit_last_visit_timestamp_seconds",
            "When the last visit to an exceptional unit began.",
            |unit| unit.last_visit_at.map(seconds),
        ),
        of_units(units, "unit_runs", "Runs of an exceptional unit, as it counts them.", |unit| unit.runs.map(float)),
        of_units(units, "unit_door_cycles", "Door cycles of an exceptional unit, as it counts them.", |unit| {
            unit.door_cycles.map(float)
        }),
        of_units(units, "unit_recent_incidents", "Incidents of an exceptional unit in the last 30 days.", |unit| {
            unit.incidents.map(float)
        }),
    ]
}

fn of_units(
    units: &[ExceptionalUnit],
    name: &str,
    help: &str,
    value: impl Fn(&ExceptionalUnit) -> Option<f64>,
) -> GaugeVec {
    gauge(name, help, ["unit"], units.iter().filter_map(|unit| Some(([unit.unit.as_str()], value(unit)?))))
}
