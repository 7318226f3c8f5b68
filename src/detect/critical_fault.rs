//! `critical_fault`: faults in which a person can be hurt at once; holds from raised to cleared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::alert::{Severity, Span, Step, Summary};
use crate::domain::event::{EventType, StoredEvent};
use crate::domain::fault::FaultCode;
use crate::serde_word;

use super::history::{History, LASTING};
use super::rule::Rule;
use super::window;

/// `[rules.critical_fault]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub enabled: bool,
    #[serde(with = "serde_word::one")]
    pub severity: Severity,
    /// Which codes, out of [`LASTING`]. The default is docs/RULES.md's list; overspeed and reversal can be added.
    #[serde(with = "serde_word::many")]
    pub codes: Vec<FaultCode>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, severity: Severity::Critical, codes: LASTING[..5].to_vec() }
    }
}

impl Settings {
    /// Which keys hold what cannot be meant, and why.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let foreign = self.codes.iter().filter(|code| !LASTING.contains(code));
        let known: Vec<&str> = LASTING.iter().map(|code| code.as_str()).collect();
        foreign
            .map(|code| ("codes", format!("{code} cannot be watched by this rule; it takes {}", known.join(", "))))
            .collect()
    }
}

/// The rule with its settings.
pub struct CriticalFault(pub Settings);

impl CriticalFault {
    /// An open safety chain hurts nobody in a car that is said to be empty or standing.
    fn is_critical(&self, event: &StoredEvent, code: FaultCode) -> bool {
        let harmless = event.moving == Some(false) || event.occupied == Some(false);
        self.0.codes.contains(&code) && !(code == FaultCode::SafetyChainOpen && harmless)
    }
}

impl Rule for CriticalFault {
    fn name(&self) -> &'static str {
        "critical_fault"
    }

    fn enabled(&self) -> bool {
        self.0.enabled
    }

    fn version(&self) -> String {
        let codes: Vec<&str> = self.0.codes.iter().map(|code| code.as_str()).collect();
        format!("1 codes={}", codes.join(","))
    }

    fn basis(&self) -> &'static str {
        "GB/T 24476-2017 故障 01、05 及运行中开门、冲顶、蹲底 / GB/T 24476-2017 faults 01 and 05, opened while running, overruns"
    }

    fn lookback(&self) -> i64 {
        0
    }

    fn severity(&self, _level: u8) -> Severity {
        self.0.severity
    }

    fn spans(&self, history: &History) -> Vec<Span> {
        let mut open: BTreeMap<FaultCode, &StoredEvent> = BTreeMap::new();
        let mut spans = Vec::new();
        for (event, excluded) in history.past.events.iter().zip(&history.past.excluded) {
            let Some(code) = event.code() else { continue };
            match event.kind {
                EventType::FaultRaised if !excluded && self.is_critical(event, code) => {
                    open.entry(code).or_insert(event);
                }
                EventType::FaultCleared => {
                    spans.extend(open.remove(&code).map(|raised| span(raised, code, Some(event))));
                }
                _ => {}
            }
        }
        spans.extend(open.into_iter().map(|(code, raised)| span(raised, code, None)));
        window::union(spans)
    }
}

fn span(raised: &StoredEvent, code: FaultCode, cleared: Option<&StoredEvent>) -> Span {
    Span {
        start: raised.at,
        end: cleared.map(|event| event.at),
        steps: vec![Step { at: raised.at, level: 1 }],
        evidence: vec![raised.id.to_string()],
        summary: Summary {
            zh: format!("危及安全的故障：{}", code.zh()), en: format!("critical fault: {}", code.en())
        },
    }
}
