//! What rules need to judge units: their facts from a moment on, those that last, and the alerts that are open.

use std::collections::HashMap;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::domain::alert::Alert;
use crate::domain::event::StoredEvent;
use crate::domain::gap::Gap;
use crate::domain::id::UnitId;
use crate::domain::time::Timestamp;
use crate::domain::visit::{Elsewhere, Silence, StoredVisit};

use super::Change;
use super::alerts::alert;
use super::error::StoreError;
use super::facts::fault;
use super::stretch::with_stretches;
use super::words::{optional_word, to_json, word};

/// What is asked of one unit.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub unit: UnitId,
    /// The earliest new fact.
    pub from: Timestamp,
    /// How far back windows reach from there.
    pub since: Timestamp,
}

/// The facts of one unit, and its alerts that are firing or end at or after `from`.
#[derive(Debug, Default)]
pub struct UnitFacts {
    pub events: Vec<StoredEvent>,
    pub visits: Vec<StoredVisit>,
    pub gaps: Vec<Gap>,
    /// Other visits of those who worked here, at other sites at the same time.
    pub elsewhere: Vec<Elsewhere>,
    /// When nothing was heard of it, as `silent_unit` recorded it.
    pub silences: Vec<Silence>,
    pub alerts: Vec<Alert>,
}

/// Rules count faults that are raised, and must know what lasts however old it is; nothing else is loaded. The second half
/// has the condition of the index `event_lasting`, word for word, less what the first half has.
const EVENTS: &str = with_stretches!(
    "$2",
    "select e.unit, e.id, e.at, e.type, e.code, e.vendor_code, e.mode, e.moving, e.occupied, e.origin \
     from stretch s cross join json_each($1) j cross join event e indexed by event_unit \
     on e.at >> 31 = s.n and e.unit = j.value ->> 0 and e.at >= j.value ->> 1 \
     where e.type = 'fault_raised' \
     union all \
     select e.unit, e.id, e.at, e.type, e.code, e.vendor_code, e.mode, e.moving, e.occupied, e.origin \
     from json_each($1) j cross join event e indexed by event_lasting \
     on e.unit = j.value ->> 0 \
     where (e.type in ('mode_changed', 'mains_off', 'mains_on', 'entrapment_reported', 'passenger_released') \
     or e.code in ('safety_chain_open', 'unintended_car_movement', 'opened_while_running', 'overhead_overrun', 'pit_overrun', 'overspeed', 'unintended_reversal')) \
     and not (e.type = 'fault_raised' and e.at >= j.value ->> 1)"
);

/// Visits that no correction has replaced: those of the window and of a day before it; before that the latest finished
/// one, planned and on demand, however old it is; and those in which something happened that rules know however old it is
/// (the last half has the condition of the index `event_lasting`, word for word, and then less).
const VISITS: &str = "select v.unit, v.id, v.kind, v.started_at, v.ended_at \
     from json_each($1) j cross join visit v on v.unit = j.value ->> 0 \
     and v.id >= printf('v-%012x', max((j.value ->> 1) - 86400000, 0)) \
     where not exists (select 1 from visit_correction c where c.corrected = v.id) \
     union \
     select v.unit, v.id, v.kind, v.started_at, v.ended_at \
     from json_each($1) j cross join json_each('[true,false]') k cross join visit v on v.id = (select x.id from visit x \
     where x.unit = j.value ->> 0 and x.id < printf('v-%012x', max((j.value ->> 1) - 86400000, 0)) \
     and x.ended_at is not null and (x.kind = 'FM') = k.value \
     and not exists (select 1 from visit_correction c where c.corrected = x.id) order by x.id desc limit 1) \
     union \
     select v.unit, v.id, v.kind, v.started_at, v.ended_at \
     from json_each($1) j cross join event e indexed by event_lasting on e.unit = j.value ->> 0 \
     cross join visit v on v.unit = e.unit and v.id >= printf('v-%012x', max(e.at - 86400000, 0)) \
     and v.id < printf('v-%012x', max(e.at, 0) + 1) \
     where (e.type in ('mode_changed', 'mains_off', 'mains_on', 'entrapment_reported', 'passenger_released') \
     or e.code in ('safety_chain_open', 'unintended_car_movement', 'opened_while_running', 'overhead_overrun', 'pit_overrun', 'overspeed', 'unintended_reversal')) \
     and e.type in ('fault_raised', 'entrapment_reported') and e.at < j.value ->> 1 \
     and not exists (select 1 from visit_correction c where c.corrected = v.id)";

/// A worker's name is its firm's own, so only visits for the same firm can be of the same worker. Looked at are a unit's
/// latest 200 visits, and of each worker 50 around each of them: nobody has more, and what somebody makes up stays cheap.
const ELSEWHERE: &str = "select v.unit, v.id, w.value as worker, o.id as other, o.unit as other_unit, \
     max(v.started_at, o.started_at) as at \
     from json_each($1) j cross join json_each((select json_group_array(l.id) from (select n.id from visit n \
     where n.unit = j.value ->> 0 and n.id >= printf('v-%012x', max((j.value ->> 1) - 86400000, 0)) \
     order by n.id desc limit 200) l)) k cross join visit v on v.id = k.value \
     cross join json_each(v.body, '$.workers') w cross join json_each((select json_group_array(l.visit) \
     from (select x.visit from visit_worker x where x.worker = w.value and x.maintainer = v.maintainer \
     and x.visit > printf('v-%012x', max(v.started_at - 86400000, 0)) \
     and x.visit < printf('v-%012x', max(v.ended_at, 0) + 1) limit 50) l)) m \
     cross join visit o on o.id = m.value \
     where v.ended_at is not null and min(o.ended_at, o.started_at + 86400000) > v.started_at \
     and o.started_at < min(v.ended_at, v.started_at + 86400000) \
     and o.unit <> v.unit and o.site <> v.site and v.site <> '' and o.site <> '' \
     and not exists (select 1 from visit_correction c where c.corrected in (v.id, o.id))";

