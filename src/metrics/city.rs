//! The gauges of the city and of the store: what the database said at one scrape.

use prometheus::GaugeVec;

use super::exceptions::{self, ExceptionalUnit, Firing};
use super::gauge::{float, gauge, seconds, single};

/// The gauges that come from the database.
#[derive(Debug, Clone, Default)]
pub struct CitySnapshot {
    /// (region, kind, units)
    pub units: Vec<(String, String, i64)>,
    /// (region, units)
    pub online: Vec<(String, i64)>,
    /// (region, units)
    pub silent: Vec<(String, i64)>,
    /// (region, units)
    pub unmonitored: Vec<(String, i64)>,
    /// (region, units)
    pub over_age: Vec<(String, i64)>,
    /// (region, units)
    pub maintenance_overdue: Vec<(String, i64)>,
    /// (rule, severity, state, region, alerts)
    pub alerts: Vec<([String; 4], i64)>,
    /// (rule, publisher, alerts)
    pub told_by: Vec<([String; 2], i64)>,
    /// (rule, publisher, answer, alerts)
    pub answered: Vec<([String; 3], i64)>,
    /// Capped by whoever fills it; so are the units.
    pub firing: Vec<Firing>,
    pub exceptional: Vec<ExceptionalUnit>,
    /// (state, region, hazards)
    pub hazards: Vec<(String, String, i64)>,
    pub outbox_entries: i64,
    /// Milliseconds since 1970; `None` when nothing waits.
    pub outbox_oldest: Option<i64>,
    pub dead_letters: i64,
    pub ledger_entries: i64,
    /// When the newest checkpoint was signed, in milliseconds; `None` if none was.
    pub ledger_checkpoint: Option<i64>,
    /// (kind, milliseconds) of the oldest row that is kept.
    pub oldest: Vec<(&'static str, i64)>,
    pub database_bytes: i64,
    pub wal_bytes: i64,
}

/// All of them.
pub(super) fn gauges(city: &CitySnapshot) -> Vec<GaugeVec> {
    let mut gauges = unit_gauges(city);
    gauges.extend(alert_gauges(city));
    gauges.extend(answer_gauges(city));
    gauges.extend(store_gauges(city));
    gauges
}

fn unit_gauges(city: &CitySnapshot) -> Vec<GaugeVec> {
    let by_region = |name: &str, help: &str, rows: &[(String, i64)]| {
        gauge(name, help, ["region"], rows.iter().map(|(region, n)| ([region.as_str()], float(*n))))
    };
    let units = city.units.iter().map(|(region, kind, n)| ([region.as_str(), kind.as_str()], float(*n)));
    let mut gauges = vec![gauge("units", "Units in the registry.", ["region", "kind"], units)];
    gauges.push(by_region("units_online", "Units heard within the last three heartbeats.", &city.online));
    gauges.push(by_region(
        "units_silent",
        "Units that told their state before and were not heard within the last three heartbeats.",
        &city.silent,
    ));
    gauges.push(by_region("units_unmonitored", "Units that never told their state.", &city.unmonitored));
    gauges.push(by_region(
        "units_over_age",
        "Units in use for as many years as the rule over_age sets, 15 by default.",
        &city.over_age,
    ));
    gauges.push(by_region(
        "maintenance_overdue_units",
        "Units whose last recorded visit is longer ago than their interval; a unit without any visit is not counted.",
        &city.maintenance_overdue,
    ));
    gauges
}

fn alert_gauges(city: &CitySnapshot) -> Vec<GaugeVec> {
    let alerts = city.alerts.iter().map(|(labels, n)| (labels.each_ref().map(String::as_str), float(*n)));
    let mut gauges =
        vec![gauge("alerts", "Alerts by where they stand.", ["rule", "severity", "state", "region"], alerts)];
    let hazards = city.hazards.iter().map(|(state, region, n)| ([state.as_str(), region.as_str()], float(*n)));
    gauges.push(gauge("hazards", "Major hazards reported, by where they stand.", ["state", "region"], hazards));
    gauges.extend(exceptions::gauges(&city.firing, &city.exceptional));
    let total: i64 = city.alerts.iter().filter(|(labels, _)| labels[2] == "firing").map(|(_, n)| n).sum();
    let left_out = total.saturating_sub(i64::try_from(city.firing.len()).unwrap_or(i64::MAX));
    gauges.push(single(
        "alert_firing_truncated",
        "Firing alerts that have no series in alert_firing now.",
        left_out.max(0),
    ));
    gauges
}

fn answer_gauges(city: &CitySnapshot) -> Vec<GaugeVec> {
    let told = city.told_by.iter().map(|(labels, n)| (labels.each_ref().map(String::as_str), float(*n)));
    let answered = city.answered.iter().map(|(labels, n)| (labels.each_ref().map(String::as_str), float(*n)));
    vec![
        gauge("alerts_by_publisher", "Alerts by who tells of their units.", ["rule", "publisher"], told),
        gauge(
            "alerts_answered",
            "Alerts that have an answer of this kind, by who tells of their units; one alert may have several.",
            ["rule", "publisher", "answer"],
            answered,
        ),
    ]
}

fn store_gauges(city: &CitySnapshot) -> Vec<GaugeVec> {
    let mut gauges =
        vec![single("outbox_entries", "Transitions to be routed, and messages to be sent.", city.outbox_entries)];
    if let Some(oldest) = city.outbox_oldest {
        let help = "When the oldest of them was written; absent when none waits.";
        gauges.push(gauge("outbox_oldest_timestamp_seconds", help, [], [([], seconds(oldest))]));
    }
    gauges.push(single("dead_letters", "Messages that were given up and wait for a person.", city.dead_letters));
    gauges.push(single("ledger_entries", "Entries of the ledger.", city.ledger_entries));
    if let Some(signed) = city.ledger_checkpoint {
        let help = "When the newest checkpoint of the ledger was signed; absent while nothing is signed.";
        gauges.push(gauge("ledger_checkpoint_timestamp_seconds", help, [], [([], seconds(signed))]));
    }
    let help = "Time of the oldest row that is kept, by kind; absent where there is none.";
    let oldest = city.oldest.iter().map(|(kind, at)| ([*kind], seconds(*at)));
    gauges.push(gauge("oldest_row_timestamp_seconds", help, ["kind"], oldest));
    gauges.push(single("database_bytes", "Size of the database file.", city.database_bytes));
    gauges.push(single("wal_bytes", "Size of the write-ahead log.", city.wal_bytes));
    gauges
}
