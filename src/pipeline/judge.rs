//! Judges the touched units: loads what the rules need, lets each rule speak, records what has to change.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::detect::Rules;
use crate::detect::episode::{self, Moment, Verdict, earliest};
use crate::detect::history::History;
use crate::domain::alert::Span;
use crate::domain::event::EventType;
use crate::domain::id::UnitId;
use crate::domain::time::Timestamp;
use crate::domain::unit::Unit;
use crate::fleet::Fleet;
use crate::store::Change;
use crate::store::alerts::Recorded;
use crate::store::error::StoreError;
use crate::store::history::{UnitFacts, Wanted};

use super::staging::Staging;

/// Units whose facts are loaded together.
const UNITS_PER_LOAD: usize = 500;

/// The units as they are in this transaction.
pub struct Known<'a> {
    pub fleet: &'a Fleet,
    /// Rows of the registry that this transaction changes.
    pub registry: &'a HashMap<UnitId, Unit>,
}

impl Known<'_> {
    fn unit(&self, unit: &UnitId) -> Option<&Unit> {
        self.registry.get(unit).or_else(|| self.fleet.get(unit).map(|entry| &*entry.unit))
    }
}

/// Judges each touched unit from its earliest new fact on; writes alerts, transitions, outbox and next checks.
///
/// # Errors
/// Those of the store.
pub async fn judge(
    change: &mut Change<'_>,
    rules: &Rules,
    known: &Known<'_>,
    touched: &BTreeMap<UnitId, Timestamp>,
    staging: &mut Staging,
) -> Result<(), StoreError> {
    let lookback = rules.lookback();
    let raised = staging.events.iter().filter(|record| record.event.kind == EventType::FaultRaised);
    let raised: HashSet<String> = raised.map(|record| record.id.clone()).collect();
    let touched: Vec<(&UnitId, Timestamp)> = touched.iter().map(|(unit, from)| (unit, *from)).collect();
    for units in touched.chunks(UNITS_PER_LOAD) {
        let due = change.next_checks(&units.iter().map(|(unit, _)| *unit).collect::<Vec<_>>()).await?;
        // What is due, or will be before a fact that lies ahead of us, begins when it was due and not at that fact.
        let from_of =
            |unit: &UnitId, from: Timestamp| due.get(unit).map_or(from, |due| from.min(*due)).min(staging.now);
        let units: Vec<(&UnitId, Timestamp)> = units.iter().map(|(unit, from)| (*unit, from_of(unit, *from))).collect();
        let wanted: Vec<Wanted> = units
            .iter()
            .map(|(unit, from)| Wanted { unit: (*unit).clone(), from: *from, since: *from - lookback })
            .collect();
        let mut facts = change.histories(&wanted).await?;
        let mut checks = Vec::with_capacity(units.len());
        for (unit, from) in units {
            let Some(row) = known.unit(unit) else { continue };
            let silent_since = silence(known.fleet, staging, unit);
            let facts = facts.remove(unit).unwrap_or_default();
            let judged = judge_unit(rules, row, facts, from, silent_since, &raised, staging);
            for change_of_alert in &judged.changes {
                let episode::Change { alert, kind, tell, .. } = change_of_alert;
                change.record(Recorded { alert, kind: *kind, tell: *tell }, staging.now).await?;
            }
            if judged.next_check != due.get(unit).copied() {
                checks.push((unit.clone(), judged.next_check));
            }
            staging.outcome.changes.extend(judged.changes);
        }
        change.set_next_checks(&checks).await?;
    }
    Ok(())
}

/// Since when the unit is silent, as of this transaction.
fn silence(fleet: &Fleet, staging: &Staging, unit: &UnitId) -> Option<Timestamp> {
    if let Some(since) = staging.silent.get(unit) {
        return Some(*since);
    }
    fleet.get(unit).filter(|_| !staging.revived.contains(unit))?.silent_since
}

fn judge_unit(
    rules: &Rules,
    unit: &Unit,
    facts: UnitFacts,
    from: Timestamp,
    silent_since: Option<Timestamp>,
    raised: &HashSet<String>,
    staging: &mut Staging,
) -> Verdict {
    let UnitFacts { events, visits, gaps, alerts } = facts;
    let latest = events.iter().map(|event| event.at).max();
    let mut history = History::new(unit, events, visits, rules.merge_gap());
    history.gaps = gaps;
    history.silent_since = silent_since;

    let begun = history.incidents.iter().filter(|incident| raised.contains(&incident.event));
    staging.outcome.incidents.extend(begun.filter_map(|incident| Some(incident.fault.as_ref()?.0)));

    let horizon = latest.map_or(staging.now, |latest| latest.max(staging.now));
    let mut total = Verdict::default();
    for rule in rules.iter() {
        let recorded = alerts.iter().filter(|alert| alert.rule == rule.name()).cloned().collect();
        let spans = if rule.enabled() { rule.spans(&history) } else { Vec::new() };
        let moment = Moment {
            from: if rule.is_about_arrival() { latest_begin(&spans, staging.now) } else { from },
            horizon,
            now: staging.now,
            // An operator's wish and a person's word need no message of the unit.
            silent: silent_since.is_some() && rule.enabled() && rule.holds_in_silence(),
        };
        let verdict = episode::reconcile(rule, &unit.id, recorded, spans, moment, || alert_id(staging.now));
        total.changes.extend(verdict.changes);
        total.next_check = earliest(total.next_check, verdict.next_check);
    }
    total
}

/// From when on a condition about arrival is judged: from its own beginning, or from now if it does not hold.
fn latest_begin(spans: &[Span], now: Timestamp) -> Timestamp {
    spans.last().map_or(now, |span| span.start.min(now))
}

/// Ascends with the time of recording; the rest is chance, so that nobody guesses an alert's address.
fn alert_id(now: Timestamp) -> String {
    format!("a-{:012x}-{:016x}", now.0, fastrand::u64(..))
}
