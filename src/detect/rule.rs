//! CONTRACT of a rule: a pure function from what is known of one unit to the spans in which its condition holds.

use crate::domain::alert::{Severity, Span};

use super::history::History;

/// A rule owns its settings and knows nothing of alerts, other units, storage or the present.
///
/// Its condition must be causal: whether it holds at a moment may depend on nothing that happened later.
/// That is what lets the pipeline recompute from the earliest new fact on and keep everything before it.
pub trait Rule: Send + Sync {
    /// The name in config, metrics, API and alerts.
    fn name(&self) -> &'static str;

    /// Whether the operator wants it.
    fn enabled(&self) -> bool;

    /// Version of the meaning, then each threshold: `1 threshold=3 window_days=30`.
    fn version(&self) -> String;

    /// The law, standard or number that it rests on, as an alert shows it: Chinese, ` / `,
    /// English (docs/RULES.md has the long form).
    fn basis(&self) -> &'static str;

    /// How far before a moment facts can lie that decide whether the condition holds at it, in milliseconds.
    /// Facts that last (modes, mains, entrapment, critical codes) are handed over however old they are.
    fn lookback(&self) -> i64;

    /// Whether a unit's silence casts doubt on the end of the condition. Not where a person's word ends it.
    fn holds_in_silence(&self) -> bool {
        true
    }

    /// Whether the condition is about what reaches us rather than about what happened. Then a late fact says nothing
    /// of it: it is judged as of now, and what is recorded of it before stays.
    fn is_about_arrival(&self) -> bool {
        false
    }

    /// Whether evidence gathers while the condition holds. Else it is what made the condition begin.
    fn gathers(&self) -> bool {
        false
    }

    /// The severity of a level; levels count from 1.
    fn severity(&self, level: u8) -> Severity;

    /// The spans in which the condition holds, ascending, disjoint and not touching.
    fn spans(&self, history: &History) -> Vec<Span>;
}

/// The keys whose number must be at least 1 and is 0.
#[must_use]
pub fn positive(values: &[(&'static str, u32)]) -> Vec<(&'static str, String)> {
    let zero = values.iter().filter(|(_, value)| *value == 0);
    zero.map(|(key, _)| (*key, "must be at least 1".to_owned())).collect()
}
