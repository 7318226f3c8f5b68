//! Who is told next when nobody answers, or nobody comes: the ladder of an alert, and which of its steps are due. Pure.

use std::collections::BTreeSet;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::matcher::{self, Labels, Matcher};
use super::period;
use super::route::Name;
use crate::domain::time::Timestamp;

/// One `[[escalation]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ladder {
    /// All of them must be met.
    #[serde(rename = "match", default)]
    pub matchers: Vec<Matcher>,
    /// In the order in which they are recorded.
    pub steps: Vec<Step>,
}

/// One rung: who is told, if what should have happened by then has not.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub after: After,
    pub receiver: Name,
    #[serde(default)]
    pub unless: Unless,
}

/// How long after the alert was first told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// In milliseconds.
    Period(i64),
    /// When somebody must be on site, which differs between town and elsewhere: `on_site`.
    OnSite,
}

impl<'de> Deserialize<'de> for After {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "on_site" {
            return Ok(Self::OnSite);
        }
        period::parse(&text).map(Self::Period).map_err(|error| D::Error::custom(format!("{error}, or \"on_site\"")))
    }
}

/// What makes a step needless, apart from the alert's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unless {
    /// Somebody has answered, be it that they are on site.
    #[default]
    Answered,
    /// Somebody is on site.
    Arrived,
}

/// How it stands with an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// When it was first told to anybody, in this episode and at this severity.
    pub told_at: Timestamp,
    pub firing: bool,
    pub answered: bool,
    pub arrived: bool,
    /// Steps that were taken, by their position from 0.
    pub taken: BTreeSet<usize>,
    /// How soon somebody must be on site, in milliseconds ([`super::expected::on_site`]).
    pub on_site: i64,
}

/// What is to be done about an alert now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Climb {
    /// The steps that are due, with whom they tell; `None` where the unit has no value for the receiver's placeholder.
    /// Such a step is recorded as taken, and tells nobody.
    pub steps: Vec<(usize, Option<String>)>,
    /// When to ask again, should nothing happen before.
    pub wake: Option<Timestamp>,
}

/// The ladder of an alert with these labels: the first that matches.
#[must_use]
pub fn ladder<'a>(ladders: &'a [Ladder], labels: &Labels) -> Option<&'a Ladder> {
    ladders.iter().find(|ladder| matcher::all(&ladder.matchers, labels))
}

/// Which steps are due at `now`.
#[must_use]
pub fn climb(ladder: &Ladder, labels: &Labels, standing: &Standing, now: Timestamp) -> Climb {
    let mut climb = Climb::default();
    if !standing.firing {
        return climb;
    }
    for (position, step) in ladder.steps.iter().enumerate() {
        let needless = match step.unless {
            Unless::Answered => standing.answered || standing.arrived,
            Unless::Arrived => standing.arrived,
        };
        if needless || standing.taken.contains(&position) {
            continue;
        }
        let after = match step.after {
            After::Period(millis) => millis,
            After::OnSite => standing.on_site,
        };
        let due = standing.told_at + after;
        if due <= now {
            let nobody = step.receiver.label().is_some_and(|label| labels.get(label).is_empty());
            climb.steps.push((position, (!nobody).then(|| step.receiver.fill(labels))));
        } else {
            climb.wake = Some(climb.wake.map_or(due, |wake| wake.min(due)));
        }
    }
    climb
}
