//! How long rows are kept, and how far a day's look at what is older came.

use serde::Deserialize;

use crate::domain::time::{DAY, Timestamp};
use crate::ledger::retention::Pruned;
use crate::store::pruning::Step;
use crate::store::retention::Horizon;

/// TSG T5002-2017, article 5(6): maintenance records are kept for at least 4 years (docs/SOURCES.md).
const LEAST_YEARS: u32 = 4;

/// Half a year, whatever the rules need: pages count 90 days back, and a report is written after its quarter. Our choice.
const LEAST_DAYS: u32 = 180;

/// What comes up to so many days late is judged as if it had come in time: longer than any broker or controller is told to
/// keep it. Our choice.
const LATE_DAYS: u32 = 60;

/// A year of a setting, in days: never shorter than a year of the calendar.
const YEAR: i64 = 366 * DAY;

/// From one look at everything that is old to the next.
const EVERY: i64 = DAY;

/// `[retention]`. What is not set is kept for ever.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Years for which visits are kept.
    pub visits_years: Option<u32>,
    /// Days for which events are kept.
    pub events_days: Option<u32>,
}

impl Settings {
    /// Which keys hold what cannot be meant, and why; `lookback` is how far back rules look, in milliseconds.
    #[must_use]
    pub fn problems(&self, lookback: i64) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.visits_years.is_some_and(|years| years < LEAST_YEARS) {
            problems.push((
                "visits_years",
                format!(
                    "must be at least {LEAST_YEARS}: TSG T5002-2017, article 5(6), has maintenance records kept so long"
                ),
            ));
        }
        let looked = u32::try_from((lookback + DAY - 1) / DAY).unwrap_or(u32::MAX);
        let least = looked.saturating_add(LATE_DAYS).max(LEAST_DAYS);
        if self.events_days.is_some_and(|days| days < least) {
            let why = if least > LEAST_DAYS {
                format!(
                    "the rules look back on {looked} days, and what comes up to {LATE_DAYS} days late is judged as well"
                )
            } else {
                "pages and reports count back over more than a quarter".to_owned()
            };
            problems.push(("events_days", format!("must be at least {least}: {why}")));
        }
        let far = [("visits_years", self.visits_years, 1_000), ("events_days", self.events_days, 366_000)];
        problems.extend(
            far.into_iter()
                .filter(|(_, value, most)| value.is_some_and(|value| value > *most))
                .map(|(key, _, most)| (key, format!("must be at most {most}; without this key everything is kept"))),
        );
        problems
    }

    /// Before when rows of a kind may go, and by which setting; `None`: never. Alerts, and what was told of them, are kept
    /// for the longer of both times: they name visits and events.
    fn before(&self, rows: Pruned, now: Timestamp) -> Option<(Timestamp, String)> {
        let visits = self.visits_years.map(|years| (now - i64::from(years) * YEAR, format!("visits_years = {years}")));
        let events = self.events_days.map(|days| (now - i64::from(days) * DAY, format!("events_days = {days}")));
        match rows {
            Pruned::Visit => visits,
            Pruned::Event => events,
            Pruned::Alert | Pruned::Notification => visits.zip(events).map(|(visits, events)| visits.min(events)),
        }
    }
}

/// One look at everything that is old.
#[derive(Debug, Clone)]
pub struct Round {
    begun_at: Timestamp,
    /// What is old is old as of then.
    agreed: Timestamp,
    /// Which of [`Pruned::ALL`].
    kind: usize,
    /// After which of its rows to go on.
    pub after: String,
    /// Visits went, and with them names.
    pub people: bool,
}

/// What is pruned, and how far this day's look at it came.
#[derive(Debug, Default)]
pub struct Retention {
    settings: Settings,
    horizon: Horizon,
    round: Option<Round>,
    /// When the last look that came to its end had begun.
    looked_at: Option<Timestamp>,
    /// Every verdict that was due has been made.
    judged: bool,
}

