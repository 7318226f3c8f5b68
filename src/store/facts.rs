//! Facts: events and hazard reports. Written once, never changed.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use smol_str::SmolStr;

use crate::domain::event::{Event, EventRecord, Sequence};
use crate::domain::fault::Fault;
use crate::domain::hazard::HazardRecord;
use crate::domain::id::{PublisherId, UnitId};
use crate::domain::time::Timestamp;

use super::Change;
use super::entries::{self, HazardRow};
use super::error::StoreError;
use super::rows::{Words, write_rows};
use super::words::{optional_word, to_json, word};

const TABLE: &str = "event";

impl Change<'_> {
    /// Those of the given events that are stored already, by id.
    ///
    /// # Errors
    /// Those of the engine, and rows that cannot be read.
    pub async fn stored_events(&mut self, wanted: &[&EventRecord]) -> Result<HashMap<SmolStr, Event>, StoreError> {
        if wanted.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<&str> = wanted.iter().map(|record| record.id.as_str()).collect();
        let find = "select e.* from json_each($1) j cross join event e on e.id = j.value";
        let rows = sqlx::query(find).bind(to_json(&ids)).fetch_all(&mut *self.transaction).await?;
        rows.iter().map(|row| Ok((row.try_get::<&str, _>("id")?.into(), event(row)?))).collect()
    }

    /// Stores events that are not stored yet.
    ///
    /// # Errors
    /// Those of the engine; an id that is stored already is one of them, so nothing is ever overwritten.
    pub async fn insert_events(&mut self, records: &[EventRecord]) -> Result<(), StoreError> {
        write_rows(&mut self.transaction, records, insertion).await
    }

    /// The body and unit of stored hazard reports, by publisher and report id.
    ///
    /// # Errors
    /// Those of the engine, and rows that cannot be read.
    pub async fn stored_hazards(
        &mut self,
        wanted: &[(&str, &str)],
    ) -> Result<HashMap<(String, String), StoredBody>, StoreError> {
        let find = "select h.publisher, h.report_id as name, h.id, h.unit, h.body \
             from json_each($1) j cross join hazard h on h.publisher = j.value ->> 0 and h.report_id = j.value ->> 1";
        let rows = sqlx::query(find).bind(to_json(wanted)).fetch_all(&mut *self.transaction).await?;
        rows.iter().map(|row| Ok((name(row)?, stored_body(row)?))).collect()
    }

    /// Stores hazard reports that are not stored yet.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn insert_hazards(&mut self, records: &[HazardRecord]) -> Result<(), StoreError> {
        for record in records {
            let report = &record.report;
            let insert = "insert into hazard (id, unit, publisher, report_id, reporter, basis, use_stopped, body, ts, \
                 received_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
            sqlx::query(insert)
                .bind(&record.id)
                .bind(record.unit.as_str())
                .bind(record.publisher.as_str())
                .bind(&report.report_id)
                .bind(report.reporter.as_str())
                .bind(&report.basis)
                .bind(report.use_stopped)
                .bind(&report.body)
                .bind(report.ts.0)
                .bind(record.received_at.0)
                .execute(&mut *self.transaction)
                .await?;
            self.enter(entries::hazard(&HazardRow {
                id: &record.id,
                unit: record.unit.clone(),
                publisher: record.publisher.as_str(),
                report_id: &report.report_id,
                reporter: report.reporter.as_str(),
                basis: &report.basis,
                use_stopped: report.use_stopped,
                ts: report.ts,
                received_at: record.received_at,
                body: &report.body,
            }));
        }
        Ok(())
    }
}

/// What tells whether a record with the same name is the same record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBody {
    pub id: String,
    pub unit: UnitId,
    pub body: String,
}

