//! What happened lately, for figures of 30 days: the facts that incidents are made of, who answered, and who is
//! responsible. A look at many rows, so they come back gathered: few rows, each with a list.

use smol_str::SmolStr;

use super::{ReadError, Reader};
use crate::domain::event::{EventType, Mode, Origin, StoredEvent};
use crate::domain::fault::{Fault, FaultCode};
use crate::domain::time::{DAY, Timestamp};
use crate::domain::visit::{StoredVisit, VisitKind};
use crate::store::error::StoreError;
use crate::store::stretch::with_stretches;
use crate::store::words::{json, optional_word, word};

/// The units of one site under one contract.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Contract {
    pub region: String,
    pub site: String,
    pub maintainer: String,
    pub units: i64,
    /// Units whose last recorded visit is longer ago than their interval.
    pub overdue: i64,
}

/// A unit with a fault or an entrapment, and its facts.
#[derive(Debug, Clone, Default)]
pub struct FaultyUnit {
    pub unit: String,
    pub region: String,
    pub site: String,
    pub maintainer: String,
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
    pub contracts: Vec<Contract>,
    pub faulty: Vec<FaultyUnit>,
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

/// Ids of events begin with the sender's time, so those of 30 days are one stretch of their index; only units with a fault
/// in it are looked at more closely. Visits that a later record supersedes are left out.
const FAULTY: &str = with_stretches!(
    "$2",
    ", faulty as (select distinct unit from event where id >= $1 and type in ('fault_raised', 'entrapment_reported')) \
     select u.id as unit, u.region, u.site, u.maintainer, \
     (select json_group_array(json_array(e.id, e.at, e.type, e.code, e.vendor_code, e.mode)) \
     from stretch s cross join event e indexed by event_unit where e.at >> 31 = s.n and e.unit = u.id and e.at >= $2 \
     and e.type in ('fault_raised', 'mode_changed', 'mains_off', 'mains_on', 'entrapment_reported', 'passenger_released')) as events, \
     (select json_group_array(json_array(v.started_at, v.ended_at)) from visit v where v.unit = u.id and v.started_at >= $3 \
     and not exists (select 1 from visit later where later.unit = v.unit and later.publisher = v.publisher \
     and later.supersedes = v.record_id and later.record_id <> v.record_id)) as visits \
     from faulty f join unit u on u.id = f.unit"
);

#[derive(sqlx::FromRow)]
struct FaultyRow {
    unit: String,
    region: String,
    site: String,
    maintainer: String,
    events: String,
    visits: String,
}

/// id, at, type, code, vendor code, mode
type EventFields = (String, i64, String, Option<String>, Option<String>, Option<String>);

impl Reader {
    /// The facts since `since`, as of `now`; both in milliseconds.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn recent(&self, now: i64, since: i64) -> Result<RecentRows, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let tx = &mut *snapshot.tx;
        let contracts = sqlx::query_as(
            "select u.region, u.site, u.maintainer, count(*) as units, \
             coalesce(sum((select max(v.started_at) from visit v where v.unit = u.id) + u.maintenance_interval_days * 86400000 < $1), 0) as overdue \
             from unit u group by u.region, u.site, u.maintainer",
        )
        .bind(now)
        .fetch_all(&mut *tx)
        .await?;
        // A visit that began before the window may reach into it; it covers a day at most.
        let rows: Vec<FaultyRow> = sqlx::query_as(FAULTY)
            .bind(format!("{since:012x}"))
            .bind(since)
            .bind(since - DAY)
            .fetch_all(&mut *tx)
            .await?;
        let alerts = sqlx::query_as(
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
        drop(snapshot);
        let faulty = rows.into_iter().map(faulty).collect::<Result<_, _>>()?;
        Ok(RecentRows { contracts, faulty, alerts })
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

fn faulty(row: FaultyRow) -> Result<FaultyUnit, ReadError> {
    let FaultyRow { unit, region, site, maintainer, events, visits } = row;
    match facts(&events, &visits) {
        Ok((events, visits)) => Ok(FaultyUnit { unit, region, site, maintainer, events, visits }),
        Err(error) => Err(ReadError::Row { table: "event or visit of unit", id: unit, what: error.to_string() }),
    }
}

fn facts(events: &str, visits: &str) -> Result<(Vec<StoredEvent>, Vec<StoredVisit>), StoreError> {
    let events: Vec<EventFields> = json("event", events)?;
    let visits: Vec<(i64, Option<i64>)> = json("visit", visits)?;
    let visit = |(started_at, ended_at): (i64, Option<i64>)| StoredVisit {
        id: String::new(),
        kind: VisitKind::Fm,
        started_at: Timestamp(started_at),
        ended_at: ended_at.map(Timestamp),
    };
    Ok((events.into_iter().map(event).collect::<Result<_, _>>()?, visits.into_iter().map(visit).collect()))
}

/// What counting needs of an event; the rest of it is made up.
fn event((id, at, kind, code, vendor_code, mode): EventFields) -> Result<StoredEvent, StoreError> {
    let kind: EventType = word("event", &kind)?;
    let code: Option<FaultCode> = optional_word("event", code.as_deref())?;
    let mode: Option<Mode> = optional_word("event", mode.as_deref())?;
    Ok(StoredEvent {
        id: id.into(),
        at: Timestamp(at),
        kind,
        fault: code.map(|code| Fault { code, vendor_code: vendor_code.map(SmolStr::from) }),
        mode,
        moving: None,
        occupied: None,
        origin: Origin::Reported,
    })
}
