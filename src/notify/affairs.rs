//! What liftwatch has to say of itself and its surroundings: deliveries given up, publishers who speak for others' units,
//! client ids that are taken, and the heartbeat. Pure.

use crate::domain::notice::{NotificationKind, TroubleKind};
use crate::domain::time::{DAY, MINUTE, Timestamp};
use crate::store::notify::{GroupMemory, GroupTold, Plan};
use crate::store::read::notify::DeadRow;
use crate::store::read::troubles::TroubleRow;
use crate::store::troubles::TroubleTold;

use super::fresh;
use super::letter;
use super::plan::Desk;

/// The least time between two messages to the operator of one kind, in milliseconds.
const INTERVAL: i64 = 5 * MINUTE;

/// Of one publisher or region the operator is told so often at most, in milliseconds.
const AGAIN: i64 = DAY;

/// The group of messages about deliveries given up.
pub const DEAD_GROUP: &str = "liftwatch:dead";

/// The group of heartbeats.
pub const HEARTBEAT_GROUP: &str = "liftwatch:heartbeat";

/// The group of checkpoints.
pub const CHECKPOINT_GROUP: &str = "liftwatch:checkpoint";

/// The group of messages about one kind of trouble.
#[must_use]
pub fn trouble_group(kind: TroubleKind) -> String {
    format!("liftwatch:{kind}")
}

/// What there is to say, and when it was said last.
#[derive(Debug, Clone, Default)]
pub struct Affairs {
    pub dead: Vec<DeadRow>,
    pub dead_at: Option<Timestamp>,
    pub heartbeat_at: Option<Timestamp>,
    /// The ledger's newest checkpoint, as it was signed; and when one was last sent.
    pub checkpoint: Option<String>,
    pub checkpoint_at: Option<Timestamp>,
    /// By kind, in the order of the list; when the operator was last told anything of the kind.
    pub troubles: Vec<(TroubleKind, Vec<TroubleRow>, Option<Timestamp>)>,
}

/// How a trouble stands with the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// All of it was told.
    Told,
    /// There is more of it, which is told then.
    At(Timestamp),
    Now,
}

impl Affairs {
    /// Adds to the plan what the operator and the receivers of heartbeats and checkpoints are told now; the answer is when to ask again.
    pub fn tell(
        self,
        desk: &Desk<'_>,
        operator: Option<&str>,
        heartbeat: Option<&(String, i64)>,
        checkpoints: Option<&(String, i64)>,
        plan: &mut Plan,
    ) -> Option<Timestamp> {
        let mut wakes = vec![dead(desk, operator, self.dead, self.dead_at, plan)];
        for (kind, rows, last) in self.troubles {
            wakes.push(operator.and_then(|operator| troubles(desk, operator, kind, &rows, last, plan)));
        }
        wakes.push(checkpoints.and_then(|(receiver, every)| {
            checkpoint(desk, receiver, *every, self.checkpoint.as_deref(), self.checkpoint_at, plan)
        }));
        wakes.push(heartbeat.and_then(|(receiver, every)| beat(desk, receiver, *every, self.heartbeat_at, plan)));
        wakes.into_iter().flatten().min()
    }
}

/// Tells the operator of deliveries that were given up, several at once; never of those to the operator.
fn dead(
    desk: &Desk<'_>,
    operator: Option<&str>,
    rows: Vec<DeadRow>,
    last: Option<Timestamp>,
    plan: &mut Plan,
) -> Option<Timestamp> {
    let (about, own): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| operator.is_some_and(|operator| operator != row.receiver));
    plan.dead_told.extend(own.into_iter().map(|row| row.id));
    let operator = operator.filter(|_| !about.is_empty())?;
    if let Some(next) = rests(last, INTERVAL, desk.now) {
        return Some(next);
    }
    let id = fresh::id('n', desk.now);
    let message = letter::dead(&desk.envelope(&id, operator, DEAD_GROUP), &about);
    plan.notifications.push(desk.post(NotificationKind::Operator, &message, Vec::new()));
    plan.groups.push(told_at(operator, DEAD_GROUP, INTERVAL, desk.now));
    plan.dead_told.extend(about.into_iter().map(|row| row.id));
    None
}