/// The statement that stores these events.
fn insertion(records: &[EventRecord]) -> QueryBuilder<Sqlite> {
    let mut words = Words::default();
    let mut insert = QueryBuilder::<Sqlite>::new(
        "insert or rollback into event (id, unit, publisher, type, code, vendor_code, mode, landing, moving, occupied, \
         at, ts, received_at, clock_suspect, boot, seq, origin, extra) ",
    );
    insert.push_values(records, |mut row, record| {
        let event = &record.event;
        let sequence = event.sequence.as_ref();
        row.push_bind(Arc::<str>::from(record.id.clone()))
            .push_bind(record.unit.shared())
            .push_bind(record.publisher.shared())
            .push_bind(words.shared(event.kind.as_str()))
            .push_bind(event.fault.as_ref().map(|fault| words.shared(fault.code.as_str())))
            .push_bind(event.fault.as_ref().and_then(|fault| Some(words.shared(fault.vendor_code.as_deref()?))))
            .push_bind(event.mode.map(|mode| words.shared(mode.as_str())))
            .push_bind(event.landing.as_deref().map(|landing| words.shared(landing)))
            .push_bind(event.moving)
            .push_bind(event.occupied)
            .push_bind(record.at.0)
            .push_bind(event.ts.0)
            .push_bind(record.received_at.0)
            .push_bind(record.clock_suspect)
            .push_bind(sequence.map(|sequence| Arc::<str>::from(sequence.boot.as_str())))
            .push_bind(sequence.map(|sequence| sequence.seq as i64))
            .push_bind(words.shared(event.origin.as_str()))
            .push_bind(event.extra.as_deref());
    });
    insert
}

fn name(row: &SqliteRow) -> Result<(String, String), StoreError> {
    Ok((row.try_get("publisher")?, row.try_get("name")?))
}

fn stored_body(row: &SqliteRow) -> Result<StoredBody, StoreError> {
    Ok(StoredBody { id: row.try_get("id")?, unit: word(TABLE, row.try_get("unit")?)?, body: row.try_get("body")? })
}

/// Reads a whole event row with its identity.
///
/// # Errors
/// Rows that this program cannot have written.
pub fn event_record(row: &SqliteRow) -> Result<EventRecord, StoreError> {
    Ok(EventRecord {
        id: row.try_get::<&str, _>("id")?.into(),
        unit: word(TABLE, row.try_get("unit")?)?,
        publisher: word::<PublisherId>(TABLE, row.try_get("publisher")?)?,
        at: Timestamp(row.try_get("at")?),
        received_at: Timestamp(row.try_get("received_at")?),
        clock_suspect: row.try_get("clock_suspect")?,
        event: event(row)?,
    })
}

fn event(row: &SqliteRow) -> Result<Event, StoreError> {
    let boot: Option<&str> = row.try_get("boot")?;
    let seq: Option<i64> = row.try_get("seq")?;
    let sequence = boot.zip(seq).map(|(boot, seq)| Sequence { boot: boot.into(), seq: seq as u64 });
    Ok(Event {
        ts: Timestamp(row.try_get("ts")?),
        sequence,
        kind: word(TABLE, row.try_get("type")?)?,
        fault: fault(row)?,
        mode: optional_word(TABLE, row.try_get("mode")?)?,
        landing: row.try_get::<Option<&str>, _>("landing")?.map(SmolStr::from),
        moving: row.try_get("moving")?,
        occupied: row.try_get("occupied")?,
        origin: word(TABLE, row.try_get("origin")?)?,
        extra: row.try_get("extra")?,
    })
}

/// The fault of a row that has `code` and `vendor_code`.
///
/// # Errors
/// Rows that this program cannot have written.
pub fn fault(row: &SqliteRow) -> Result<Option<Fault>, StoreError> {
    let code = optional_word(TABLE, row.try_get("code")?)?;
    let vendor_code: Option<&str> = row.try_get("vendor_code")?;
    Ok(code.map(|code| Fault { code, vendor_code: vendor_code.map(SmolStr::from) }))
}
