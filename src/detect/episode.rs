//! Holds the spans that a rule computes now against the alerts that are recorded, and says what has to change.
//!
//! Conditions are causal, so a fact at `from` changes nothing before `from`: what is recorded before it stays, what
//! the rule says from it on replaces what was recorded, and where both meet the episode is one.

use crate::domain::alert::{Alert, AlertState, Severity, Span, TransitionKind};
use crate::domain::id::UnitId;
use crate::domain::time::Timestamp;

use super::rule::Rule;
use super::window::push_step;

/// The moment of a verdict.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The earliest new fact: everything before it is settled.
    pub from: Timestamp,
    /// The latest moment that is the present for this unit: now, or a little ahead with a fast sender clock.
    pub horizon: Timestamp,
    /// What is written down as the time of recording.
    pub now: Timestamp,
    /// Whether the unit is silent, so that no condition is believed to have ceased.
    pub silent: bool,
}

/// One alert as it must be recorded, and what happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub alert: Alert,
    pub kind: TransitionKind,
    /// Whether receivers are to hear of it.
    pub tell: bool,
}

/// What a rule's verdict comes to.
#[derive(Debug, Default)]
pub struct Verdict {
    pub changes: Vec<Change>,
    /// When the verdict could change without a new fact.
    pub next_check: Option<Timestamp>,
}

/// Reconciles `recorded` (all alerts of this rule and unit that are firing or end at or after `from`) with what the
/// rule says now. `new_id` makes ids for alerts that begin here.
pub fn reconcile(
    rule: &dyn Rule,
    unit: &UnitId,
    mut recorded: Vec<Alert>,
    computed: Vec<Span>,
    moment: Moment,
    mut new_id: impl FnMut() -> String,
) -> Verdict {
    recorded.sort_by_key(|alert| alert.span.start);
    let (settled, open): (Vec<Alert>, Vec<Alert>) =
        recorded.into_iter().partition(|alert| alert.span.start < moment.from);
    let mut targets = targets(settled, computed, moment.from, rule.gathers());
    let withdrawn = pair(&mut targets, open, moment.horizon);

    let mut verdict = Verdict::default();
    let mut places: Vec<(Span, String)> = Vec::new();
    for Target { span, recorded } in targets {
        verdict.next_check = earliest(verdict.next_check, next_change(&span, moment.horizon));
        if span.start > moment.horizon {
            // It lies ahead: nothing is recorded before it begins. Should it have been recorded, the clock went back.
            if recorded.is_none() {
                continue;
            }
        }
        let change = match recorded {
            Some(alert) => {
                places.push((span.clone(), alert.id.clone()));
                revise(rule, alert, span, moment)
            }
            None => {
                let id = new_id();
                places.push((span.clone(), id.clone()));
                Some(begin(rule, unit, id, span, moment))
            }
        };
        verdict.changes.extend(change);
    }
    verdict.changes.extend(withdrawn.into_iter().map(|alert| withdraw(alert, &places, moment.now)));
    verdict
}

/// A span as it must stand, and the alert that already records it.
struct Target {
    span: Span,
    recorded: Option<Alert>,
}

/// Cuts what is recorded at `from`, continues it with what is computed from `from` on.
fn targets(settled: Vec<Alert>, computed: Vec<Span>, from: Timestamp, gathers: bool) -> Vec<Target> {
    let mut targets: Vec<Target> =
        settled.into_iter().map(|alert| Target { span: cut_after(&alert.span, from), recorded: Some(alert) }).collect();
    for span in computed {
        if span.end.is_some_and(|end| end <= from) {
            continue;
        }
        let span = cut_before(span, from);
        match targets.last_mut().filter(|last| span.start == from && last.span.end == Some(from)) {
            Some(last) => {
                last.span.end = span.end;
                for step in span.steps {
                    push_step(&mut last.span.steps, step);
                }
                if gathers {
                    let known = last.span.evidence.clone();
                    last.span.evidence.extend(span.evidence.into_iter().filter(|id| !known.contains(id)));
                }
            }
            None => targets.push(Target { span, recorded: None }),
        }
    }
    targets
}

/// The part of a recorded span before `from`.
fn cut_after(span: &Span, from: Timestamp) -> Span {
    let mut kept = span.clone();
    if kept.end.is_none_or(|end| end > from) {
        kept.end = Some(from);
    }
    kept.steps.retain(|step| step.at < from);
    kept
}

