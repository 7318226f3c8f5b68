//! Which alerts need not be told, or not again: silenced, in somebody's hands, or with somebody on site. Pure.

use std::collections::{HashMap, HashSet};

use crate::domain::time::Timestamp;
use crate::store::read::answers::AnswerRow;
use crate::store::read::notify::AlertFacts;
use crate::store::read::silences::SilenceRow;

use super::answered::{self, Standing};
use super::letter;
use super::silence::Silence;

/// What people wish not to hear of, by alert.
#[derive(Debug, Clone, Default)]
pub struct Quiet {
    /// Silenced, or held back by an area event, until then.
    pub silenced: HashMap<String, Timestamp>,
    /// Somebody has it in hand, until then, or without an end.
    pub answered: HashMap<String, Option<Timestamp>>,
    /// Somebody is on site.
    pub arrived: HashSet<String>,
}

impl Quiet {
    /// What people said of these alerts. A row that cannot be read silences nothing and answers nothing.
    #[must_use]
    pub fn of<'a>(
        facts: impl Iterator<Item = &'a AlertFacts>,
        silences: &[SilenceRow],
        answers: &HashMap<String, Vec<AnswerRow>>,
        now: Timestamp,
    ) -> Self {
        let silences: Vec<Silence> = silences.iter().filter_map(|row| Silence::try_from(row).ok()).collect();
        let mut quiet = Self::default();
        for facts in facts {
            let labels = letter::labels(facts);
            let until = silences.iter().filter(|silence| silence.covers(&labels, now)).map(|silence| silence.ends_at);
            if let Some(until) = until.max() {
                quiet.silenced.insert(facts.id.clone(), until);
            }
            let Some(given) = answers.get(&facts.id) else { continue };
            if let Ok(Standing::Answered { until }) = answered::standing_of(&facts.severity, given, now) {
                quiet.answered.insert(facts.id.clone(), until);
                if given.iter().any(|answer| answer.kind == "arrived" && !answer.reopened) {
                    quiet.arrived.insert(facts.id.clone());
                }
            }
        }
        quiet
    }

    /// Holds an alert back until then, for another reason than a person's wish.
    pub fn hold(&mut self, alert: &str, until: Timestamp) {
        let known = self.silenced.entry(alert.to_owned()).or_insert(until);
        *known = until.max(*known);
    }

    /// When what people said of this alert ceases to count by itself.
    #[must_use]
    pub fn until(&self, alert: &str) -> Option<Timestamp> {
        let silenced = self.silenced.get(alert).copied();
        let answered = self.answered.get(alert).copied().flatten();
        silenced.into_iter().chain(answered).min()
    }
}
