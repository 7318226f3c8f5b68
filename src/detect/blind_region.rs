//! `blind_region`: most units of a region fall silent together. Then it is we who cannot see, and not they that are dead.

use serde::{Deserialize, Serialize};

use crate::domain::alert::Severity;
use crate::domain::time::{HOUR, Timestamp};
use crate::serde_word;

use super::rule;

/// What the rule rests on.
pub const BASIS: &str = "全区同时失联是监测中断，不是电梯故障 / a region that falls silent at once is a failure of monitoring, and not of its lifts";

/// Units that fell silent within this time did so at once: a heartbeat apart where the network fails, more where a
/// broker's queue runs dry. Ours.
const AT_ONCE: i64 = HOUR;

/// `[rules.blind_region]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub enabled: bool,
    #[serde(with = "serde_word::one")]
    pub severity: Severity,
    /// Units of one region that must be silent.
    pub units: u32,
    /// Of its monitored units, how many in a hundred that must be.
    pub percent: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, severity: Severity::Warning, units: 20, percent: 50 }
    }
}

impl Settings {
    /// Which keys hold what cannot be meant, and why.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = rule::positive(&[("units", self.units)]);
        if !(1..=100).contains(&self.percent) {
            problems.push(("percent", "must be from 1 to 100".to_owned()));
        }
        problems
    }
}

/// When a region's units fell silent together; `None` if they did not.
///
/// `monitored`: units that ever sent a state. `silent`: since when those of them are that are silent now. What fell
/// silent up to `after`, when the last such event ended, belongs to that one; a unit that was silent before the others is
/// not one that we could see.
#[must_use]
pub fn begin(
    settings: &Settings,
    monitored: usize,
    silent: &[Timestamp],
    after: Option<Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    let since = after.map_or(now - AT_ONCE, |after| after.max(now - AT_ONCE));
    let fresh: Vec<Timestamp> = silent.iter().copied().filter(|at| *at > since).collect();
    let seen = monitored.saturating_sub(silent.len() - fresh.len());
    let units = usize::try_from(settings.units).unwrap_or(usize::MAX);
    let percent = usize::try_from(settings.percent).unwrap_or(usize::MAX);
    let blind = settings.enabled && fresh.len() >= units && fresh.len() * 100 >= seen * percent;
    fresh.into_iter().min().filter(|_| blind)
}
