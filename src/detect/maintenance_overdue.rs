//! `maintenance_overdue`: the unit's own interval since its last planned visit is over. No visit on record says nothing.

use serde::{Deserialize, Serialize};

use crate::domain::alert::{Severity, Span, Step, Summary};
use crate::domain::time::Timestamp;
use crate::domain::visit::{StoredVisit, VisitKind};
use crate::serde_word;

use super::history::History;
use super::rule::Rule;

/// Units with an interval of so many days or more are maintained on demand (按需维保: 30, 60 or 90 days, Chongqing upload
/// specification V1.5), and have records of kind FM alone.
const ON_DEMAND_DAYS: u32 = 30;

/// `[rules.maintenance_overdue]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub enabled: bool,
    /// From the second of `days` on; the first is `info`.
    #[serde(with = "serde_word::one")]
    pub severity: Severity,
    /// Days after the visit was due; ascending. Each is a level.
    pub days: Vec<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, severity: Severity::Warning, days: vec![1, 3, 7] }
    }
}

impl Settings {
    /// Which keys hold what cannot be meant, and why.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let ascending = self.days.windows(2).all(|pair| pair[0] < pair[1]);
        let good = ascending && self.days.first().is_some_and(|first| *first >= 1) && self.days.len() <= 10;
        if good { Vec::new() } else { vec![("days", "must be 1 to 10 ascending numbers from 1 on".to_owned())] }
    }
}

/// The rule with its settings.
pub struct MaintenanceOverdue(pub Settings);

/// When the next visit is due after one that began at `started_at`.
#[must_use]
pub fn due(started_at: Timestamp, interval_days: u32) -> Timestamp {
    started_at.plus_days(i64::from(interval_days.max(1)))
}

/// Whether a visit of this kind is one that the interval asks for.
const fn is_planned(kind: VisitKind, interval_days: u32) -> bool {
    !matches!(kind, VisitKind::Fm) || interval_days >= ON_DEMAND_DAYS
}

impl MaintenanceOverdue {
    fn span(&self, visit: &StoredVisit, interval: u32, until: Option<Timestamp>) -> Option<Span> {
        let due = due(visit.started_at, interval);
        let steps =
            self.0.days.iter().zip(1..).map(|(days, level)| Step { at: due.plus_days(i64::from(*days)), level });
        let steps: Vec<Step> = steps.filter(|step| until.is_none_or(|until| step.at < until)).collect();
        Some(Span {
            start: steps.first()?.at,
            end: until,
            steps,
            evidence: vec![visit.id.clone()],
            summary: Summary {
                zh: format!("上次维保 {}，周期 {interval} 天，应于 {due} 前维保", visit.started_at),
                en: format!("last visit {}, every {interval} days: due by {due}", visit.started_at),
            },
        })
    }
}

impl Rule for MaintenanceOverdue {
    fn name(&self) -> &'static str {
        "maintenance_overdue"
    }

    fn enabled(&self) -> bool {
        self.0.enabled
    }

    fn version(&self) -> String {
        let days: Vec<String> = self.0.days.iter().map(u32::to_string).collect();
        format!("1 days={}", days.join(","))
    }

    fn basis(&self) -> &'static str {
        "TSG T5002-2017：维保周期不得超过规定间隔 / TSG T5002-2017: no longer than the interval between two visits"
    }

    /// The latest finished visit is handed over however old it is.
    fn lookback(&self) -> i64 {
        0
    }

    /// A record says that the visit took place, and not the unit.
    fn holds_in_silence(&self) -> bool {
        false
    }

    fn severity(&self, level: u8) -> Severity {
        if level >= 2 || self.0.days.len() == 1 { self.0.severity } else { Severity::Info.min(self.0.severity) }
    }

    fn spans(&self, history: &History) -> Vec<Span> {
        let interval = history.unit.maintenance_interval_days;
        let planned = history.past.visits.iter().filter(|visit| is_planned(visit.kind, interval));
        let mut finished: Vec<(Timestamp, &StoredVisit)> =
            planned.filter_map(|visit| Some((visit.end()?, visit))).collect();
        finished.sort_by_key(|(end, visit)| (*end, visit.started_at));
        let mut spans = Vec::new();
        let mut last: Option<&StoredVisit> = None;
        for (end, visit) in finished {
            // One that began before another that is finished says nothing new.
            if last.is_some_and(|last| visit.started_at <= last.started_at) {
                continue;
            }
            spans.extend(last.and_then(|last| self.span(last, interval, Some(end))));
            last = Some(visit);
        }
        spans.extend(last.and_then(|last| self.span(last, interval, None)));
        spans
    }
}
