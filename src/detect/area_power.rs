//! `area_power`: many units of one site lose the mains within moments. It is said of a site, and not of its units.

use serde::{Deserialize, Serialize};

use crate::domain::alert::Severity;
use crate::domain::time::{SECOND, Timestamp};
use crate::serde_word;

use super::rule;

/// What the rule rests on: 220 lifts in 15 compounds stood still by one power cut (Nanping, 2023).
pub const BASIS: &str = "同一小区多台电梯同时断电：南平 2023，一次停电 15 个小区 220 台 / many lifts of one site without mains at once: Nanping 2023, 220 lifts in 15 compounds by one cut";

/// `[rules.area_power]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub enabled: bool,
    #[serde(with = "serde_word::one")]
    pub severity: Severity,
    /// Units of one site that must be without mains.
    pub units: u32,
    /// Seconds within which they must have lost it.
    pub window_seconds: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, severity: Severity::Warning, units: 5, window_seconds: 120 }
    }
}

impl Settings {
    /// Which keys hold what cannot be meant, and why.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = rule::positive(&[("window_seconds", self.window_seconds)]);
        if self.units < 2 {
            problems.push(("units", "must be at least 2: one unit is no area".to_owned()));
        }
        problems
    }
}

/// When a unit lost the mains last, and when it said last that they are back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mains {
    pub off_at: Timestamp,
    pub on_at: Option<Timestamp>,
}

impl Mains {
    /// Whether it is without mains now. Of one moment, the return counts.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.on_at.is_none_or(|on| on < self.off_at)
    }
}

/// When the units of one site lost the mains together; `None` if they did not. What was lost up to `after`, when the last
/// such event ended, belongs to that one.
#[must_use]
pub fn begin(settings: &Settings, site: &[Mains], after: Option<Timestamp>) -> Option<Timestamp> {
    let fresh = site.iter().filter(|mains| mains.is_off()).map(|mains| mains.off_at);
    let mut lost: Vec<Timestamp> = fresh.filter(|at| after.is_none_or(|after| *at > after)).collect();
    lost.sort_unstable();
    let units = usize::try_from(settings.units).unwrap_or(usize::MAX).max(1);
    let window = i64::from(settings.window_seconds) * SECOND;
    let together = lost.windows(units).find(|together| together[units - 1] - together[0] <= window);
    together.filter(|_| settings.enabled).map(|together| together[0])
}
