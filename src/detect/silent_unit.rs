//! `silent_unit`: a unit that used to send its state and stopped. Silence is unknown, never healthy.

use serde::{Deserialize, Serialize};

use crate::domain::alert::{Severity, Span, Step, Summary};
use crate::domain::time::{HOUR, SECOND};
use crate::serde_word;

use super::history::History;
use super::rule::{self, Rule};

/// `[rules.silent_unit]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub enabled: bool,
    /// Of a unit that is just silent; from `hazard_hours` on it is a warning at least.
    #[serde(with = "serde_word::one")]
    pub severity: Severity,
    /// Seconds between two heartbeats, as agreed with the makers.
    pub heartbeat_seconds: u32,
    /// Heartbeats that may be missed.
    pub missed: u32,
    /// Hours after which the missing monitor is itself a hazard: EN 81-28 wants a test every 3 days.
    pub hazard_hours: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, severity: Severity::Info, heartbeat_seconds: 60, missed: 3, hazard_hours: 72 }
    }
}

impl Settings {
    /// Which keys hold what cannot be meant, and why.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let values = [("heartbeat_seconds", self.heartbeat_seconds), ("missed", self.missed)];
        let mut problems = rule::positive(&values);
        if i64::from(self.hazard_hours) * HOUR <= self.patience() {
            problems.push(("hazard_hours", "must be longer than heartbeat_seconds times missed".to_owned()));
        }
        problems
    }

    /// Milliseconds without a word after which a unit is silent.
    #[must_use]
    pub fn patience(&self) -> i64 {
        i64::from(self.heartbeat_seconds) * i64::from(self.missed) * SECOND
    }
}

/// The rule with its settings.
pub struct SilentUnit(pub Settings);

impl Rule for SilentUnit {
    fn name(&self) -> &'static str {
        "silent_unit"
    }

    fn enabled(&self) -> bool {
        self.0.enabled
    }

    fn version(&self) -> String {
        let Settings { heartbeat_seconds, missed, hazard_hours, .. } = self.0;
        format!("1 heartbeat_seconds={heartbeat_seconds} missed={missed} hazard_hours={hazard_hours}")
    }

    fn basis(&self) -> &'static str {
        "EN 81-28：远程报警系统至少每 3 天自检一次 / EN 81-28: the remote alarm is tested at least every 3 days"
    }

    fn lookback(&self) -> i64 {
        0
    }

    fn is_about_arrival(&self) -> bool {
        true
    }

    fn severity(&self, level: u8) -> Severity {
        if level >= 2 { self.0.severity.max(Severity::Warning) } else { self.0.severity }
    }

    fn spans(&self, history: &History) -> Vec<Span> {
        let Some(heard_at) = history.silent_since else {
            return Vec::new();
        };
        let start = heard_at + self.0.patience();
        let hazard = (heard_at + i64::from(self.0.hazard_hours) * HOUR).max(start + 1);
        vec![Span {
            start,
            end: None,
            steps: vec![Step { at: start, level: 1 }, Step { at: hazard, level: 2 }],
            evidence: Vec::new(),
            summary: Summary {
                zh: format!("自 {heard_at} 起无任何消息，状态未知"),
                en: format!("nothing heard since {heard_at}; its state is unknown"),
            },
        }]
    }
}
