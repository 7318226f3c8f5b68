//! Judges the touched units: loads what the rules need, lets each rule speak, records what has to change.

use std::collections::{BTreeMap, HashMap, HashSet};

use smol_str::SmolStr;

use crate::detect::Rules;
use crate::detect::episode::{self, Moment, Verdict, earliest};
use crate::detect::history::{self, History, Past};
use crate::detect::rule::Rule;
use crate::domain::alert::Span;
use crate::domain::event::{EventRecord, EventType, StoredEvent};
use crate::domain::id::UnitId;
use crate::domain::time::Timestamp;
use crate::domain::unit::Unit;
use crate::fleet::Fleet;
use crate::store::Change;
use crate::store::alerts::Recorded;
use crate::store::error::StoreError;
use crate::store::history::{UnitFacts, Wanted};
use crate::store::retention::Horizon;

use super::recall::{self, Recall, Remembered};
use super::staging::Staging;

/// Units whose facts are loaded together: enough that a statement for all costs less than one for each, few enough that rows
/// of 92 days take little memory until they are facts.
const UNITS_PER_LOAD: usize = 100;

/// The units as they are in this transaction.
pub struct Known<'a> {
    pub fleet: &'a Fleet,
    /// Rows of the registry that this transaction changes.
    pub registry: &'a HashMap<UnitId, Unit>,
    /// Until when facts may be missing because of their age.
    pub horizon: Horizon,
}

/// From when on verdicts can be made: before it, facts that they would rest on may have been pruned, and what was recorded
/// stays as it is.
#[derive(Debug, Clone, Copy)]
struct Judgeable {
    /// By rules that look back over a window.
    windows: Timestamp,
    /// By the others. What they rest on is never pruned, but the alerts that they made may be, and visits.
    others: Timestamp,
}

impl Judgeable {
    fn of(horizon: Horizon, lookback: i64, now: Timestamp) -> Self {
        let others = horizon.alerts.max(horizon.visits).unwrap_or(Timestamp(i64::MIN));
        let windows = horizon.events.max(horizon.visits).map_or(others, |facts| others.max(facts + lookback));
        // Longer windows than the file has facts for see what there is.
        Self { windows: windows.min(now), others: others.min(now) }
    }

    fn from(self, rule: &dyn Rule, from: Timestamp) -> Timestamp {
        from.max(if rule.lookback() > 0 { self.windows } else { self.others })
    }
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
    recall: &mut Recall,
    touched: &BTreeMap<UnitId, Timestamp>,
    staging: &mut Staging,
) -> Result<(), StoreError> {
    let raised = staging.events.iter().filter(|record| record.event.kind == EventType::FaultRaised);
    let raised: HashSet<SmolStr> = raised.map(|record| record.id.clone()).collect();
    let mut told = told(&staging.events);
    let mut subjects: Vec<Subject> = Vec::with_capacity(touched.len());
    let mut unknown: Vec<(&UnitId, Timestamp)> = Vec::new();
    for (unit, from) in touched {
        let events = told.remove(unit).unwrap_or_default();
        let subject = recall.take(unit).filter(|_| !staging.amended.contains(unit)).and_then(|known| {
            let from = begin_of(*from, known.next_check, staging.now);
            known.followed_by(events, from, rules.lookback()).map(|known| Subject { unit, from, known })
        });
        match subject {
            Some(subject) => subjects.push(subject),
            None => unknown.push((unit, *from)),
        }
    }
    for units in unknown.chunks(UNITS_PER_LOAD) {
        load(change, rules, units, staging.now, &mut subjects).await?;
    }
    let judgeable = Judgeable::of(known.horizon, rules.lookback(), staging.now);
    let mut checks = Vec::new();
    for Subject { unit, from, known: mut remembered } in subjects {
        let Some(row) = known.unit(unit) else { continue };
        let silent_since = silence(known.fleet, staging, unit);
        let judged = judge_unit((rules, judgeable), row, &remembered, from, silent_since, &raised, staging);
        for change_of_alert in &judged.changes {
            let episode::Change { alert, kind, tell, .. } = change_of_alert;
            change.record(Recorded { alert, kind: *kind, tell: *tell }, staging.now).await?;
            remembered.recorded(alert);
        }
        if judged.next_check != remembered.next_check {
            checks.push((unit.clone(), judged.next_check));
            remembered.next_check = judged.next_check;
        }
        staging.outcome.changes.extend(judged.changes);
        staging.remembered.push((unit.clone(), remembered));
    }
    if !checks.is_empty() {
        change.set_next_checks(&checks).await?;
    }
    Ok(())
}

