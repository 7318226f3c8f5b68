//! What happened lately, for figures of 30 days: the facts that incidents are made of, who answered, and who is
//! responsible. A look at many rows: whoever asks keeps the answer for a while.

use std::collections::HashMap;

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::{ReadError, Reader};
use crate::domain::event::StoredEvent;
use crate::domain::time::DAY;
use crate::domain::visit::StoredVisit;
use crate::store::error::StoreError;
use crate::store::history::{stored_event, stored_visit};

/// One unit and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct UnitPlace {
    pub id: String,
    pub region: String,
    pub site: String,
    pub maintainer: String,
    /// Its last recorded visit is longer ago than its interval.
    pub overdue: bool,
}

/// The facts of one unit since a moment.
#[derive(Debug, Clone, Default)]
pub struct UnitFacts {
    pub events: Vec<StoredEvent>,
    pub visits: Vec<StoredVisit>,
}

/// One critical alert and how soon it was answered.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct AnsweredAlert {
    pub region: String,
    pub maintainer: String,
    /// Milliseconds; so the next.
    pub starts_at: i64,
    pub acknowledged_at: Option<i64>,
    pub arrived_at: Option<i64>,
}

/// Everything since a moment, from one snapshot.
#[derive(Debug, Clone, Default)]
pub struct RecentRows {
    pub units: Vec<UnitPlace>,
    /// By unit; those without facts are left out.
    pub facts: HashMap<String, UnitFacts>,
    pub alerts: Vec<AnsweredAlert>,
}

/// What is shown of one exceptional unit.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ExceptionalRow {
    pub unit: String,
    /// Milliseconds; so the next.
    pub heard_at: Option<i64>,
    pub last_visit_at: Option<i64>,
    pub runs: Option<i64>,
    pub door_cycles: Option<i64>,
}

impl Reader {
    /// The facts since `since`, as of `now`; both in milliseconds.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn recent(&self, now: i64, since: i64) -> Result<RecentRows, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let tx = &mut *snapshot.tx;
        let units = sqlx::query_as(
            "select u.id, u.region, u.site, u.maintainer, coalesce((select max(v.started_at) from visit v \
             where v.unit = u.id) + u.maintenance_interval_days * 86400000 < $1, 0) as overdue from unit u",
        )
        .bind(now)
        .fetch_all(&mut *tx)
        .await?;
        let mut rows = RecentRows { units, facts: facts(tx, since).await?, alerts: Vec::new() };
        rows.alerts = sqlx::query_as(
            "select coalesce(u.region, '') as region, coalesce(u.maintainer, '') as maintainer, a.starts_at, \
             (select min(n.at) from answer n where n.alert = a.id and n.kind = 'acknowledged') as acknowledged_at, \
             (select min(n.at) from answer n where n.alert = a.id and n.kind = 'arrived') as arrived_at \
             from alert a left join unit u on u.id = a.unit \
             where a.id >= $1 and a.severity = 'critical' and a.state <> 'withdrawn' and a.starts_at >= $2",
        )
        // Ids of alerts begin with the time at which they were recorded.
        .bind(format!("a-{since:012x}"))
        .bind(since)
        .fetch_all(&mut *tx)
        .await?;
        Ok(rows)
    }

    /// What is shown of these units, in their order; one that the registry does not have is left out.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn exceptional(&self, units: &[&str]) -> Result<Vec<ExceptionalRow>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let ids = serde_json::to_string(units).expect("texts always serialise");
        let rows = sqlx::query_as(
            "select u.id as unit, l.heard_at, (select max(v.started_at) from visit v where v.unit = u.id) as last_visit_at, \
             l.state ->> 'runs' as runs, l.state ->> 'door_cycles' as door_cycles \
             from json_each($1) j cross join unit u on u.id = j.value left join unit_live l on l.unit = u.id order by j.key",
        )
        .bind(ids)
        .fetch_all(&mut *snapshot.tx)
        .await?;
        Ok(rows)
    }
}

/// The events that incidents are made of, and the visits that may cover them. Ids of events begin with the sender's time
/// in milliseconds, so those of 30 days are one stretch of the table.
async fn facts(tx: &mut SqliteConnection, since: i64) -> Result<HashMap<String, UnitFacts>, ReadError> {
    let mut facts: HashMap<String, UnitFacts> = HashMap::new();
    let events = "select unit, id, at, type, code, vendor_code, mode, moving, occupied, origin from event \
         where id >= $1 and type in ('fault_raised', 'mode_changed', 'mains_off', 'mains_on', 'entrapment_reported', 'passenger_released')";
    for row in sqlx::query(events).bind(format!("{since:012x}")).fetch_all(&mut *tx).await? {
        facts
            .entry(unit(&row)?)
            .or_default()
            .events
            .push(stored_event(&row).map_err(|error| unreadable(&row, &error))?);
    }
    let visits = "select v.unit, v.id, v.kind, v.started_at, v.ended_at from visit v where v.id >= $1 \
         and not exists (select 1 from visit later where later.unit = v.unit and later.publisher = v.publisher \
         and later.supersedes = v.record_id and later.record_id <> v.record_id)";
    for row in sqlx::query(visits).bind(format!("v-{:012x}", since - VISIT)).fetch_all(&mut *tx).await? {
        facts
            .entry(unit(&row)?)
            .or_default()
            .visits
            .push(stored_visit(&row).map_err(|error| unreadable(&row, &error))?);
    }
    Ok(facts)
}

/// A visit covers a day at most.
const VISIT: i64 = DAY;

fn unit(row: &SqliteRow) -> Result<String, ReadError> {
    Ok(sqlx::Row::try_get(row, "unit")?)
}

fn unreadable(row: &SqliteRow, error: &StoreError) -> ReadError {
    let id = sqlx::Row::try_get(row, "id").unwrap_or_default();
    ReadError::Row { table: "event or visit", id, what: error.to_string() }
}