const SILENCES: &str = "select a.unit, a.starts_at, a.ends_at from json_each($1) j cross join alert a \
     on a.unit = j.value ->> 0 where a.rule = 'silent_unit' and a.state <> 'withdrawn' \
     and (a.ends_at is null or a.ends_at >= j.value ->> 1)";

impl Change<'_> {
    /// The facts of many units that rules ask for, one query of each kind for all of them together.
    ///
    /// # Errors
    /// Those of the engine, and rows that cannot be read.
    pub async fn histories(&mut self, wanted: &[Wanted]) -> Result<HashMap<UnitId, UnitFacts>, StoreError> {
        let rows: Vec<(&str, i64, i64)> =
            wanted.iter().map(|unit| (unit.unit.as_str(), unit.since.0, unit.from.0)).collect();
        let keys = to_json(&rows);
        let since = wanted.iter().map(|unit| unit.since.0).min();
        let mut found: HashMap<UnitId, UnitFacts> = HashMap::new();
        for row in sqlx::query(EVENTS).bind(&keys).bind(since).fetch_all(&mut *self.transaction).await? {
            found.entry(word("event", row.try_get("unit")?)?).or_default().events.push(stored_event(&row)?);
        }
        for row in sqlx::query(VISITS).bind(&keys).fetch_all(&mut *self.transaction).await? {
            found.entry(word("visit", row.try_get("unit")?)?).or_default().visits.push(stored_visit(&row)?);
        }
        for row in sqlx::query(ELSEWHERE).bind(&keys).fetch_all(&mut *self.transaction).await? {
            found.entry(word("visit", row.try_get("unit")?)?).or_default().elsewhere.push(elsewhere(&row)?);
        }
        for row in sqlx::query(SILENCES).bind(&keys).fetch_all(&mut *self.transaction).await? {
            let (from, to) = (Timestamp(row.try_get("starts_at")?), row.try_get::<Option<i64>, _>("ends_at")?);
            let silence = Silence { from, to: to.map(Timestamp) };
            found.entry(word("alert", row.try_get("unit")?)?).or_default().silences.push(silence);
        }
        let gaps = "select g.* from json_each($1) j cross join gap g \
             on g.unit = j.value ->> 0 and g.found_at >= j.value ->> 1";
        for row in sqlx::query(gaps).bind(&keys).fetch_all(&mut *self.transaction).await? {
            found.entry(word("gap", row.try_get("unit")?)?).or_default().gaps.push(gap(&row)?);
        }
        let alerts = "select a.* from json_each($1) j cross join alert a on a.unit = j.value ->> 0 \
             where a.state <> 'withdrawn' and (a.state = 'firing' or a.ends_at is null or a.ends_at >= j.value ->> 2)";
        for row in sqlx::query(alerts).bind(&keys).fetch_all(&mut *self.transaction).await? {
            let alert = alert(&row)?;
            found.entry(alert.unit.clone()).or_default().alerts.push(alert);
        }
        Ok(found)
    }
}

fn stored_event(row: &SqliteRow) -> Result<StoredEvent, StoreError> {
    Ok(StoredEvent {
        id: row.try_get::<&str, _>("id")?.into(),
        at: Timestamp(row.try_get("at")?),
        kind: word("event", row.try_get("type")?)?,
        fault: fault(row)?,
        mode: optional_word("event", row.try_get("mode")?)?,
        moving: row.try_get("moving")?,
        occupied: row.try_get("occupied")?,
        origin: word("event", row.try_get("origin")?)?,
    })
}

fn stored_visit(row: &SqliteRow) -> Result<StoredVisit, StoreError> {
    Ok(StoredVisit {
        id: row.try_get("id")?,
        kind: word("visit", row.try_get("kind")?)?,
        started_at: Timestamp(row.try_get("started_at")?),
        ended_at: row.try_get::<Option<i64>, _>("ended_at")?.map(Timestamp),
    })
}

fn gap(row: &SqliteRow) -> Result<Gap, StoreError> {
    Ok(Gap {
        id: row.try_get("id")?,
        boot: row.try_get("boot")?,
        from_seq: row.try_get::<i64, _>("from_seq")? as u64,
        to_seq: row.try_get::<i64, _>("to_seq")? as u64,
        found_at: Timestamp(row.try_get("found_at")?),
        closed_at: row.try_get::<Option<i64>, _>("closed_at")?.map(Timestamp),
    })
}

fn elsewhere(row: &SqliteRow) -> Result<Elsewhere, StoreError> {
    Ok(Elsewhere {
        worker: row.try_get("worker")?,
        visit: row.try_get("id")?,
        other: row.try_get("other")?,
        other_unit: word("visit", row.try_get("other_unit")?)?,
        at: Timestamp(row.try_get("at")?),
    })
}
