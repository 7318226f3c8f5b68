//! What rules say of a unit: a condition that holds for a span of time, and the alert that records it.

use super::id::UnitId;
use super::time::Timestamp;
use super::vocabulary::vocabulary;

vocabulary!(
    /// How much it matters.
    Severity, "severity", { Info = "info", Warning = "warning", Critical = "critical" }
);

vocabulary!(
    /// Where an alert stands.
    AlertState, "alert state", {
        /// The condition holds, or its end is not believed yet because the unit is silent.
        Firing = "firing",
        /// The condition held and ceased.
        Resolved = "resolved",
        /// A late fact showed that the condition had not held; kept, and not one of the alerts any more.
        Withdrawn = "withdrawn",
    }
);

vocabulary!(
    /// What happened to an alert; each is a row of its own.
    TransitionKind, "alert transition", {
        /// It began to fire.
        Fired = "fired",
        /// It was over before we heard of it.
        RecordedLate = "recorded_late",
        /// Its level rose.
        Escalated = "escalated",
        /// A late fact moved its bounds, level or evidence.
        Revised = "revised",
        /// A late fact made it hold again.
        Reopened = "reopened",
        Resolved = "resolved",
        Withdrawn = "withdrawn",
    }
);

/// From `at` on, and until the next step, the condition has this level: 1 is the first, higher is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    pub at: Timestamp,
    pub level: u8,
}

/// A stretch of time, `[start, end)`, in which a rule's condition holds for a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub start: Timestamp,
    /// `None` while nothing known ends it.
    pub end: Option<Timestamp>,
    /// How bad it is from when on: ascending in time, the first at `start`, no two neighbours of one level.
    pub steps: Vec<Step>,
    /// Ids of the events (or visits) that made the condition begin to hold, in order of time.
    pub evidence: Vec<String>,
    /// What an inspector reads beside the rule's name: the fact behind it, Chinese and English.
    pub summary: Summary,
}

impl Span {
    /// The highest level reached at or before `now`.
    #[must_use]
    pub fn level_at(&self, now: Timestamp) -> u8 {
        let reached = self.steps.iter().filter(|step| step.at <= now).map(|step| step.level);
        reached.max().or(self.steps.first().map(|step| step.level)).unwrap_or(1)
    }

    /// Whether the condition has ceased by `now`.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.end.is_some_and(|end| end <= now)
    }
}

/// One sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    pub zh: String,
    pub en: String,
}

/// An alert as it is kept: one episode of one rule for one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Time-ordered by when it was recorded; stable for the alert's life.
    pub id: String,
    /// The rule's name, such as `repeated_fault`.
    pub rule: String,
    /// Version of the rule's meaning and thresholds when this was recorded.
    pub rule_version: String,
    pub unit: UnitId,
    /// The worst level reached so far, and the severity that the rule gives it.
    pub level: u8,
    pub severity: Severity,
    pub state: AlertState,
    /// The span; its end is the condition's end, known in advance for sliding windows.
    pub span: Span,
    /// When we first wrote it down.
    pub recorded_at: Timestamp,
    /// When we wrote down that it is over; `None` while firing.
    pub resolved_at: Option<Timestamp>,
    /// Over before it was recorded; told to nobody.
    pub late: bool,
    /// The law or number that the rule rests on.
    pub basis: String,
    /// The alert that took this one's place, if it was withdrawn into another.
    pub superseded_by: Option<String>,
}
