//! What is to be written so that people are told: outbox rows to waiting ones, waiting ones to messages. Pure.

use std::collections::HashMap;

use crate::domain::alert::TransitionKind;
use crate::domain::notice::NotificationKind;
use crate::domain::time::Timestamp;
use crate::store::notify::{GroupMemory, GroupTold, MovedRow, NewDelivery, NewNotification, PendingRow, Plan};
use crate::store::read::notify::{AlertFacts, GroupFile, Outbox};

use super::area;
use super::directory::Directory;
use super::escalation::Ladder;
use super::fresh;
use super::group::{self, Group, Pending, Timing, Told};
use super::letter::{self, Envelope, Place};
use super::message::Message;
use super::quiet::Quiet;
use super::route::{self, Hearing, Route};

/// What a plan is made with.
pub struct Desk<'a> {
    pub directory: &'a Directory,
    pub place: Place<'a>,
    pub ladders: &'a [Ladder],
    /// (receiver, sink) that said that they are no more, and what they said.
    pub disabled: &'a HashMap<(String, String), String>,
    pub quiet: &'a Quiet,
    pub now: Timestamp,
}

/// Gives each outbox row to those who hear of it. A row that nobody hears of is settled all the same.
pub fn route(routes: &[Route], outbox: &Outbox, plan: &mut Plan) {
    let mut known: HashMap<&str, Vec<Hearing>> = HashMap::new();
    for row in &outbox.known {
        known.entry(&row.alert).or_default().push(Hearing {
            receiver: row.receiver.clone(),
            group_key: row.group_key.clone(),
            wait: 0,
            interval: row.interval_ms,
            repeat: row.repeat_ms,
        });
    }
    for row in &outbox.rows {
        plan.routed.push(row.id);
        let Some(facts) = outbox.facts.get(&row.alert) else { continue };
        let told = known.get(row.alert.as_str()).map_or(&[][..], Vec::as_slice);
        let hearings = if let Some(around) = outbox.around.get(&row.alert) {
            area::hearings(routes, facts, around, told)
        } else {
            let sequel = route::sequel(routes, &letter::labels(facts), told);
            for (receiver, from, to) in sequel.moved {
                plan.moved.push(MovedRow { receiver, alert: row.alert.clone(), from, to });
            }
            sequel.hearings
        };
        plan.pending.extend(hearings.into_iter().map(|hearing| PendingRow {
            receiver: hearing.receiver,
            group_key: hearing.group_key,
            transition: row.transition,
            alert: row.alert.clone(),
            kind: row.kind.clone(),
            created_at: row.created_at,
            wait_ms: hearing.wait,
            interval_ms: hearing.interval,
            repeat_ms: hearing.repeat,
        }));
    }
}

/// Whoever was told by escalation is not reminded: the ladder itself goes on.
pub const NEVER: i64 = i64::MAX / 4;

/// The group in which a receiver hears of an alert by escalation, and of its end.
#[must_use]
pub fn escalation_group(alert: &str) -> String {
    format!("escalation:{alert}")
}

