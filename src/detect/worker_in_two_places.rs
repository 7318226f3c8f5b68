//! `worker_in_two_places`: records have one worker at two sites at one time. The store finds the pairs; this judges them.

use serde::{Deserialize, Serialize};

use crate::domain::alert::{Severity, Span, Summary};
use crate::domain::time::DAY;
use crate::serde_word;

use super::history::History;
use super::rule::{self, Rule};
use super::window::{self, Finding};

/// `[rules.worker_in_two_places]`
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
        Self { enabled: true, severity: Severity::Warning, hold_days: 30 }
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
pub struct WorkerInTwoPlaces(pub Settings);

impl Rule for WorkerInTwoPlaces {
    fn name(&self) -> &'static str {
        "worker_in_two_places"
    }

    fn enabled(&self) -> bool {
        self.0.enabled
    }

    fn version(&self) -> String {
        format!("1 hold_days={}", self.0.hold_days)
    }

    fn basis(&self) -> &'static str {
        "TSG T5002-2017：维保须由作业人员现场实施 / TSG T5002-2017: the work is done on site by those who sign for it"
    }

    fn lookback(&self) -> i64 {
        i64::from(self.0.hold_days) * DAY + DAY
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
        let met = history.elsewhere.iter().map(|elsewhere| Finding {
            at: elsewhere.at,
            evidence: vec![elsewhere.visit.clone(), elsewhere.other.clone()],
            summary: Summary {
                zh: format!("作业人员 {} 同一时间还在 {} 维保", elsewhere.worker, elsewhere.other_unit),
                en: format!("worker {} was at {} at the same time", elsewhere.worker, elsewhere.other_unit),
            },
        });
        let mut met: Vec<Finding> = met.collect();
        // Two workers of one pair of visits are one finding.
        met.sort_by(|a, b| (a.at, &a.evidence, &a.summary.en).cmp(&(b.at, &b.evidence, &b.summary.en)));
        met.dedup_by(|a, b| a.at == b.at && a.evidence == b.evidence);
        window::held(met, i64::from(self.0.hold_days) * DAY)
    }
}
