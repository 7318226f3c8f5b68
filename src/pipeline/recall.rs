//! What was loaded to judge units, kept for their next facts: a unit that is heard again costs no look into its past.
//!
//! What is taken out for a transaction comes back after its commit. A transaction that fails, a fact that came late, a
//! visit or a gap leaves nothing here, and the next verdict loads from the store, which alone is believed.

use std::collections::HashMap;

use smol_str::SmolStr;

use crate::detect::history::Past;
use crate::domain::alert::{Alert, AlertState};
use crate::domain::event::StoredEvent;
use crate::domain::gap::Gap;
use crate::domain::id::UnitId;
use crate::domain::numbering::Numbering;
use crate::domain::time::{DAY, Timestamp};
use crate::domain::visit::{Elsewhere, Silence};
use crate::store::history::Wanted;
use crate::store::numbering::NumberingKey;

/// Facts and alerts that are kept of all units together, each unit counting as one more. Our choice: all of a city of 8,000
/// lifts with 130 faults a day (docs/PERFORMANCE.md) for 92 days, three times over.
const CAPACITY: usize = 65_536;

/// The rule whose alerts say when nothing was heard.
const SILENT_UNIT: &str = "silent_unit";

/// How much further back than needed a past may reach before it is loaded anew, so that it does not grow for ever.
const SLACK: i64 = 30 * DAY;

/// What is known of one unit as of the last commit.
#[derive(Debug)]
pub struct Remembered {
    pub past: Past,
    pub gaps: Vec<Gap>,
    pub elsewhere: Vec<Elsewhere>,
    /// In which nothing was heard of the unit.
    pub silences: Vec<Silence>,
    /// Those that are firing or end at or after `settled`.
    pub alerts: Vec<Alert>,
    /// Faults before it are absent from `past`.
    pub since: Timestamp,
    pub settled: Timestamp,
    pub next_check: Option<Timestamp>,
}

impl Remembered {
    /// The same with later events, if it says all that a verdict from `from` on needs, with `lookback` milliseconds
    /// before it. `events` are in order.
    #[must_use]
    pub fn followed_by(
        mut self: Box<Self>,
        events: Vec<StoredEvent>,
        from: Timestamp,
        lookback: i64,
    ) -> Option<Box<Self>> {
        let since = from - lookback;
        let in_order = events.first().is_none_or(|first| self.past.is_followed_by(first));
        let serves = self.settled <= from && self.since <= since && since - self.since <= SLACK && in_order;
        serves.then(|| {
            events.into_iter().for_each(|event| self.past.push(event));
            self
        })
    }

    /// The alerts that are firing or end at or after `from`, which is not before `settled`.
    pub fn open_at(&self, from: Timestamp) -> impl Iterator<Item = &Alert> {
        self.alerts
            .iter()
            .filter(move |alert| alert.state == AlertState::Firing || alert.span.end.is_none_or(|end| end >= from))
    }

    /// Takes an alert over as it is recorded now.
    pub fn recorded(&mut self, alert: &Alert) {
        self.alerts.retain(|known| known.id != alert.id);
        if alert.rule == SILENT_UNIT {
            self.silences.retain(|known| known.from != alert.span.start);
            if alert.state != AlertState::Withdrawn {
                self.silences.push(Silence { from: alert.span.start, to: alert.span.end });
            }
        }
        if alert.state != AlertState::Withdrawn {
            self.alerts.push(alert.clone());
        }
    }

    fn weight(&self) -> usize {
        1 + self.past.weight() + self.gaps.len() + self.elsewhere.len() + self.silences.len() + self.alerts.len()
    }
}

/// What to load so that it serves a verdict from `from` on, and later ones from a day before it on.
#[must_use]
pub fn wanted(unit: &UnitId, from: Timestamp, lookback: i64) -> Wanted {
    let from = from - DAY;
    Wanted { unit: unit.clone(), from, since: from - lookback }
}

/// Bounded by [`CAPACITY`]; the numberings by the registry.
#[derive(Default)]
pub struct Recall {
    /// Boxed, because nearly half of the table is empty.
    units: HashMap<UnitId, Box<Remembered>>,
    weight: usize,
    /// The boot that told the last event, where no number of it is missing.
    numberings: HashMap<UnitId, (SmolStr, Numbering)>,
}

impl Recall {
    /// Takes out what is known of a unit.
    pub fn take(&mut self, unit: &UnitId) -> Option<Box<Remembered>> {
        let known = self.units.remove(unit)?;
        self.weight -= known.weight();
        Some(known)
    }

    fn keep(&mut self, unit: UnitId, known: Box<Remembered>) {
        let weight = known.weight();
        if weight > CAPACITY / 4 {
            return;
        }
        if self.weight + weight > CAPACITY {
            // Every second goes. Which ones is chance, so a round of all units in turn still finds half of them.
            let mut keep = false;
            self.units.retain(|_, _| {
                keep = !keep;
                keep
            });
            self.weight = self.units.values().map(|known| known.weight()).sum();
        }
        self.weight += weight;
        self.units.insert(unit, known);
    }

    /// Takes out how far a boot's numbering is known.
    pub fn take_numbering(&mut self, unit: &UnitId, boot: &str) -> Option<Numbering> {
        self.numberings.get(unit).filter(|(known, _)| known == boot)?;
        self.numberings.remove(unit).map(|(_, numbering)| numbering)
    }

    /// Keeps what the transaction that has just committed loaded and changed. A numbering with gaps has rows that only
    /// the store knows, and is not kept.
    pub fn keep_all(
        &mut self,
        units: Vec<(UnitId, Box<Remembered>)>,
        numberings: impl IntoIterator<Item = (NumberingKey, Numbering)>,
    ) {
        units.into_iter().for_each(|(unit, known)| self.keep(unit, known));
        let whole = numberings.into_iter().filter(|(_, numbering)| numbering.missing.is_empty());
        self.numberings.extend(whole.map(|((unit, boot), numbering)| (unit, (boot, numbering))));
    }
}