impl Desk<'_> {
    /// Decides over one group; the answer is when to ask again, should nothing happen before.
    pub fn decide(&self, file: &GroupFile, facts: &HashMap<String, AlertFacts>, plan: &mut Plan) -> Option<Timestamp> {
        let (waiting, held) = self.waiting(file, facts);
        let pending: Vec<Pending> = waiting.iter().filter_map(|row| self.pending(row)).collect();
        let mut told: Vec<Told> = file
            .members
            .iter()
            .map(|member| Told {
                alert: member.alert.clone(),
                at: Timestamp(member.told_at),
                needs_answer: self.needs_answer(facts.get(&member.alert)),
            })
            .collect();
        let timing = timing(file);
        // A time ahead of now is from before the clock was set back.
        let notified_at = file.notified_at.map(|at| Timestamp(at).min(self.now));
        let mut decision = group::decide(&Group { timing, notified_at, pending: &pending, told: &told }, self.now);
        let settled = decision.settled;
        let mut result = GroupTold {
            receiver: file.receiver.clone(),
            group_key: file.group_key.clone(),
            transitions: self.hushed(file, facts),
            joined: Vec::new(),
            left: Vec::new(),
            memory: None,
        };
        let mut last = notified_at;
        if settled {
            result.transitions.extend(waiting.iter().map(|row| row.transition));
        }
        if let Some(telling) = decision.tell.take() {
            self.tell(file, facts, telling.kind, &telling.changes, &mut result, plan);
            told.retain(|told| !result.left.contains(&told.alert) && !result.joined.contains(&told.alert));
            told.extend(result.joined.iter().map(|alert| Told {
                alert: alert.clone(),
                at: self.now,
                needs_answer: self.needs_answer(facts.get(alert)),
            }));
            last = Some(self.now);
            let rest = if settled { &[][..] } else { &pending[..] };
            decision = group::decide(&Group { timing, notified_at: last, pending: rest, told: &told }, self.now);
        }
        let ends = told.iter().filter(|told| !told.needs_answer).filter_map(|told| self.quiet.until(&told.alert));
        let wake = ends.chain(decision.wake).chain(held).min();
        result.memory = last.filter(|_| !decision.forget).map(|at| GroupMemory {
            notified_at: at.0,
            interval_ms: timing.interval,
            repeat_ms: timing.repeat,
            due_at: wake.map(|at| at.0),
        });
        let before = (file.notified_at, file.due_at);
        let after = (result.memory.map(|memory| memory.notified_at), result.memory.and_then(|memory| memory.due_at));
        if !result.transitions.is_empty() || before != after {
            plan.groups.push(result);
        }
        wake
    }

    /// What waits and may be told, and when the first silence ends that holds something back.
    fn waiting<'f>(
        &self,
        file: &'f GroupFile,
        facts: &HashMap<String, AlertFacts>,
    ) -> (Vec<&'f PendingRow>, Option<Timestamp>) {
        let hushed = self.hushed(file, facts);
        let (held, waiting): (Vec<&PendingRow>, Vec<&PendingRow>) = file
            .pending
            .iter()
            .filter(|row| !hushed.contains(&row.transition))
            .partition(|row| self.quiet.silenced.contains_key(&row.alert));
        let until = held.iter().filter_map(|row| self.quiet.silenced.get(&row.alert)).min().copied();
        (waiting, until)
    }

    /// What was over before its silence was, and that the receiver never heard of: told to nobody.
    fn hushed(&self, file: &GroupFile, facts: &HashMap<String, AlertFacts>) -> Vec<i64> {
        let over = |alert: &str| facts.get(alert).is_none_or(|facts| facts.state != "firing");
        let known = |alert: &str| file.members.iter().any(|member| member.alert == alert);
        let hushed = file
            .pending
            .iter()
            .filter(|row| self.quiet.silenced.contains_key(&row.alert) && over(&row.alert) && !known(&row.alert));
        hushed.map(|row| row.transition).collect()
    }

    fn pending(&self, row: &PendingRow) -> Option<Pending> {
        let change = row.kind.parse().ok()?;
        // What began to wait later than now did so before the clock was set back, and has waited long enough.
        let at = Timestamp(row.created_at);
        let at = if at > self.now { self.now - row.wait_ms } else { at };
        Some(Pending { alert: row.alert.clone(), change, at })
    }

    fn needs_answer(&self, facts: Option<&AlertFacts>) -> bool {
        facts.is_some_and(|facts| {
            let quiet = self.quiet.silenced.contains_key(&facts.id) || self.quiet.answered.contains_key(&facts.id);
            facts.state == "firing" && !quiet && !facts.is_area()
        })
    }

    fn tell(
        &self,
        file: &GroupFile,
        facts: &HashMap<String, AlertFacts>,
        kind: NotificationKind,
        changes: &[(String, TransitionKind)],
        result: &mut GroupTold,
        plan: &mut Plan,
    ) {
        let named: Vec<(&AlertFacts, TransitionKind)> =
            changes.iter().filter_map(|(alert, change)| Some((facts.get(alert)?, *change))).collect();
        let id = fresh::id('n', self.now);
        let message = letter::alerts(&self.envelope(&id, &file.receiver, &file.group_key), kind, &named);
        let alerts = named.iter().map(|(facts, _)| facts.id.clone()).collect();
        plan.notifications.push(self.post(kind, &message, alerts));
        for (alert, change) in changes {
            let firing = group::leaves_firing(*change);
            if let Some(facts) =
                facts.get(alert).filter(|facts| firing && kind == NotificationKind::Alerts && !facts.is_area())
            {
                let since = file.pending.iter().filter(|row| row.alert == *alert).map(|row| row.created_at).max();
                self.begin_ladder(facts, since.unwrap_or(self.now.0), plan);
            }
            if !firing {
                // A ladder whose steps are all taken is not due any more, so nothing else would end it.
                plan.ladders_over.push(alert.clone());
            }
            if firing { &mut result.joined } else { &mut result.left }.push(alert.clone());
        }
    }

    /// To whom, in which group, and when.
    #[must_use]
    pub fn envelope<'e>(&'e self, id: &'e str, receiver: &'e str, group: &'e str) -> Envelope<'e> {
        Envelope { id, receiver, group, now: self.now, place: self.place }
    }

    /// Sends a message on every way of its receiver. Where there is none, that is on record as a delivery given up.
    #[must_use]
    pub fn post(&self, kind: NotificationKind, message: &Message, alerts: Vec<String>) -> NewNotification {
        let receiver = self.directory.get(&message.receiver);
        let ways = receiver.iter().flat_map(|receiver| &receiver.ways);
        let mut deliveries: Vec<NewDelivery> = ways
            .map(|way| {
                let refused = self.disabled.get(&(message.receiver.clone(), way.label.clone()));
                let refused = refused.map(|said| format!("disabled: it said that it is no more ({said})"));
                NewDelivery { id: fresh::id('d', self.now), sink: way.label.clone(), refused }
            })
            .collect();
        if deliveries.is_empty() {
            let refused = Some("the configuration has no way to this receiver".to_owned());
            deliveries.push(NewDelivery { id: fresh::id('d', self.now), sink: "none".to_owned(), refused });
        }
        NewNotification {
            id: message.id.clone(),
            receiver: message.receiver.clone(),
            kind,
            group_key: message.group.clone(),
            body: serde_json::to_string(message).expect("a message holds strings and numbers, which always serialise"),
            alerts,
            deliveries,
        }
    }
}

/// The route's times, as they were when the last of what waits was routed.
fn timing(file: &GroupFile) -> Timing {
    match (file.pending.last(), file.timing) {
        (Some(row), _) => Timing { wait: row.wait_ms, interval: row.interval_ms, repeat: row.repeat_ms },
        (None, Some((interval, repeat))) => Timing { wait: 0, interval, repeat },
        (None, None) => Timing { wait: 0, interval: 0, repeat: NEVER },
    }
}
