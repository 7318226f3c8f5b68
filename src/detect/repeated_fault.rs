//! `repeated_fault`: at least N incidents of one unit in a sliding window.

use serde::{Deserialize, Serialize};

use crate::domain::alert::{Severity, Span, Summary};
use crate::domain::time::{DAY, Timestamp};
use crate::serde_word;

use super::history::{History, Incident};
use super::rule::{self, Rule};
use super::window::{self, Threshold};

/// `[rules.repeated_fault]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub enabled: bool,
    #[serde(with = "serde_word::one")]
    pub severity: Severity,
    /// Incidents. Fujian's credit scoring of 2016 takes 3 or more faults a month off a firm's account.
    pub threshold: u32,
    /// Days. 3 in 30 days means 3.1 times the base rate of further outages in Deutsche Bahn's lifts.
    pub window_days: u32,
    /// Count each code by itself; otherwise any code counts.
    pub per_code: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, severity: Severity::Warning, threshold: 3, window_days: 30, per_code: false }
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
pub struct RepeatedFault(pub Settings);

impl Rule for RepeatedFault {
    fn name(&self) -> &'static str {
        "repeated_fault"
    }

    fn enabled(&self) -> bool {
        self.0.enabled
    }

    fn version(&self) -> String {
        version(&self.0)
    }

    fn basis(&self) -> &'static str {
        "福建省电梯维保信用评价（2016）：每月故障 3 次及以上 / Fujian maintenance credit scoring 2016: 3 or more faults a month"
    }

    fn lookback(&self) -> i64 {
        i64::from(self.0.window_days) * DAY
    }

    fn severity(&self, _level: u8) -> Severity {
        self.0.severity
    }

    fn spans(&self, history: &History) -> Vec<Span> {
        spans(&self.0, &history.past.incidents)
    }
}

/// The version text of any rule with these settings.
#[must_use]
pub fn version(settings: &Settings) -> String {
    let Settings { threshold, window_days, per_code, .. } = settings;
    format!("1 threshold={threshold} window_days={window_days} per_code={per_code}")
}

/// The spans in which the count of incidents reaches the threshold.
#[must_use]
pub fn spans(settings: &Settings, incidents: &[Incident]) -> Vec<Span> {
    if !settings.per_code {
        return counted(settings, &incidents.iter().collect::<Vec<_>>());
    }
    let mut kinds: Vec<_> = incidents.iter().map(|incident| &incident.fault).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let of_kind = |kind| incidents.iter().filter(|incident| &incident.fault == kind).collect::<Vec<_>>();
    window::union(kinds.into_iter().flat_map(|kind| counted(settings, &of_kind(kind))).collect())
}

fn counted(settings: &Settings, incidents: &[&Incident]) -> Vec<Span> {
    let times: Vec<Timestamp> = incidents.iter().map(|incident| incident.at).collect();
    let thresholds = [Threshold { count: settings.threshold as usize, level: 1 }];
    window::counting_spans(&times, i64::from(settings.window_days) * DAY, &thresholds, |counting| {
        let counting: Vec<&Incident> = counting.iter().map(|index| incidents[*index]).collect();
        let evidence = counting.iter().map(|incident| incident.event.to_string()).collect();
        (evidence, summary(&counting, settings.window_days))
    })
}

/// How many incidents in how many days, and of what.
#[must_use]
pub fn summary(counting: &[&Incident], days: u32) -> Summary {
    let mut zh: Vec<String> = Vec::new();
    let mut en: Vec<String> = Vec::new();
    for incident in counting {
        let (name_zh, name_en) = incident.named();
        if !en.contains(&name_en) {
            zh.push(name_zh);
            en.push(name_en);
        }
    }
    let n = counting.len();
    Summary {
        zh: format!("{days} 天内发生 {n} 起：{}", zh.join("、")),
        en: format!("{n} incidents within {days} days: {}", en.join(", ")),
    }
}