/// Tells the operator of all troubles of a kind that are due, in one message.
fn troubles(
    desk: &Desk<'_>,
    operator: &str,
    kind: TroubleKind,
    rows: &[TroubleRow],
    last: Option<Timestamp>,
    plan: &mut Plan,
) -> Option<Timestamp> {
    let standing = |row: &TroubleRow| standing(row, desk.now);
    let due: Vec<&TroubleRow> = rows.iter().filter(|row| standing(row) == Standing::Now).collect();
    let later = rows.iter().filter_map(|row| match standing(row) {
        Standing::At(at) => Some(at),
        Standing::Told | Standing::Now => None,
    });
    let later = later.min();
    if due.is_empty() {
        return later;
    }
    if let Some(next) = rests(last, INTERVAL, desk.now) {
        return later.into_iter().chain([next]).min();
    }
    let id = fresh::id('n', desk.now);
    let group = trouble_group(kind);
    let message = letter::trouble(&desk.envelope(&id, operator, &group), kind, &due);
    plan.notifications.push(desk.post(NotificationKind::Operator, &message, Vec::new()));
    plan.groups.push(told_at(operator, &group, INTERVAL, desk.now));
    plan.troubles_told.extend(due.into_iter().map(|row| TroubleTold {
        kind,
        subject: row.subject.clone(),
        upto: row.latest,
    }));
    later
}

fn standing(row: &TroubleRow, now: Timestamp) -> Standing {
    match row.told {
        // Told in the future: the clock was set back, and what it says of the past is worth nothing.
        Some((told_at, _)) if Timestamp(told_at) > now => Standing::Now,
        Some((_, upto)) if row.latest <= upto => Standing::Told,
        told => match rests(told.map(|(told_at, _)| Timestamp(told_at)), AGAIN, now) {
            Some(next) => Standing::At(next),
            None => Standing::Now,
        },
    }
}

fn beat(desk: &Desk<'_>, receiver: &str, every: i64, last: Option<Timestamp>, plan: &mut Plan) -> Option<Timestamp> {
    if let Some(next) = rests(last, every, desk.now) {
        return Some(next);
    }
    let id = fresh::id('n', desk.now);
    let message = letter::heartbeat(&desk.envelope(&id, receiver, HEARTBEAT_GROUP));
    plan.notifications.push(desk.post(NotificationKind::Heartbeat, &message, Vec::new()));
    plan.groups.push(told_at(receiver, HEARTBEAT_GROUP, every, desk.now));
    Some(desk.now + every)
}

/// Until when nothing more is said after `last`. A last time in the future holds nothing back: the clock was set back.
fn rests(last: Option<Timestamp>, every: i64, now: Timestamp) -> Option<Timestamp> {
    last.filter(|last| *last <= now).map(|last| last + every).filter(|next| *next > now)
}

fn told_at(receiver: &str, group_key: &str, every: i64, now: Timestamp) -> GroupTold {
    GroupTold {
        receiver: receiver.to_owned(),
        group_key: group_key.to_owned(),
        transitions: Vec::new(),
        joined: Vec::new(),
        left: Vec::new(),
        memory: Some(GroupMemory { notified_at: now.0, interval_ms: every, repeat_ms: every, due_at: None }),
    }
}

/// Sends the newest checkpoint; nothing is said while nothing is signed.
fn checkpoint(
    desk: &Desk<'_>,
    receiver: &str,
    every: i64,
    note: Option<&str>,
    last: Option<Timestamp>,
    plan: &mut Plan,
) -> Option<Timestamp> {
    if let Some(next) = rests(last, every, desk.now) {
        return Some(next);
    }
    // Looked for again a minute later, which is when the first one is signed.
    let Some(note) = note else { return Some(desk.now + MINUTE) };
    let id = fresh::id('n', desk.now);
    let message = letter::checkpoint(&desk.envelope(&id, receiver, CHECKPOINT_GROUP), note);
    plan.notifications.push(desk.post(NotificationKind::Checkpoint, &message, Vec::new()));
    plan.groups.push(told_at(receiver, CHECKPOINT_GROUP, every, desk.now));
    Some(desk.now + every)
}
