//! `fault_after_repair`: the same fault again soon after a repair visit that should have ended it.

use serde::{Deserialize, Serialize};

use crate::domain::alert::{Severity, Span, Step, Summary};
use crate::domain::time::{DAY, Timestamp};
use crate::domain::visit::{StoredVisit, VisitKind};
use crate::serde_word;

use super::history::{History, Incident};
use super::rule::{self, Rule};
use super::window;

/// `[rules.fault_after_repair]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub enabled: bool,
    #[serde(with = "serde_word::one")]
    pub severity: Severity,
    /// Days: how long before the visit a fault may lie that the visit repaired, how long after it the fault may
    /// not return, and how long its return counts. 30 days is the usual definition of a first-time fix.
    pub window_days: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, severity: Severity::Warning, window_days: 30 }
    }
}

impl Settings {
    /// Which keys hold what cannot be meant, and why.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        rule::positive(&[("window_days", self.window_days)])
    }
}

/// The rule with its settings.
pub struct FaultAfterRepair(pub Settings);

impl FaultAfterRepair {
    fn window(&self) -> i64 {
        i64::from(self.0.window_days) * DAY
    }

    /// The fault that `visit` repaired, if `returned` is its return.
    fn repaired<'a>(
        &self,
        history: &'a History,
        visit: &StoredVisit,
        ended_at: Timestamp,
        returned: &Incident,
    ) -> Option<&'a Incident> {
        if !(ended_at < returned.at && returned.at < ended_at + self.window()) {
            return None;
        }
        history.past.incidents.iter().rev().find(|earlier| {
            earlier.fault == returned.fault
                && earlier.at <= visit.started_at
                && visit.started_at < earlier.at + self.window()
        })
    }
}

impl Rule for FaultAfterRepair {
    fn name(&self) -> &'static str {
        "fault_after_repair"
    }

    fn enabled(&self) -> bool {
        self.0.enabled
    }

    fn version(&self) -> String {
        format!("1 window_days={}", self.0.window_days)
    }

    fn basis(&self) -> &'static str {
        "一次修复率定义：修复后 30 天内同一故障再现 / first-time-fix definition: the same fault within 30 days of a repair"
    }

    /// The return counts for a window, the repair lies up to a window before it, the fault up to a window before
    /// that, and a visit lasts a day at most.
    fn lookback(&self) -> i64 {
        3 * self.window() + DAY
    }

    fn severity(&self, _level: u8) -> Severity {
        self.0.severity
    }

    fn spans(&self, history: &History) -> Vec<Span> {
        let mut spans = Vec::new();
        for visit in history.past.visits.iter().filter(|visit| visit.kind == VisitKind::Fm) {
            let Some(ended_at) = visit.end() else { continue };
            for returned in &history.past.incidents {
                let Some(repaired) = self.repaired(history, visit, ended_at, returned) else {
                    continue;
                };
                let (zh, en) = returned.named();
                spans.push(Span {
                    start: returned.at,
                    end: Some(returned.at + self.window()),
                    steps: vec![Step { at: returned.at, level: 1 }],
                    evidence: vec![repaired.event.to_string(), visit.id.clone(), returned.event.to_string()],
                    summary: Summary {
                        zh: format!("急修后 {} 天内同一故障再现：{zh}", self.0.window_days),
                        en: format!("the same fault within {} days of its repair: {en}", self.0.window_days),
                    },
                });
            }
        }
        window::union(spans)
    }
}
