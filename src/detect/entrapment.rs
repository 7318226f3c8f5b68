//! `entrapment`: people are trapped, from the first report until a person says that they are released.

use serde::{Deserialize, Serialize};

use crate::domain::alert::{Severity, Span, Step, Summary};
use crate::domain::event::{EventType, Origin, StoredEvent};
use crate::domain::time::SECOND;
use crate::serde_word;

use super::history::History;
use super::rule::{self, Rule};
use super::window;

/// `[rules.entrapment]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub enabled: bool,
    #[serde(with = "serde_word::one")]
    pub severity: Severity,
    /// Seconds for which a car may stand occupied with its door not open before we conclude an entrapment ourselves.
    /// No published number: longer than any door dwell with a blocked door, shorter than the 3 minutes to answer.
    pub limit_seconds: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, severity: Severity::Critical, limit_seconds: 120 }
    }
}

impl Settings {
    /// Which keys hold what cannot be meant, and why.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        rule::positive(&[("limit_seconds", self.limit_seconds)])
    }

    /// The limit in milliseconds.
    #[must_use]
    pub fn limit(&self) -> i64 {
        i64::from(self.limit_seconds) * SECOND
    }
}

/// The rule with its settings.
pub struct Entrapment(pub Settings);

impl Rule for Entrapment {
    fn name(&self) -> &'static str {
        "entrapment"
    }

    fn enabled(&self) -> bool {
        self.0.enabled
    }

    fn version(&self) -> String {
        format!("1 limit_seconds={}", self.0.limit_seconds)
    }

    fn basis(&self) -> &'static str {
        "TSG T5002-2017 第五条（四）：困人后 30 分钟（城区）到场；EN 81-28 / TSG T5002-2017 art. 5(4): on site within 30 minutes in town; EN 81-28"
    }

    fn lookback(&self) -> i64 {
        0
    }

    fn holds_in_silence(&self) -> bool {
        false
    }

    fn severity(&self, _level: u8) -> Severity {
        self.0.severity
    }

    /// Power loss, modes and visits excuse nothing here: trapped people are trapped.
    fn spans(&self, history: &History) -> Vec<Span> {
        let mut open: Option<&StoredEvent> = None;
        let mut spans = Vec::new();
        for event in &history.past.events {
            match event.kind {
                EventType::EntrapmentReported => open = open.or(Some(event)),
                EventType::PassengerReleased => {
                    spans.extend(open.take().map(|reported| self.span(reported, Some(event))));
                }
                _ => {}
            }
        }
        spans.extend(open.map(|reported| self.span(reported, None)));
        window::union(spans)
    }
}

impl Entrapment {
    fn span(&self, reported: &StoredEvent, released: Option<&StoredEvent>) -> Span {
        let limit = self.0.limit_seconds;
        let (zh, en) = match reported.origin {
            Origin::Derived => (
                format!("疑似困人：轿厢有人、停止且门未开超过 {limit} 秒"),
                format!("people appear trapped: occupied, stopped, door not open for over {limit} s"),
            ),
            _ => ("困人报告".to_owned(), "people reported trapped".to_owned()),
        };
        Span {
            start: reported.at,
            end: released.map(|event| event.at),
            steps: vec![Step { at: reported.at, level: 1 }],
            evidence: vec![reported.id.to_string()],
            summary: Summary { zh, en },
        }
    }
}
