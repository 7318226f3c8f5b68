//! Turns what a transaction did into metrics and log lines: each once, where it is known.

use crate::decode::mapping::Reason;
use crate::domain::event::EventRecord;
use crate::domain::time::Timestamp;
use crate::fleet::Fleet;
use crate::metrics::Metrics;
use crate::pipeline::message::{Arrival, Outcome};

/// Seconds from an event at the unit until it was on disk.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of a delay fit a double")]
fn delay(record: &EventRecord, now: Timestamp) -> f64 {
    (now - record.event.ts).max(0) as f64 / 1_000.0
}

/// Counts how many messages each region's broker brought.
pub fn count_regions(metrics: &Metrics, arrivals: &[Arrival]) {
    // A batch comes from few regions, and mostly in runs.
    for run in arrivals.chunk_by(|a, b| a.region == b.region) {
        metrics.regions.received(run[0].region.as_str(), run.len() as u64);
    }
}

/// Counts an outcome; the fleet tells the region of a unit.
pub fn count(metrics: &Metrics, outcome: &Outcome, fleet: &Fleet, now: Timestamp) {
    for class in &outcome.received {
        metrics.message_received(class.as_str());
    }
    for (reason, _) in &outcome.refused {
        metrics.rejected(reason.as_str());
        if *reason == Reason::Conflict {
            metrics.conflict();
        }
    }
    for region in &outcome.refused_from {
        metrics.regions.rejected(region.as_str());
    }
    metrics.duplicates(outcome.duplicates);
    metrics.gaps(outcome.gaps_found);
    metrics.unknown_codes(outcome.unknown_codes.len() as u64);
    for (rows, count) in &outcome.pruned {
        metrics.pruned(rows.as_str(), *count);
    }
    for record in &outcome.events {
        metrics.event_stored(record.event.kind);
        let delay = delay(record, now);
        metrics.event_delay(delay);
        if let Some(entry) = fleet.get(&record.unit) {
            metrics.regions.delay(entry.unit.region.as_str(), delay);
        }
    }
    for code in &outcome.incidents {
        metrics.incident(*code);
    }
}

/// Logs what people should know: alerts that are told, and what was lost from quarantine's end.
pub fn log(outcome: &Outcome) {
    for change in &outcome.changes {
        let alert = &change.alert;
        if change.tell {
            tracing::info!(
                alert.id,
                alert.rule,
                unit.id = %alert.unit,
                alert.severity = %alert.severity,
                alert.starts_at = %alert.span.start,
                summary = alert.span.summary.en,
                "alert {}",
                change.kind
            );
        } else {
            tracing::debug!(alert.id, alert.rule, unit.id = %alert.unit, "alert {}", change.kind);
        }
    }
    for (reason, detail) in &outcome.refused {
        tracing::debug!(%reason, detail, "message refused");
    }
    for (rows, count) in &outcome.pruned {
        tracing::debug!(%rows, count, "pruned by age");
    }
    if outcome.quarantine_dropped > 0 {
        tracing::warn!(
            messages = outcome.quarantine_dropped,
            "quarantine is full for a publisher; its oldest refused messages were dropped"
        );
    }
}
