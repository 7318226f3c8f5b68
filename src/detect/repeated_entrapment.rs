//! `repeated_entrapment`: people trapped in one unit again and again; worse at the third time.

use serde::{Deserialize, Serialize};

use crate::domain::alert::{Severity, Span};
use crate::domain::time::{DAY, Timestamp};
use crate::serde_word;

use super::history::{History, Incident};
use super::repeated_fault;
use super::rule::{self, Rule};
use super::window::{self, Threshold};

/// `[rules.repeated_entrapment]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub enabled: bool,
    /// From `threshold` on; from `critical_threshold` on it is critical.
    #[serde(with = "serde_word::one")]
    pub severity: Severity,
    /// Entrapments. 2 in 30 days means 2.45 to 2.7 times the base rate.
    pub threshold: u32,
    /// Entrapments. Nanjing names lifts with 3 a month.
    pub critical_threshold: u32,
    /// Days.
    pub window_days: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, severity: Severity::Warning, threshold: 2, critical_threshold: 3, window_days: 30 }
    }
}

impl Settings {
    /// Which keys hold what cannot be meant, and why.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = rule::positive(&[("threshold", self.threshold), ("window_days", self.window_days)]);
        if self.critical_threshold <= self.threshold {
            problems.push(("critical_threshold", format!("must be over threshold, which is {}", self.threshold)));
        }
        problems
    }
}

/// The rule with its settings.
pub struct RepeatedEntrapment(pub Settings);

impl Rule for RepeatedEntrapment {
    fn name(&self) -> &'static str {
        "repeated_entrapment"
    }

    fn enabled(&self) -> bool {
        self.0.enabled
    }

    fn version(&self) -> String {
        let Settings { threshold, critical_threshold, window_days, .. } = self.0;
        format!("1 threshold={threshold} critical_threshold={critical_threshold} window_days={window_days}")
    }

    fn basis(&self) -> &'static str {
        "南京市公布每月困人 3 次的电梯 / Nanjing names lifts with 3 entrapments a month"
    }

    fn lookback(&self) -> i64 {
        i64::from(self.0.window_days) * DAY
    }

    fn severity(&self, level: u8) -> Severity {
        if level >= 2 { Severity::Critical } else { self.0.severity }
    }

    fn spans(&self, history: &History) -> Vec<Span> {
        let entrapments = &history.past.entrapments;
        let times: Vec<Timestamp> = entrapments.iter().map(|incident| incident.at).collect();
        let thresholds = [
            Threshold { count: self.0.threshold as usize, level: 1 },
            Threshold { count: self.0.critical_threshold as usize, level: 2 },
        ];
        window::counting_spans(&times, i64::from(self.0.window_days) * DAY, &thresholds, |counting| {
            let counting: Vec<&Incident> = counting.iter().map(|index| &entrapments[*index]).collect();
            let evidence = counting.iter().map(|incident| incident.event.to_string()).collect();
            (evidence, repeated_fault::summary(&counting, self.0.window_days))
        })
    }
}
