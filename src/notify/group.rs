//! When a group is told, and of what: what waits, what was told last, who still needs an answer. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::alert::TransitionKind;
use crate::domain::notice::NotificationKind;
use crate::domain::time::Timestamp;

/// A route's patience, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long the first change waits for others.
    pub wait: i64,
    /// The least time between two messages of the group.
    pub interval: i64,
    /// After so long without an answer, what still fires is told again.
    pub repeat: i64,
}

/// A transition that waits to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    pub alert: String,
    pub change: TransitionKind,
    /// When it began to wait.
    pub at: Timestamp,
}

/// An alert that was told as firing, and whose end was not told yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub alert: String,
    /// When a message last named it.
    pub at: Timestamp,
    /// Whether it still fires, and nobody has answered or silenced it.
    pub needs_answer: bool,
}

/// One group of one receiver, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group<'a> {
    pub timing: Timing,
    /// When the group was last told anything; `None` if it is new or was forgotten.
    pub notified_at: Option<Timestamp>,
    /// In the order in which they happened.
    pub pending: &'a [Pending],
    pub told: &'a [Told],
}

/// What is to be done with a group now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// The message that is due, if one is.
    pub tell: Option<Telling>,
    /// Everything that waits is settled, told or not: what fired and was withdrawn, or resolved and fired again, while
    /// it waited says nothing.
    pub settled: bool,
    /// Nothing of the group fires, and its interval is over: what is kept of it can go.
    pub forget: bool,
    /// When to ask again, should nothing happen before; `None` where only a new change can do anything.
    pub wake: Option<Timestamp>,
}

/// A message that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    /// [`NotificationKind::Alerts`] or [`NotificationKind::Reminder`].
    pub kind: NotificationKind,
    /// The alerts that it is about with what is said of each; in a reminder that is what was said first, `fired`.
    pub changes: Vec<(String, TransitionKind)>,
}

/// Says what is due at `now`.
///
/// After a message the caller keeps `notified_at` = `now`, drops all that waited, and keeps each alert of the message as
/// told at `now` unless the change says that it ended. Asked again then, it says when to wake.
#[must_use]
pub fn decide(group: &Group<'_>, now: Timestamp) -> Decision {
    let changes_at = changes_due(group);
    let reminder_at = reminder_due(group);
    let reached = |due: Option<Timestamp>| due.is_some_and(|at| at <= now);
    let mut decision = Decision { settled: reached(changes_at), ..Decision::default() };
    if decision.settled {
        let changes = fold(group.pending, group.told);
        decision.tell = (!changes.is_empty()).then_some(Telling { kind: NotificationKind::Alerts, changes });
    }
    if decision.tell.is_none() && reached(reminder_at) {
        let unanswered = group.told.iter().filter(|told| told.needs_answer);
        let changes = unanswered.map(|told| (told.alert.clone(), TransitionKind::Fired)).collect();
        decision.tell = Some(Telling { kind: NotificationKind::Reminder, changes });
    }
    if decision.tell.is_some() {
        // What comes next depends on what is kept now.
        decision.wake = Some(now);
        return decision;
    }
    let waiting = changes_at.filter(|_| !decision.settled);
    let over = group.notified_at.map(|at| at + group.timing.interval).filter(|_| group.told.is_empty());
    decision.forget = waiting.is_none() && over.is_some_and(|at| at <= now);
    let forget_at = over.filter(|at| *at > now);
    decision.wake = [waiting, reminder_at, forget_at].into_iter().flatten().min();
    decision
}

/// When what waits is to be told: after its wait, and not before the interval since the last message is over.
fn changes_due(group: &Group<'_>) -> Option<Timestamp> {
    let first = group.pending.iter().map(|pending| pending.at).min()?;
    let waited = first + group.timing.wait;
    Some(group.notified_at.map_or(waited, |last| waited.max(last + group.timing.interval)))
}

/// When the alert that has waited longest for an answer is told again. All of the group that wait are told with it.
fn reminder_due(group: &Group<'_>) -> Option<Timestamp> {
    let waiting = group.told.iter().filter(|told| told.needs_answer).map(|told| told.at);
    let due = waiting.min()? + group.timing.repeat;
    Some(group.notified_at.map_or(due, |last| due.max(last + group.timing.interval)))
}

/// What is to be said of each alert, in the order in which they changed first.
fn fold(pending: &[Pending], told: &[Told]) -> Vec<(String, TransitionKind)> {
    let known: BTreeSet<&str> = told.iter().map(|told| told.alert.as_str()).collect();
    let mut order: Vec<&str> = Vec::new();
    let mut changes: BTreeMap<&str, Vec<TransitionKind>> = BTreeMap::new();
    for pending in pending {
        let of_alert = changes.entry(&pending.alert).or_default();
        if of_alert.is_empty() {
            order.push(&pending.alert);
        }
        of_alert.push(pending.change);
    }
    let said = order.into_iter().filter_map(|alert| {
        let change = sum(&changes[alert], known.contains(alert))?;
        Some((alert.to_owned(), change))
    });
    said.collect()
}

/// What several changes of one alert come to, for somebody who knows of it as firing or does not know of it; `None`
/// where they come to nothing.
#[must_use]
pub fn sum(changes: &[TransitionKind], known: bool) -> Option<TransitionKind> {
    use TransitionKind::{Escalated, Fired, RecordedLate, Reopened, Resolved, Revised, Withdrawn};
    let has = |kind: TransitionKind| changes.contains(&kind);
    let last = changes.iter().rfind(|change| !matches!(change, Revised | RecordedLate))?;
    match last {
        // It came and went, or it never was: a door that opened under way is told though it closed within the wait.
        Resolved => Some(Resolved),
        Withdrawn => known.then_some(Withdrawn),
        Fired | Escalated | Reopened | Revised | RecordedLate => {
            if known {
                // Ended and began again while it waited: as it was told.
                return has(Escalated).then_some(Escalated);
            }
            Some(if has(Fired) { Fired } else { *last })
        }
    }
}

/// Whether a receiver who was told this change knows the alert as firing.
#[must_use]
pub fn leaves_firing(change: TransitionKind) -> bool {
    !matches!(change, TransitionKind::Resolved | TransitionKind::Withdrawn | TransitionKind::RecordedLate)
}
