//! Turns what a transaction did into metrics and log lines: each once, where it is known.

use crate::decode::mapping::Reason;
use crate::domain::time::Timestamp;
use crate::metrics::Metrics;
use crate::pipeline::message::Outcome;

/// Counts an outcome.
pub fn count(metrics: &Metrics, outcome: &Outcome, now: Timestamp) {
    for class in &outcome.received {
        metrics.message_received(class.as_str());
    }
    for (reason, _) in &outcome.refused {
        metrics.rejected(reason.as_str());
        if *reason == Reason::Conflict {
            metrics.conflict();
        }
    }
    metrics.duplicates(outcome.duplicates);
    metrics.gaps(outcome.gaps_found);
    metrics.unknown_codes(outcome.unknown_codes.len() as u64);
    for record in &outcome.events {
        metrics.event_stored(record.event.kind);
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a delay fit a double")]
        metrics.event_delay((now - record.event.ts).max(0) as f64 / 1_000.0);
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
    if outcome.quarantine_dropped > 0 {
        tracing::warn!(
            messages = outcome.quarantine_dropped,
            "quarantine is full for a publisher; its oldest refused messages were dropped"
        );
    }
}
