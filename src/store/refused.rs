//! Messages that were refused, and messages of units that the registry does not have: kept, bounded, countable.

use sqlx::Row;

use crate::domain::id::{PublisherId, RegionCode, UnitId};
use crate::domain::time::Timestamp;

use super::Change;
use super::error::StoreError;
use super::words::{to_json, word};

/// Refused messages kept per publisher; beyond it the oldest go.
const QUARANTINE_ROWS: i64 = 10_000;

/// Units that the registry does not have, remembered per publisher.
const UNREGISTERED_UNITS: i64 = 1_000;

/// Messages of such units kept per publisher until the registry has them.
const UNREGISTERED_MESSAGES: i64 = 10_000;

/// Bytes of their payloads kept per publisher: 10,000 events take about 3 MiB, and one payload may have 64 KiB.
const UNREGISTERED_BYTES: i64 = 32 * 1024 * 1024;

/// How much of a refused payload is kept.
const KEPT_BYTES: usize = 4_096;

/// One refused message.
pub struct Refused<'a> {
    pub received_at: Timestamp,
    pub region: &'a RegionCode,
    pub publisher: &'a str,
    pub unit: &'a str,
    pub topic: &'a str,
    pub reason: &'a str,
    pub detail: &'a str,
    pub payload: &'a [u8],
    /// SHA-256 of the whole payload, in hex.
    pub sha256: String,
}

/// One message of a unit that the registry does not have.
#[derive(Debug, Clone)]
pub struct Unregistered {
    pub id: i64,
    pub region: RegionCode,
    pub topic: String,
    pub received_at: Timestamp,
    pub payload: Vec<u8>,
}

/// Room that is left for what a publisher's unknown units tell.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    units: i64,
    messages: i64,
    bytes: i64,
}

impl Change<'_> {
    /// Keeps a refused message.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn quarantine(&mut self, refused: &Refused<'_>) -> Result<(), StoreError> {
        let insert = "insert into quarantine (received_at, region, publisher, unit, topic, reason, detail, \
             payload_size, payload_sha256, payload) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        sqlx::query(insert)
            .bind(refused.received_at.0)
            .bind(refused.region.as_str())
            .bind(refused.publisher)
            .bind(refused.unit)
            .bind(refused.topic.chars().take(1_024).collect::<String>())
            .bind(refused.reason)
            .bind(refused.detail)
            .bind(refused.payload.len() as i64)
            .bind(&refused.sha256)
            .bind(&refused.payload[..refused.payload.len().min(KEPT_BYTES)])
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    /// Drops a publisher's oldest refused messages beyond the bound. Returns how many went.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn bound_quarantine(&mut self, publisher: &str) -> Result<u64, StoreError> {
        let bound = "delete from quarantine where publisher = $1 and id <= \
             (select id from quarantine where publisher = $1 order by id desc limit 1 offset $2)";
        let done = sqlx::query(bound).bind(publisher).bind(QUARANTINE_ROWS).execute(&mut *self.transaction).await?;
        Ok(done.rows_affected())
    }

    /// How much room is left for what a publisher's unknown units tell.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn unregistered_room(&mut self, publisher: &PublisherId) -> Result<Room, StoreError> {
        let count = "select (select count(*) from unregistered_unit where publisher = $1) as units, \
             count(*) as messages, coalesce(sum(length(payload)), 0) as bytes \
             from unregistered_message where publisher = $1";
        let row = sqlx::query(count).bind(publisher.as_str()).fetch_one(&mut *self.transaction).await?;
        Ok(Room {
            units: UNREGISTERED_UNITS - row.try_get::<i64, _>("units")?,
            messages: UNREGISTERED_MESSAGES - row.try_get::<i64, _>("messages")?,
            bytes: UNREGISTERED_BYTES - row.try_get::<i64, _>("bytes")?,
        })
    }

    /// Counts a message of a unit that the registry does not have; `false` when its publisher has too many such units.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn count_unregistered(
        &mut self,
        publisher: &PublisherId,
        unit: &UnitId,
        region: &RegionCode,
        room: &mut Room,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let count = "update unregistered_unit set last_at = $3, messages = messages + 1 \
             where publisher = $1 and unit = $2";
        let known = sqlx::query(count)
            .bind(publisher.as_str())
            .bind(unit.as_str())
            .bind(now.0)
            .execute(&mut *self.transaction)
            .await?;
        if known.rows_affected() > 0 {
            return Ok(true);
        }
        if room.units <= 0 {
            return Ok(false);
        }
        room.units -= 1;
        let add = "insert into unregistered_unit (publisher, unit, region, first_at, last_at, messages) \
             values ($1, $2, $4, $3, $3, 1)";
        sqlx::query(add)
            .bind(publisher.as_str())
            .bind(unit.as_str())
            .bind(now.0)
            .bind(region.as_str())
            .execute(&mut *self.transaction)
            .await?;
        Ok(true)
    }

    /// Keeps a message of such a unit until the registry has it; `false` when its publisher has too many.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn keep_unregistered(
        &mut self,
        publisher: &PublisherId,
        unit: &UnitId,
        message: &Unregistered,
        room: &mut Room,
    ) -> Result<bool, StoreError> {
        let bytes = i64::try_from(message.payload.len()).unwrap_or(i64::MAX);
        if room.messages <= 0 || room.bytes < bytes {
            return Ok(false);
        }
        room.messages -= 1;
        room.bytes -= bytes;
        let keep = "insert into unregistered_message (publisher, unit, region, topic, received_at, payload) \
             values ($1, $2, $3, $4, $5, $6)";
        sqlx::query(keep)
            .bind(publisher.as_str())
            .bind(unit.as_str())
            .bind(message.region.as_str())
            .bind(&message.topic)
            .bind(message.received_at.0)
            .bind(&message.payload)
            .execute(&mut *self.transaction)
            .await?;
        Ok(true)
    }

    /// Up to `limit` kept messages whose unit the registry has by now, oldest first.
    ///
    /// # Errors
    /// Those of the engine, and rows that cannot be read.
    pub async fn attachable(&mut self, limit: u32) -> Result<Vec<Unregistered>, StoreError> {
        let find = "select m.* from unregistered_message m where exists (select 1 from unit where unit.id = m.unit) \
             order by m.id limit $1";
        let rows = sqlx::query(find).bind(limit).fetch_all(&mut *self.transaction).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            found.push(Unregistered {
                id: row.try_get("id")?,
                region: word("unregistered_message", row.try_get("region")?)?,
                topic: row.try_get("topic")?,
                received_at: Timestamp(row.try_get("received_at")?),
                payload: row.try_get("payload")?,
            });
        }
        Ok(found)
    }

    /// Drops kept messages that are attached to their unit now.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn drop_attached(&mut self, messages: &[i64]) -> Result<(), StoreError> {
        let drop = "delete from unregistered_message where id in (select value from json_each($1))";
        sqlx::query(drop).bind(to_json(messages)).execute(&mut *self.transaction).await?;
        Ok(())
    }

    /// Forgets units that are registered by now, and of which no message waits to be attached.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn forget_registered(&mut self) -> Result<(), StoreError> {
        let forget = "delete from unregistered_unit \
             where exists (select 1 from unit where unit.id = unregistered_unit.unit) \
             and not exists (select 1 from unregistered_message m where m.unit = unregistered_unit.unit)";
        sqlx::query(forget).execute(&mut *self.transaction).await?;
        Ok(())
    }
}