/// The part of a computed span from `from` on.
fn cut_before(mut span: Span, from: Timestamp) -> Span {
    if span.start < from {
        let at_cut = span.steps.iter().rposition(|step| step.at <= from).unwrap_or(0);
        span.steps.drain(..at_cut);
        if let Some(first) = span.steps.first_mut() {
            first.at = from;
        }
        span.start = from;
    }
    span
}

/// Gives each unrecorded target the alert that recorded it before: the one with its start, else one that overlaps it.
/// What has not begun by `horizon` continues nothing. Returns the alerts that nothing stands for any more.
fn pair(targets: &mut [Target], mut open: Vec<Alert>, horizon: Timestamp) -> Vec<Alert> {
    for target in targets.iter_mut().filter(|target| target.recorded.is_none()) {
        let same = open.iter().position(|alert| alert.span.start == target.span.start);
        target.recorded = same.map(|index| open.remove(index));
    }
    let begun = |target: &&mut Target| target.recorded.is_none() && target.span.start <= horizon;
    for target in targets.iter_mut().filter(begun) {
        let over = open.iter().position(|alert| overlap(&alert.span, &target.span));
        target.recorded = over.map(|index| open.remove(index));
    }
    open
}

fn overlap(a: &Span, b: &Span) -> bool {
    a.end.is_none_or(|end| b.start <= end) && b.end.is_none_or(|end| a.start <= end)
}

fn begin(rule: &dyn Rule, unit: &UnitId, id: String, span: Span, moment: Moment) -> Change {
    let over = span.is_over(moment.horizon) && !moment.silent;
    let level = span.level_at(moment.horizon);
    let alert = Alert {
        id,
        rule: rule.name().to_owned(),
        rule_version: rule.version(),
        unit: unit.clone(),
        level,
        severity: rule.severity(level),
        state: if over { AlertState::Resolved } else { AlertState::Firing },
        span,
        recorded_at: moment.now,
        resolved_at: over.then_some(moment.now),
        late: over,
        basis: rule.basis().to_owned(),
        superseded_by: None,
    };
    let kind = if over { TransitionKind::RecordedLate } else { TransitionKind::Fired };
    Change { alert, kind, tell: !over }
}

fn revise(rule: &dyn Rule, before: Alert, span: Span, moment: Moment) -> Option<Change> {
    let level = span.level_at(moment.horizon);
    let over = span.is_over(moment.horizon);
    let moved = before.span.start != span.start
        || before.span.end != span.end
        || before.span.steps != span.steps
        || before.span.evidence != span.evidence;
    let (state, kind) = match before.state {
        AlertState::Firing if over && !moment.silent => (AlertState::Resolved, Some(TransitionKind::Resolved)),
        AlertState::Firing if level > before.level => (AlertState::Firing, Some(TransitionKind::Escalated)),
        AlertState::Firing => (AlertState::Firing, moved.then_some(TransitionKind::Revised)),
        _ if !over => (AlertState::Firing, Some(TransitionKind::Reopened)),
        state => (state, moved.then_some(TransitionKind::Revised)),
    };
    let kind = kind?;
    let severity: Severity = rule.severity(level);
    let resolved_at = (state == AlertState::Resolved).then(|| before.resolved_at.unwrap_or(moment.now));
    let late = before.late && kind != TransitionKind::Reopened;
    let tell = !matches!(kind, TransitionKind::Revised);
    let alert = Alert { level, severity, state, span, resolved_at, late, ..before };
    Some(Change { alert, kind, tell })
}

fn withdraw(alert: Alert, places: &[(Span, String)], now: Timestamp) -> Change {
    let taken_by = places.iter().find(|(span, _)| overlap(span, &alert.span)).map(|(_, id)| id.clone());
    let tell = alert.state == AlertState::Firing;
    let alert = Alert { state: AlertState::Withdrawn, resolved_at: Some(now), superseded_by: taken_by, ..alert };
    Change { alert, kind: TransitionKind::Withdrawn, tell }
}

/// The next moment after `now` at which the span begins, ends or changes level.
fn next_change(span: &Span, now: Timestamp) -> Option<Timestamp> {
    let bounds = span.steps.iter().map(|step| step.at).chain(span.end);
    bounds.filter(|at| *at > now).min()
}

/// The earlier of two moments, of which either may be missing.
#[must_use]
pub fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}
