//! `over_age`: a unit near or over the years after which the law wants it assessed. Age is a trigger, not a predictor.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span as Years, ToSpan};
use serde::{Deserialize, Serialize};

use crate::domain::alert::{Severity, Span, Step, Summary};
use crate::domain::time::Timestamp;
use crate::serde_word;

use super::history::History;
use super::rule::{self, Rule};

/// `[rules.over_age]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub enabled: bool,
    /// From `limit_years` on; the notices before it are `info`.
    #[serde(with = "serde_word::one")]
    pub severity: Severity,
    /// Years since the date of use at which an early notice is given.
    pub notice_years: Vec<u8>,
    /// Years since the date of use: renewal and safety assessment, GB/T 42615-2023.
    pub limit_years: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, severity: Severity::Warning, notice_years: vec![13, 14], limit_years: 15 }
    }
}

impl Settings {
    /// Which keys hold what cannot be meant, and why.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let limit = self.limit_years;
        let late = self.notice_years.iter().filter(|years| **years >= limit || **years == 0);
        let problem =
            |years: &u8| ("notice_years", format!("{years} must be from 1 to below limit_years, which is {limit}"));
        let mut problems: Vec<(&'static str, String)> = late.map(problem).collect();
        problems.extend(rule::positive(&[("limit_years", u32::from(limit))]));
        problems
    }
}

/// The rule with its settings and the zone in which a day begins.
pub struct OverAge {
    settings: Settings,
    zone: TimeZone,
}

impl OverAge {
    /// `zone`: where the units stand, such as Asia/Shanghai.
    #[must_use]
    pub fn new(mut settings: Settings, zone: TimeZone) -> Self {
        settings.notice_years.sort_unstable();
        settings.notice_years.dedup();
        settings.notice_years.retain(|years| *years < settings.limit_years);
        Self { settings, zone }
    }

    /// Midnight of the day on which the unit is so many years in use; a 29 February counts on the 28th.
    fn birthday(&self, since: Date, years: u8) -> Option<Timestamp> {
        let years: Years = i64::from(years).years();
        let day = since.checked_add(years).ok()?;
        let midnight = day.to_zoned_datetime(self.zone.clone()).ok()?;
        Some(Timestamp(midnight.timestamp().as_millisecond()))
    }

    fn limit_level(&self) -> u8 {
        u8::try_from(self.settings.notice_years.len()).unwrap_or(u8::MAX - 1) + 1
    }
}

impl Rule for OverAge {
    fn name(&self) -> &'static str {
        "over_age"
    }

    fn enabled(&self) -> bool {
        self.settings.enabled
    }

    fn version(&self) -> String {
        let notices: Vec<String> = self.settings.notice_years.iter().map(u8::to_string).collect();
        format!("1 notice_years={} limit_years={}", notices.join(","), self.settings.limit_years)
    }

    fn basis(&self) -> &'static str {
        "GB/T 42615-2023 在用电梯安全评估；使用超过 15 年的老旧电梯政策 / GB/T 42615-2023 safety assessment of lifts in use; policy for lifts over 15 years"
    }

    fn lookback(&self) -> i64 {
        0
    }

    fn severity(&self, level: u8) -> Severity {
        if level >= self.limit_level() { self.settings.severity } else { Severity::Info }
    }

    fn spans(&self, history: &History) -> Vec<Span> {
        let Some(since) = history.unit.in_service_since else {
            return Vec::new();
        };
        let years = self.settings.notice_years.iter().copied().chain([self.settings.limit_years]);
        let steps: Vec<Step> = years
            .zip(1..)
            .filter_map(|(years, level)| Some(Step { at: self.birthday(since, years)?, level }))
            .collect();
        let Some(first) = steps.first() else { return Vec::new() };
        let limit = self.settings.limit_years;
        vec![Span {
            start: first.at,
            end: None,
            evidence: Vec::new(),
            summary: Summary {
                zh: format!("{since} 投入使用；满 {limit} 年须安全评估"),
                en: format!("in use since {since}; a safety assessment is due at {limit} years"),
            },
            steps,
        }]
    }
}
