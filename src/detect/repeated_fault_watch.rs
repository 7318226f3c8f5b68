//! `repeated_fault_watch`: the long window over the same incidents, to watch a unit before it is a case.

use serde::{Deserialize, Serialize};

use crate::domain::alert::{Severity, Span};
use crate::domain::time::DAY;
use crate::serde_word;

use super::history::History;
use super::repeated_fault;
use super::rule::{self, Rule};

/// `[rules.repeated_fault_watch]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub enabled: bool,
    #[serde(with = "serde_word::one")]
    pub severity: Severity,
    /// Incidents. 4 in 90 days finds New York's next-month failures with precision .573 and recall .649.
    pub threshold: u32,
    /// Days.
    pub window_days: u32,
    /// Count each code by itself; otherwise any code counts.
    pub per_code: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, severity: Severity::Info, threshold: 4, window_days: 90, per_code: false }
    }
}

impl Settings {
    /// Which keys hold what cannot be meant, and why.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        rule::positive(&[("threshold", self.threshold), ("window_days", self.window_days)])
    }
}

/// The rule with its settings.
pub struct RepeatedFaultWatch(pub Settings);

impl RepeatedFaultWatch {
    fn counting(&self) -> repeated_fault::Settings {
        let Settings { enabled, severity, threshold, window_days, per_code } = self.0.clone();
        repeated_fault::Settings { enabled, severity, threshold, window_days, per_code }
    }
}

impl Rule for RepeatedFaultWatch {
    fn name(&self) -> &'static str {
        "repeated_fault_watch"
    }

    fn enabled(&self) -> bool {
        self.0.enabled
    }

    fn version(&self) -> String {
        repeated_fault::version(&self.counting())
    }

    fn basis(&self) -> &'static str {
        "纽约公开停运数据：90 天内 4 次，下月再故障的精确率 0.573 / New York outage data: 4 in 90 days, precision .573 for the next month"
    }

    fn lookback(&self) -> i64 {
        i64::from(self.0.window_days) * DAY
    }

    fn severity(&self, _level: u8) -> Severity {
        self.0.severity
    }

    fn spans(&self, history: &History) -> Vec<Span> {
        repeated_fault::spans(&self.counting(), &history.past.incidents)
    }
}