/// One unit to judge, from when on, with all that is known of it.
struct Subject<'a> {
    unit: &'a UnitId,
    from: Timestamp,
    known: Box<Remembered>,
}

/// What is due, or will be before a fact that lies ahead of us, begins when it was due and not at that fact.
fn begin_of(from: Timestamp, due: Option<Timestamp>, now: Timestamp) -> Timestamp {
    due.map_or(from, |due| due.min(from)).min(now)
}

/// The new events that rules look at, by unit, in order.
fn told(events: &[EventRecord]) -> HashMap<UnitId, Vec<StoredEvent>> {
    let mut told: HashMap<UnitId, Vec<StoredEvent>> = HashMap::new();
    for record in events.iter().filter(|record| history::counts(record.event.kind, record.event.code())) {
        told.entry(record.unit.clone()).or_default().push(record.as_stored());
    }
    told.values_mut().for_each(|events| history::sort(events));
    told
}

/// Loads what is known of units from the store, where this transaction's facts are by now.
async fn load<'a>(
    change: &mut Change<'_>,
    rules: &Rules,
    units: &[(&'a UnitId, Timestamp)],
    now: Timestamp,
    subjects: &mut Vec<Subject<'a>>,
) -> Result<(), StoreError> {
    let due = change.next_checks(&units.iter().map(|(unit, _)| *unit).collect::<Vec<_>>()).await?;
    let units: Vec<(&UnitId, Timestamp)> =
        units.iter().map(|(unit, from)| (*unit, begin_of(*from, due.get(*unit).copied(), now))).collect();
    let wanted: Vec<Wanted> = units.iter().map(|(unit, from)| recall::wanted(unit, *from, rules.lookback())).collect();
    let mut facts = change.histories(&wanted).await?;
    for ((unit, from), wanted) in units.into_iter().zip(wanted) {
        let UnitFacts { events, visits, gaps, elsewhere, silences, alerts } = facts.remove(unit).unwrap_or_default();
        let past = Past::new(events, visits, rules.merge_gap());
        let next_check = due.get(unit).copied();
        let (since, settled) = (wanted.since, wanted.from);
        let known = Box::new(Remembered { past, gaps, elsewhere, silences, alerts, since, settled, next_check });
        subjects.push(Subject { unit, from, known });
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
    (rules, judgeable): (&Rules, Judgeable),
    unit: &Unit,
    known: &Remembered,
    from: Timestamp,
    silent_since: Option<Timestamp>,
    raised: &HashSet<SmolStr>,
    staging: &mut Staging,
) -> Verdict {
    let Remembered { past, gaps, elsewhere, silences, .. } = known;
    let history = History { unit, past, gaps, elsewhere, silences, silent_since };

    let begun = past.incidents.iter().filter(|incident| incident.at >= from && raised.contains(&incident.event));
    staging.outcome.incidents.extend(begun.filter_map(|incident| Some(incident.fault.as_ref()?.0)));

    let horizon = past.latest_at().map_or(staging.now, |latest| latest.max(staging.now));
    let mut total = Verdict::default();
    for rule in rules.iter() {
        let from = judgeable.from(rule, from);
        let recorded = known.open_at(from).filter(|alert| alert.rule == rule.name()).cloned().collect();
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
