//! `visit_too_short`: a finished visit that took less time than its checklist can be worked through in.

use serde::{Deserialize, Serialize};

use crate::domain::alert::{Severity, Span, Summary};
use crate::domain::time::{DAY, MINUTE};
use crate::domain::visit::VisitKind;
use crate::serde_word;

use super::history::History;
use super::rule::{self, Rule};
use super::window::{self, Finding};

/// `[rules.visit_too_short]`. Minutes by kind of visit; 0 judges none of that kind. Ours: a third of a minute for each item
/// of the traction list, 31, 44, 59 and 76 of them in TSG T5002-2017.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub enabled: bool,
    #[serde(with = "serde_word::one")]
    pub severity: Severity,
    pub fm_minutes: u32,
    pub hm_minutes: u32,
    pub tm_minutes: u32,
    pub sm_minutes: u32,
    pub oy_minutes: u32,
    /// Days for which a finding stands.
    pub hold_days: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            severity: Severity::Info,
            fm_minutes: 0,
            hm_minutes: 10,
            tm_minutes: 15,
            sm_minutes: 20,
            oy_minutes: 25,
            hold_days: 30,
        }
    }
}

impl Settings {
    /// Which keys hold what cannot be meant, and why.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        rule::positive(&[("hold_days", self.hold_days)])
    }

    const fn minutes(&self, kind: VisitKind) -> u32 {
        match kind {
            VisitKind::Fm => self.fm_minutes,
            VisitKind::Hm => self.hm_minutes,
            VisitKind::Tm => self.tm_minutes,
            VisitKind::Sm => self.sm_minutes,
            VisitKind::Oy => self.oy_minutes,
        }
    }
}

/// The rule with its settings.
pub struct VisitTooShort(pub Settings);

impl Rule for VisitTooShort {
    fn name(&self) -> &'static str {
        "visit_too_short"
    }

    fn enabled(&self) -> bool {
        self.0.enabled
    }

    fn version(&self) -> String {
        let Settings { fm_minutes, hm_minutes, tm_minutes, sm_minutes, oy_minutes, hold_days, .. } = self.0;
        format!("1 minutes={fm_minutes},{hm_minutes},{tm_minutes},{sm_minutes},{oy_minutes} hold_days={hold_days}")
    }

    fn basis(&self) -> &'static str {
        "TSG T5002-2017 附件：维保项目须逐项完成 / TSG T5002-2017 annexes: every item of the list is to be done"
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
        let short = history.past.visits.iter().filter_map(|visit| {
            let end = visit.end()?;
            let took = end - visit.started_at;
            let least = self.0.minutes(visit.kind);
            (took < i64::from(least) * MINUTE).then(|| Finding {
                at: end,
                evidence: vec![visit.id.clone()],
                summary: Summary {
                    zh: format!("{} 维保仅用 {} 分钟，至少应为 {least} 分钟", visit.kind, took / MINUTE),
                    en: format!("visit {} took {} min; {least} min is the least", visit.kind, took / MINUTE),
                },
            })
        });
        window::held(short.collect(), i64::from(self.0.hold_days) * DAY)
    }
}
