//! Who is to be told what: a plan, applied as a whole.

use std::collections::HashSet;

use crate::domain::notice::{AttemptOutcome, DeliveryState, NotificationKind};
use crate::domain::time::Timestamp;

use super::Change;
use super::areas::AreaChange;
use super::error::StoreError;
use super::troubles::TroubleTold;
use super::words::to_json;

/// Everything that one look at the outbox came to. Applied as a whole or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Outbox rows that are routed.
    pub routed: Vec<i64>,
    /// What waits for its group.
    pub pending: Vec<PendingRow>,
    /// Alerts of which a receiver hears in another group from now on.
    pub moved: Vec<MovedRow>,
    /// Groups that are told, or are at their end.
    pub groups: Vec<GroupTold>,
    pub notifications: Vec<NewNotification>,
    /// Steps of escalation that are taken.
    pub escalations: Vec<EscalationRow>,
    /// Ladders that begin, begin again, or are looked at next at another time.
    pub ladders: Vec<LadderRow>,
    /// Alerts whose ladders are over.
    pub ladders_over: Vec<String>,
    /// Area events that begin, grow or end.
    pub areas: Vec<AreaChange>,
    /// Alerts for which an area event stands: (alert, area event).
    pub inhibited: Vec<(String, String)>,
    /// Deliveries given up of which the operator has been told, or is not to be.
    pub dead_told: Vec<String>,
    /// Troubles of which the operator is told.
    pub troubles_told: Vec<TroubleTold>,
}

impl Plan {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes out what would be written as waiting although the same plan tells it.
    pub fn skip_what_is_told(&mut self) {
        let told: HashSet<(&str, &str, i64)> = self
            .groups
            .iter()
            .flat_map(|group| group.transitions.iter().map(|row| (&*group.receiver, &*group.group_key, *row)))
            .collect();
        self.pending.retain(|row| !told.contains(&(&*row.receiver, &*row.group_key, row.transition)));
    }
}

/// A transition that waits to be told to one receiver. Times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct PendingRow {
    pub receiver: String,
    pub group_key: String,
    pub transition: i64,
    pub alert: String,
    /// A word of [`crate::domain::alert::TransitionKind`].
    pub kind: String,
    pub created_at: i64,
    pub wait_ms: i64,
    pub interval_ms: i64,
    pub repeat_ms: i64,
}

/// What a receiver knows of an alert moves from one group to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedRow {
    pub receiver: String,
    pub alert: String,
    pub from: String,
    pub to: String,
}

/// What becomes of one group of one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupTold {
    pub receiver: String,
    pub group_key: String,
    /// Transitions that wait no more.
    pub transitions: Vec<i64>,
    /// Alerts that a message names now, and that the receiver knows as firing from now on.
    pub joined: Vec<String>,
    /// Alerts that the receiver need not hear of again.
    pub left: Vec<String>,
    /// `None` ends the group: nothing in it fires any more.
    pub memory: Option<GroupMemory>,
}

/// What is remembered of a group. Times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupMemory {
    pub notified_at: i64,
    pub interval_ms: i64,
    pub repeat_ms: i64,
    /// When to look at it although nothing happens.
    pub due_at: Option<i64>,
}

/// A message to one receiver, and the deliveries that carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotification {
    pub id: String,
    pub receiver: String,
    pub kind: NotificationKind,
    pub group_key: String,
    /// The message as JSON.
    pub body: String,
    pub alerts: Vec<String>,
    pub deliveries: Vec<NewDelivery>,
}

/// One way that a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// The idempotency key.
    pub id: String,
    /// Kind and place, such as `webhook-0`.
    pub sink: String,
    /// Why it is dead at its birth; `None` sends it.
    pub refused: Option<String>,
}

/// A step of escalation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EscalationRow {
    pub alert: String,
    pub told_at: i64,
    pub step: i64,
    pub receiver: String,
    pub why: String,
}

/// A firing alert with a ladder. Times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LadderRow {
    pub alert: String,
    /// The transition from which its deadlines count; a later one begins the ladder anew.
    pub told_at: i64,
    pub due_at: Option<i64>,
}

