//! `evidence_gap`: events that a unit numbered and sent, and that did not arrive.

use serde::{Deserialize, Serialize};

use crate::domain::alert::{Severity, Span, Step, Summary};
use crate::domain::gap::Gap;
use crate::domain::time::{DAY, SECOND};
use crate::serde_word;

use super::history::History;
use super::rule::{self, Rule};
use super::window;

/// `[rules.evidence_gap]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub enabled: bool,
    #[serde(with = "serde_word::one")]
    pub severity: Severity,
    /// Seconds that a missing event may still be on its way (our choice: two rounds of a publisher's retry).
    pub grace_seconds: u32,
    /// Days for which a gap that is never filled stays a finding (our choice: the window of `repeated_fault`).
    pub hold_days: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, severity: Severity::Info, grace_seconds: 60, hold_days: 30 }
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
pub struct EvidenceGap(pub Settings);

impl Rule for EvidenceGap {
    fn name(&self) -> &'static str {
        "evidence_gap"
    }

    fn enabled(&self) -> bool {
        self.0.enabled
    }

    fn version(&self) -> String {
        format!("1 grace_seconds={} hold_days={}", self.0.grace_seconds, self.0.hold_days)
    }

    fn basis(&self) -> &'static str {
        "事件序号不连续：记录不完整不得视为无故障 / event numbers are missing: an incomplete record is not a record of no faults"
    }

    fn lookback(&self) -> i64 {
        i64::from(self.0.hold_days) * DAY
    }

    fn severity(&self, _level: u8) -> Severity {
        self.0.severity
    }

    fn spans(&self, history: &History) -> Vec<Span> {
        window::union(history.gaps.iter().map(|gap| self.span(gap)).collect())
    }
}

impl EvidenceGap {
    /// Empty for a gap that was filled within the grace.
    fn span(&self, gap: &Gap) -> Span {
        let start = gap.found_at + i64::from(self.0.grace_seconds) * SECOND;
        let given_up = gap.found_at + i64::from(self.0.hold_days) * DAY;
        let Gap { boot, from_seq, to_seq, .. } = gap;
        let missing = to_seq - from_seq + 1;
        Span {
            start,
            end: Some(gap.closed_at.unwrap_or(given_up).min(given_up)),
            steps: vec![Step { at: start, level: 1 }],
            evidence: vec![format!("gap-{}", gap.id)],
            summary: Summary {
                zh: format!("缺少 {missing} 个事件：启动 {boot} 的序号 {from_seq} 至 {to_seq}"),
                en: format!("{missing} events missing: sequence {from_seq} to {to_seq} of boot {boot}"),
            },
        }
    }
}
