//! `visit_without_trace`: a finished visit of which the unit itself told nothing. Judges only units of which it could know.

use serde::{Deserialize, Serialize};

use crate::domain::alert::{Severity, Span, Summary};
use crate::domain::event::{Mode, StoredEvent};
use crate::domain::time::{DAY, MINUTE, Timestamp};
use crate::domain::visit::StoredVisit;
use crate::serde_word;

use super::history::{History, NEAR_VISIT};
use super::rule::{self, Rule};
use super::window::{self, Finding};

/// How much of a visit's beginning may still have been heard of a unit that was silent during it, in milliseconds. Ours:
/// three missed heartbeats, and the way to the monitor.
const HEARD_AT_FIRST: i64 = 10 * MINUTE;

/// `[rules.visit_without_trace]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub enabled: bool,
    #[serde(with = "serde_word::one")]
    pub severity: Severity,
    /// Days for which a finding stands.
    pub hold_days: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, severity: Severity::Info, hold_days: 30 }
    }
}

impl Settings {
    /// Which keys hold what cannot be meant, and why.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        rule::positive(&[("hold_days", self.hold_days)])
    }
}

/// The rule with its settings.
pub struct VisitWithoutTrace(pub Settings);

/// Whether the unit was in inspection mode in the visit's time or near it. `modes` ascend.
fn was_inspected(modes: &[&StoredEvent], visit: &StoredVisit, end: Timestamp) -> bool {
    let (from, to) = (visit.started_at - NEAR_VISIT, end + NEAR_VISIT);
    let before = modes.iter().rev().find(|event| event.at < from);
    let during = modes.iter().filter(|event| from <= event.at && event.at <= to);
    before.into_iter().chain(during).any(|event| event.mode == Some(Mode::Inspection))
}

/// What is said of a visit, if it left no trace.
fn missing(history: &History, modes: &[&StoredEvent], visit: &StoredVisit, end: Timestamp) -> Option<Summary> {
    let silent = history
        .silences
        .iter()
        .any(|silence| silence.from <= visit.started_at + HEARD_AT_FIRST && silence.to.is_none_or(|to| end <= to));
    let tells_modes = modes.iter().any(|event| event.mode == Some(Mode::Inspection) && event.at <= end);
    if silent {
        return Some(Summary {
            zh: format!("{} 维保期间电梯一直失联", visit.kind),
            en: format!("the unit was silent during its visit {}", visit.kind),
        });
    }
    (tells_modes && !was_inspected(modes, visit, end)).then(|| Summary {
        zh: format!("{} 维保期间未见检修模式，也无任何事件", visit.kind),
        en: format!("neither inspection mode nor any event during visit {}", visit.kind),
    })
}

impl Rule for VisitWithoutTrace {
    fn name(&self) -> &'static str {
        "visit_without_trace"
    }

    fn enabled(&self) -> bool {
        self.0.enabled
    }

    fn version(&self) -> String {
        format!("1 hold_days={}", self.0.hold_days)
    }

    fn basis(&self) -> &'static str {
        "TSG T5002-2017 第十条：维保记录须真实 / TSG T5002-2017 art. 10: records tell what was done"
    }

    fn lookback(&self) -> i64 {
        i64::from(self.0.hold_days) * DAY + DAY + 2 * NEAR_VISIT
    }

    fn holds_in_silence(&self) -> bool {
        false
    }

    fn gathers(&self) -> bool {
        true
    }

    fn severity(&self, _level: u8) -> Severity {
        self.0.severity
    }

    fn spans(&self, history: &History) -> Vec<Span> {
        let modes: Vec<&StoredEvent> = history.past.events.iter().filter(|event| event.mode.is_some()).collect();
        let unseen = history.past.visits.iter().zip(&history.past.traces).filter(|(_, trace)| !**trace);
        let found = unseen.filter_map(|(visit, _)| {
            let end = visit.end()?;
            let summary = missing(history, &modes, visit, end)?;
            Some(Finding { at: end + NEAR_VISIT, evidence: vec![visit.id.clone()], summary })
        });
        window::held(found.collect(), i64::from(self.0.hold_days) * DAY)
    }
}