impl Change<'_> {
    /// Applies a plan.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn apply(&mut self, plan: &Plan, now: Timestamp) -> Result<(), StoreError> {
        for row in &plan.pending {
            self.add_pending(row).await?;
        }
        if !plan.routed.is_empty() {
            let drop = "delete from outbox where id in (select value from json_each($1))";
            sqlx::query(drop).bind(to_json(&plan.routed)).execute(&mut *self.transaction).await?;
        }
        for moved in &plan.moved {
            let carry = "update or replace told_alert set group_key = $4 \
                 where receiver = $1 and alert = $2 and group_key = $3";
            sqlx::query(carry)
                .bind(&moved.receiver)
                .bind(&moved.alert)
                .bind(&moved.from)
                .bind(&moved.to)
                .execute(&mut *self.transaction)
                .await?;
        }
        for group in &plan.groups {
            self.tell_group(group, now).await?;
        }
        for notification in &plan.notifications {
            self.add_notification(notification, now).await?;
        }
        self.climb(plan, now).await?;
        self.put_areas(&plan.areas, now).await?;
        self.put_inhibitions(&plan.inhibited, now).await?;
        self.put_troubles(&plan.troubles_told, now).await?;
        if !plan.dead_told.is_empty() {
            let mark = "update delivery set dead_told = 1 where id in (select value from json_each($1))";
            sqlx::query(mark).bind(to_json(&plan.dead_told)).execute(&mut *self.transaction).await?;
        }
        Ok(())
    }

    async fn climb(&mut self, plan: &Plan, now: Timestamp) -> Result<(), StoreError> {
        for step in &plan.escalations {
            let put = "insert or ignore into escalation (alert, told_at, step, at, receiver, why) \
                 values ($1, $2, $3, $4, $5, $6)";
            sqlx::query(put)
                .bind(&step.alert)
                .bind(step.told_at)
                .bind(step.step)
                .bind(now.0)
                .bind(&step.receiver)
                .bind(&step.why)
                .execute(&mut *self.transaction)
                .await?;
        }
        for row in &plan.ladders {
            let put = "insert into ladder (alert, told_at, due_at) values ($1, $2, $3) \
                 on conflict (alert) do update set told_at = $2, due_at = $3 where told_at <= $2";
            sqlx::query(put)
                .bind(&row.alert)
                .bind(row.told_at)
                .bind(row.due_at)
                .execute(&mut *self.transaction)
                .await?;
        }
        if !plan.ladders_over.is_empty() {
            let over = "delete from ladder where alert in (select value from json_each($1))";
            sqlx::query(over).bind(to_json(&plan.ladders_over)).execute(&mut *self.transaction).await?;
        }
        Ok(())
    }

    async fn add_pending(&mut self, row: &PendingRow) -> Result<(), StoreError> {
        let put = "insert or ignore into pending (receiver, group_key, transition, alert, kind, created_at, wait_ms, \
             interval_ms, repeat_ms) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        sqlx::query(put)
            .bind(&row.receiver)
            .bind(&row.group_key)
            .bind(row.transition)
            .bind(&row.alert)
            .bind(&row.kind)
            .bind(row.created_at)
            .bind(row.wait_ms)
            .bind(row.interval_ms)
            .bind(row.repeat_ms)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    async fn tell_group(&mut self, group: &GroupTold, now: Timestamp) -> Result<(), StoreError> {
        let keyed = |statement: &'static str| sqlx::query(statement).bind(&group.receiver).bind(&group.group_key);
        if !group.transitions.is_empty() {
            let gone = "delete from pending where receiver = $1 and group_key = $2 \
                 and transition in (select value from json_each($3))";
            keyed(gone).bind(to_json(&group.transitions)).execute(&mut *self.transaction).await?;
        }
        if !group.joined.is_empty() {
            let join = "insert or replace into told_alert (receiver, group_key, alert, told_at) \
                 select $1, $2, value, $4 from json_each($3)";
            keyed(join).bind(to_json(&group.joined)).bind(now.0).execute(&mut *self.transaction).await?;
        }
        if !group.left.is_empty() {
            let leave = "delete from told_alert where receiver = $1 and group_key = $2 \
                 and alert in (select value from json_each($3))";
            keyed(leave).bind(to_json(&group.left)).execute(&mut *self.transaction).await?;
        }
        match &group.memory {
            Some(memory) => {
                let keep = "insert or replace into told_group (receiver, group_key, notified_at, interval_ms, \
                     repeat_ms, due_at) values ($1, $2, $3, $4, $5, $6)";
                keyed(keep)
                    .bind(memory.notified_at)
                    .bind(memory.interval_ms)
                    .bind(memory.repeat_ms)
                    .bind(memory.due_at)
                    .execute(&mut *self.transaction)
                    .await?;
            }
            None => {
                let end = "delete from told_group where receiver = $1 and group_key = $2";
                keyed(end).execute(&mut *self.transaction).await?;
            }
        }
        Ok(())
    }

    async fn add_notification(&mut self, told: &NewNotification, now: Timestamp) -> Result<(), StoreError> {
        let put = "insert into notification (id, receiver, kind, group_key, created_at, body) \
             values ($1, $2, $3, $4, $5, $6)";
        sqlx::query(put)
            .bind(&told.id)
            .bind(&told.receiver)
            .bind(told.kind.as_str())
            .bind(&told.group_key)
            .bind(now.0)
            .bind(&told.body)
            .execute(&mut *self.transaction)
            .await?;
        let about =
            "insert or ignore into notification_alert (notification, alert) select $1, value from json_each($2)";
        sqlx::query(about).bind(&told.id).bind(to_json(&told.alerts)).execute(&mut *self.transaction).await?;
        for delivery in &told.deliveries {
            let state = if delivery.refused.is_some() { DeliveryState::Dead } else { DeliveryState::Due };
            let put = "insert into delivery (id, notification, receiver, sink, state, created_at, due_at, finished_at) \
                 values ($1, $2, $3, $4, $5, $6, $6, $7)";
            sqlx::query(put)
                .bind(&delivery.id)
                .bind(&told.id)
                .bind(&told.receiver)
                .bind(&delivery.sink)
                .bind(state.as_str())
                .bind(now.0)
                .bind(delivery.refused.as_ref().map(|_| now.0))
                .execute(&mut *self.transaction)
                .await?;
            if let Some(why) = &delivery.refused {
                self.add_attempt(&delivery.id, now, 0, AttemptOutcome::Gone, None, why).await?;
            }
        }
        Ok(())
    }
}