impl Retention {
    /// As the file was left: nothing is pruned until there are settings.
    #[must_use]
    pub fn new(horizon: Horizon) -> Self {
        Self { horizon, ..Self::default() }
    }

    /// Until when rows may be missing.
    #[must_use]
    pub const fn horizon(&self) -> Horizon {
        self.horizon
    }

    /// Whether a sweep left no verdict undone; until then nothing is pruned.
    pub const fn judged(&mut self, all: bool) {
        self.judged = all;
    }

    /// Takes other settings.
    pub fn set(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Whether a look has begun and not come to its end.
    #[must_use]
    pub const fn is_looking(&self) -> bool {
        self.round.is_some()
    }

    /// Whether a look is due and none has begun.
    #[must_use]
    pub fn begins(&self, now: Timestamp) -> bool {
        let due = self.looked_at.is_none_or(|looked| now - looked >= EVERY || now < looked);
        self.judged && self.round.is_none() && due && self.settings != Settings::default()
    }

    /// The look that is to be gone on with now; a new one is of what is old as of `agreed`.
    pub fn round(&mut self, now: Timestamp, agreed: Timestamp) -> Option<Round> {
        if !self.judged {
            return None;
        }
        let begins = self.begins(now);
        let fresh = || Round { begun_at: now, agreed, kind: 0, after: String::new(), people: false };
        self.round.take().or_else(|| begins.then(fresh))
    }

    /// Which rows a look comes to next, before when they are old, and by which setting; `None` at its end.
    pub fn next(&self, round: &mut Round) -> Option<(Pruned, Timestamp, String)> {
        while let Some(rows) = Pruned::ALL.get(round.kind) {
            if let Some((before, setting)) = self.settings.before(*rows, round.agreed) {
                return Some((*rows, before, setting));
            }
            round.kind += 1;
        }
        None
    }

    /// A look came to its end.
    pub const fn ended(&mut self, round: &Round) {
        self.looked_at = Some(round.begun_at);
    }

    /// A look came a step further, and that is on disk.
    pub fn stepped(&mut self, mut round: Round, rows: Pruned, before: Timestamp, step: &Step) {
        if step.removed > 0 {
            self.horizon.note(rows, before);
            round.people |= rows == Pruned::Visit;
        }
        match &step.next {
            Some(next) => round.after.clone_from(next),
            None => (round.kind, round.after) = (round.kind + 1, String::new()),
        }
        self.round = Some(round);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_than_the_law_or_the_rules_need_is_refused() {
        let told = |visits_years, events_days, lookback| {
            let settings = Settings { visits_years, events_days };
            settings.problems(lookback).into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert!(told(None, None, 92 * DAY).is_empty());
        assert!(told(Some(4), Some(180), 92 * DAY).is_empty());
        assert_eq!(told(Some(3), Some(179), 92 * DAY), ["visits_years", "events_days"]);
        assert_eq!(told(None, Some(424), 365 * DAY), ["events_days"]);
        assert!(told(None, Some(425), 365 * DAY).is_empty());
        assert_eq!(told(Some(1_001), Some(u32::MAX), 0), ["visits_years", "events_days"]);
    }

    #[test]
    fn alerts_are_kept_for_the_longer_of_both_times_and_for_ever_if_one_of_them_is_not_set() {
        let now = Timestamp(100 * YEAR);
        let before = |visits_years, events_days| {
            let settings = Settings { visits_years, events_days };
            settings.before(Pruned::Alert, now).map(|(before, setting)| (now - before, setting))
        };
        assert_eq!(before(Some(4), Some(400)), Some((4 * YEAR, "visits_years = 4".to_owned())));
        assert_eq!(before(Some(4), Some(4_000)), Some((4_000 * DAY, "events_days = 4000".to_owned())));
        assert_eq!((before(Some(4), None), before(None, Some(400))), (None, None));
    }
}
