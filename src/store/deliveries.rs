//! Deliveries on their way: who sends which of them until when, how each try went, and what becomes of it.

use sqlx::Row;

use crate::domain::notice::{AttemptOutcome, DeliveryState};
use crate::domain::time::{MINUTE, Timestamp};

use super::Change;
use super::error::StoreError;
use super::words::word;

/// How long a claim lasts, in milliseconds: longer than the work that it covers (docs/ARCHITECTURE.md).
pub const LEASE: i64 = MINUTE;

/// A way to a receiver on which there is room for so many more deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    pub receiver: String,
    pub sink: String,
    pub deliveries: u32,
    /// All of them are sent in one message, which bears the link of the first.
    pub folded: bool,
}

/// A delivery that the caller may send until its lease ends.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Claimed {
    pub id: String,
    pub receiver: String,
    pub sink: String,
    pub created_at: i64,
    /// Tries that were recorded before.
    pub attempts: u32,
    pub lease_until: i64,
    /// The message as JSON.
    pub body: String,
}

/// What becomes of a delivery after a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Delivered,
    /// Another try at this time.
    Again(Timestamp),
    Dead,
}

/// How a try went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    pub delivery: String,
    pub receiver: String,
    pub sink: String,
    /// When the try began.
    pub at: Timestamp,
    pub duration_ms: i64,
    pub outcome: AttemptOutcome,
    pub status: Option<u16>,
    pub detail: String,
    pub next: Next,
}

impl Change<'_> {
    /// Ends every lease: for a process that has just taken the file over, when nobody sends.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn end_leases(&mut self) -> Result<(), StoreError> {
        let end = "update delivery set lease_until = null where state = 'due' and lease_until is not null";
        sqlx::query(end).execute(&mut *self.transaction).await?;
        Ok(())
    }

    /// Leases up to `room` deliveries of a lane that are due, the longest due first.
    ///
    /// # Errors
    /// Those of the engine, and rows that cannot be read.
    pub async fn claim(&mut self, room: &Room, now: Timestamp) -> Result<Vec<Claimed>, StoreError> {
        // A lease that ends later than any lease given now was given before the clock was set back; what was made later
        // than now was made before that, too, and has waited long enough.
        let claim = "update delivery set lease_until = $4, digest = null where id in (select id from delivery where state = 'due' \
             and receiver = $1 and sink = $2 and (due_at <= $3 or created_at > $3) \
             and (lease_until is null or lease_until <= $3 or lease_until > $4) order by due_at, id limit $5) \
             returning id, receiver, sink, created_at, attempts, lease_until, \
             (select body from notification n where n.id = notification) as body";
        let mut claimed: Vec<Claimed> = sqlx::query_as(claim)
            .bind(&room.receiver)
            .bind(&room.sink)
            .bind(now.0)
            .bind((now + LEASE).0)
            .bind(room.deliveries)
            .fetch_all(&mut *self.transaction)
            .await?;
        claimed.sort_by(|a, b| a.id.cmp(&b.id));
        if let [first, _, ..] = &claimed[..]
            && room.folded
        {
            self.fold(&first.id, &claimed).await?;
        }
        Ok(claimed)
    }

    /// Notes, before it is sent, whose link stands for all of these.
    async fn fold(&mut self, first: &str, all: &[Claimed]) -> Result<(), StoreError> {
        let ids = serde_json::json!(all.iter().map(|one| &one.id).collect::<Vec<_>>()).to_string();
        let note = "update delivery set digest = $1 where id in (select value from json_each($2))";
        sqlx::query(note).bind(first).bind(ids).execute(&mut *self.transaction).await?;
        Ok(())
    }

    /// Records a try and what becomes of its delivery.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn report(&mut self, tried: &Reported, now: Timestamp) -> Result<(), StoreError> {
        let Reported { delivery, at, duration_ms, outcome, status, detail, .. } = tried;
        self.add_attempt(delivery, *at, *duration_ms, *outcome, *status, detail).await?;
        let (state, due) = match tried.next {
            Next::Delivered => (DeliveryState::Delivered, None),
            Next::Again(at) => (DeliveryState::Due, Some(at.0)),
            Next::Dead => (DeliveryState::Dead, None),
        };
        let settle = "update delivery set state = $2, due_at = coalesce($3, due_at), attempts = attempts + 1, \
             lease_until = null, finished_at = $4 where id = $1";
        sqlx::query(settle)
            .bind(delivery)
            .bind(state.as_str())
            .bind(due)
            .bind(due.is_none().then_some(now.0))
            .execute(&mut *self.transaction)
            .await?;
        if *outcome == AttemptOutcome::Gone {
            let disable = "insert or replace into disabled_sink (receiver, sink, at, detail) values ($1, $2, $3, $4)";
            sqlx::query(disable)
                .bind(&tried.receiver)
                .bind(&tried.sink)
                .bind(now.0)
                .bind(detail)
                .execute(&mut *self.transaction)
                .await?;
        }
        Ok(())
    }

    /// Records a try.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn add_attempt(
        &mut self,
        delivery: &str,
        at: Timestamp,
        duration_ms: i64,
        outcome: AttemptOutcome,
        status: Option<u16>,
        detail: &str,
    ) -> Result<(), StoreError> {
        let put = "insert into attempt (delivery, at, duration_ms, outcome, status, detail) \
             values ($1, $2, $3, $4, $5, $6)";
        sqlx::query(put)
            .bind(delivery)
            .bind(at.0)
            .bind(duration_ms)
            .bind(outcome.as_str())
            .bind(status)
            .bind(detail)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    /// Makes a dead delivery due again and enables its sink; how it stood before, or `None` if there is none.
    ///
    /// # Errors
    /// Those of the engine, and rows that cannot be read.
    pub async fn resend(&mut self, delivery: &str, now: Timestamp) -> Result<Option<DeliveryState>, StoreError> {
        let find = "select state, receiver, sink from delivery where id = $1";
        let row = sqlx::query(find).bind(delivery).fetch_optional(&mut *self.transaction).await?;
        let Some(row) = row else { return Ok(None) };
        let state: DeliveryState = word("delivery", row.try_get("state")?)?;
        if state != DeliveryState::Dead {
            return Ok(Some(state));
        }
        // Its 72 hours begin anew; the attempts before stay on record.
        let revive = "update delivery set state = 'due', due_at = $2, created_at = $2, attempts = 0, \
             lease_until = null, finished_at = null, dead_told = 0 where id = $1";
        sqlx::query(revive).bind(delivery).bind(now.0).execute(&mut *self.transaction).await?;
        let enable = "delete from disabled_sink where receiver = $1 and sink = $2";
        sqlx::query(enable)
            .bind(row.try_get::<String, _>("receiver")?)
            .bind(row.try_get::<String, _>("sink")?)
            .execute(&mut *self.transaction)
            .await?;
        Ok(Some(state))
    }
}
