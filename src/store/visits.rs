//! Maintenance visits, their corrections and confirmations: written once, never changed.

use std::collections::HashMap;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use crate::domain::id::{PublisherId, UnitId};
use crate::domain::time::Timestamp;
use crate::domain::visit::{Confirmation, Sealed, VisitRecord};

use super::Change;
use super::entries::{self, Entry, VisitRow};
use super::error::StoreError;
use super::rows::write_rows;
use super::words::{to_json, word};

const TABLE: &str = "visit";

/// What tells whether a record with the same name is the same record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    pub id: String,
    pub unit: UnitId,
    /// With commitments in the place of people.
    pub body: String,
    pub started_at: Timestamp,
    /// Publisher and name of the record that it corrects.
    pub supersedes: Option<Name>,
    /// By role, of those who are not erased.
    pub salts: HashMap<String, Vec<u8>>,
}

/// Publisher and record id: what a sender calls a record.
pub type Name = (String, String);

impl Change<'_> {
    /// Stored visits by publisher and record id.
    ///
    /// # Errors
    /// Those of the engine, and rows that cannot be read.
    pub async fn stored_visits(&mut self, wanted: &[Name]) -> Result<HashMap<Name, StoredRecord>, StoreError> {
        let find = "select v.id, v.publisher, v.record_id, v.unit, v.body, v.started_at, v.supersedes, \
             v.supersedes_publisher from json_each($1) j cross join visit v \
             on v.publisher = j.value ->> 0 and v.record_id = j.value ->> 1";
        let rows = sqlx::query(find).bind(to_json(wanted)).fetch_all(&mut *self.transaction).await?;
        let mut found = HashMap::with_capacity(rows.len());
        let mut names: HashMap<String, Name> = HashMap::with_capacity(rows.len());
        for row in &rows {
            let (publisher, supersedes): (Option<String>, Option<String>) =
                (row.try_get("supersedes_publisher")?, row.try_get("supersedes")?);
            let record = StoredRecord {
                id: row.try_get("id")?,
                unit: word(TABLE, row.try_get("unit")?)?,
                body: row.try_get("body")?,
                started_at: Timestamp(row.try_get("started_at")?),
                supersedes: publisher.zip(supersedes),
                salts: HashMap::new(),
            };
            let name: Name = (row.try_get("publisher")?, row.try_get("record_id")?);
            names.insert(record.id.clone(), name.clone());
            found.insert(name, record);
        }
        let ids: Vec<&String> = names.keys().collect();
        let salts =
            "select p.visit, p.role, p.salt from json_each($1) j cross join named_person p on p.visit = j.value";
        for row in sqlx::query(salts).bind(to_json(&ids)).fetch_all(&mut *self.transaction).await? {
            let visit: String = row.try_get("visit")?;
            if let Some(record) = names.get(&visit).and_then(|name| found.get_mut(name)) {
                record.salts.insert(row.try_get("role")?, row.try_get("salt")?);
            }
        }
        Ok(found)
    }

    /// Stores visits that are not stored yet: the records, who worked, who is named.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn insert_visits(&mut self, records: &[VisitRecord]) -> Result<(), StoreError> {
        let stood = self.stood(records).await?;
        let nowhere = <[String; 4]>::default();
        let mut rows = Vec::with_capacity(records.len());
        for record in records {
            let stood = stood.get(record.unit.as_str()).unwrap_or(&nowhere);
            rows.push(visit_row(record, stood.each_ref().map(String::as_str)));
        }
        write_rows(&mut self.transaction, &rows, insertion).await?;
        let workers: Vec<[&str; 4]> = rows.iter().zip(records).flat_map(|(row, record)| workers(row, record)).collect();
        write_rows(&mut self.transaction, &workers, |rows| {
            let mut insert =
                QueryBuilder::<Sqlite>::new("insert or ignore into visit_worker (worker, visit, maintainer, kind) ");
            insert.push_values(rows, |mut row, values| {
                values.iter().for_each(|value| {
                    row.push_bind(*value);
                });
            });
            insert
        })
        .await?;
        let people = records.iter().flat_map(|record| record.sealed.iter().map(|sealed| (record.id.as_str(), sealed)));
        self.insert_people(people.collect()).await?;
        rows.iter().for_each(|row| self.enter(entries::visit(row)));
        Ok(())
    }

    /// Region, site, owner and maintainer of the units of these records, of those that the registry has.
    async fn stood(&mut self, records: &[VisitRecord]) -> Result<HashMap<String, [String; 4]>, StoreError> {
        let mut units: Vec<&str> = records.iter().map(|record| record.unit.as_str()).collect();
        units.sort_unstable();
        units.dedup();
        let find = "select u.id, u.region, u.site, u.owner, u.maintainer \
             from json_each($1) j cross join unit u on u.id = j.value";
        let rows = sqlx::query_as(find).bind(to_json(&units)).fetch_all(&mut *self.transaction).await?;
        let stood = |(id, region, site, owner, maintainer)| (id, [region, site, owner, maintainer]);
        Ok(rows.into_iter().map(stood).collect())
    }

    /// Joins corrections with what they correct, where one of both has just been stored and both are of one unit.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn link_corrections(&mut self, ids: &[&str]) -> Result<(), StoreError> {
        let ids = to_json(ids);
        let new = "insert or ignore into visit_correction (corrected, correction, maintainer, kind) \
             select old.id, new.id, old.maintainer, old.kind from json_each($1) j cross join visit new on new.id = j.value \
             cross join visit old on old.publisher = new.supersedes_publisher and old.record_id = new.supersedes \
             where old.unit = new.unit and old.id <> new.id";
        sqlx::query(new).bind(&ids).execute(&mut *self.transaction).await?;
        let waiting = "insert or ignore into visit_correction (corrected, correction, maintainer, kind) \
             select old.id, new.id, old.maintainer, old.kind from json_each($1) j cross join visit old on old.id = j.value \
             cross join visit new on new.supersedes_publisher = old.publisher and new.supersedes = old.record_id \
             where new.supersedes is not null and old.unit = new.unit and old.id <> new.id";
        sqlx::query(waiting).bind(&ids).execute(&mut *self.transaction).await?;
        Ok(())
    }

    /// Stores owners' words on visits.
    ///
    /// # Errors
    /// Those of the engine; a visit that is confirmed already is one of them, and one that is not stored another.
    pub async fn insert_confirmations(&mut self, confirmations: &[Confirmation]) -> Result<(), StoreError> {
        write_rows(&mut self.transaction, confirmations, |rows| {
            let mut insert = QueryBuilder::<Sqlite>::new("insert into visit_confirmation (visit, at, body) ");
            insert.push_values(rows, |mut row, confirmation| {
                row.push_bind(&confirmation.visit).push_bind(confirmation.at.0).push_bind(&confirmation.body);
            });
            insert
        })
        .await?;
        let people = confirmations.iter().map(|confirmation| (confirmation.visit.as_str(), &confirmation.sealed));
        self.insert_people(people.collect()).await?;
        let visits: Vec<&str> = confirmations.iter().map(|confirmation| confirmation.visit.as_str()).collect();
        let units = self.units_of_visits(&visits).await?;
        for Confirmation { visit, at, body, .. } in confirmations {
            let unit = units.get(visit).ok_or(sqlx::Error::RowNotFound)?;
            self.enter(entries::confirmation(visit, unit, *at, body));
        }
        Ok(())
    }

    /// A visit's confirmation with the salt of whoever gave it, if it has one; `None` if there is no such visit.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn stored_confirmation(
        &mut self,
        visit: &str,
        role: &str,
    ) -> Result<Option<Option<(String, Option<Vec<u8>>)>>, StoreError> {
        let find = "select c.body, p.salt from visit v left join visit_confirmation c on c.visit = v.id \
             left join named_person p on p.visit = v.id and p.role = $2 where v.id = $1";
        let row = sqlx::query(find).bind(visit).bind(role).fetch_optional(&mut *self.transaction).await?;
        let Some(row) = row else { return Ok(None) };
        let body: Option<String> = row.try_get("body")?;
        let salt = row.try_get("salt")?;
        Ok(Some(body.map(|body| (body, salt))))
    }

    async fn units_of_visits(&mut self, visits: &[&str]) -> Result<HashMap<String, UnitId>, StoreError> {
        let find = "select v.id, v.unit from json_each($1) j cross join visit v on v.id = j.value";
        let rows = sqlx::query(find).bind(to_json(visits)).fetch_all(&mut *self.transaction).await?;
        rows.iter().map(|row| Ok((row.try_get("id")?, word(TABLE, row.try_get("unit")?)?))).collect()
    }

    /// Units whose verdict a visit may change although it is not theirs: somebody who worked in one of these visits
    /// worked for the same firm on another site at the same time. With the moment from which it may change.
    ///
    /// # Errors
    /// Those of the engine, and rows that cannot be read.
    pub async fn units_beside(&mut self, visits: &[&str]) -> Result<Vec<(UnitId, Timestamp)>, StoreError> {
        // With the bounds of the query that finds the pair (src/store/history.rs).
        let find = "select o.unit, min(max(v.started_at, o.started_at)) as at from json_each($1) j \
             cross join visit v on v.id = j.value cross join json_each(v.body, '$.workers') w \
             cross join json_each((select json_group_array(l.visit) from (select x.visit from visit_worker x \
             where x.worker = w.value and x.maintainer = v.maintainer \
             and x.visit > printf('v-%012x', max(v.started_at - 86400000, 0)) \
             and x.visit < printf('v-%012x', max(v.ended_at, 0) + 1) limit 50) l)) m \
             cross join visit o on o.id = m.value \
             where v.ended_at is not null and o.ended_at > v.started_at and o.started_at < v.ended_at \
             and o.unit <> v.unit and o.site <> v.site group by o.unit";
        let rows = sqlx::query(find).bind(to_json(visits)).fetch_all(&mut *self.transaction).await?;
        rows.iter().map(|row| Ok((word(TABLE, row.try_get("unit")?)?, Timestamp(row.try_get("at")?)))).collect()
    }

    async fn insert_people(&mut self, people: Vec<(&str, &Sealed)>) -> Result<(), StoreError> {
        for (visit, sealed) in people {
            self.insert_person(visit, sealed).await?;
        }
        Ok(())
    }
}

/// The statement that stores these visits.
fn insertion(rows: &[VisitRow<'_>]) -> QueryBuilder<Sqlite> {
    let mut insert = QueryBuilder::<Sqlite>::new(
        "insert into visit (id, unit, publisher, record_id, kind, started_at, ended_at, supersedes, body, ts, \
         received_at, supersedes_publisher, region, site, owner, maintainer) ",
    );
    insert.push_values(rows, |mut values, row| {
        let [region, site, owner, maintainer] = row.stood;
        values
            .push_bind(row.id)
            .push_bind(row.unit.as_str())
            .push_bind(row.publisher)
            .push_bind(row.record_id)
            .push_bind(row.kind)
            .push_bind(row.started_at.0)
            .push_bind(row.ended_at.map(|at| at.0))
            .push_bind(row.supersedes)
            .push_bind(row.body)
            .push_bind(row.ts.0)
            .push_bind(row.received_at.0)
            .push_bind(row.supersedes_publisher)
            .push_bind(region)
            .push_bind(site)
            .push_bind(owner)
            .push_bind(maintainer);
    });
    insert
}

/// The row of a record whose unit stood so in the registry.
fn visit_row<'r>(record: &'r VisitRecord, stood: [&'r str; 4]) -> VisitRow<'r> {
    let visit = &record.visit;
    let whose = visit.supersedes.as_ref().map(|_| visit.supersedes_publisher.as_ref().unwrap_or(&record.publisher));
    VisitRow {
        id: &record.id,
        unit: record.unit.clone(),
        publisher: record.publisher.as_str(),
        record_id: &visit.record_id,
        kind: visit.kind.as_str(),
        started_at: visit.started_at,
        ended_at: visit.ended_at,
        supersedes: visit.supersedes.as_deref(),
        supersedes_publisher: whose.map(PublisherId::as_str),
        stood,
        ts: visit.ts,
        received_at: record.received_at,
        body: &visit.body,
    }
}

/// Who worked, each with the visit, its firm and its kind.
fn workers<'r>(row: &VisitRow<'r>, record: &'r VisitRecord) -> impl Iterator<Item = [&'r str; 4]> {
    let (id, maintainer, kind) = (row.id, row.stood[3], row.kind);
    record.visit.workers.iter().map(move |worker| [worker.as_str(), id, maintainer, kind])
}

/// What a visit's row says in the ledger.
///
/// # Errors
/// Rows that this program cannot have written.
pub fn visit_entry(row: &SqliteRow) -> Result<Entry, StoreError> {
    Ok(entries::visit(&VisitRow {
        id: row.try_get("id")?,
        unit: word(TABLE, row.try_get("unit")?)?,
        publisher: row.try_get("publisher")?,
        record_id: row.try_get("record_id")?,
        kind: row.try_get("kind")?,
        started_at: Timestamp(row.try_get("started_at")?),
        ended_at: row.try_get::<Option<i64>, _>("ended_at")?.map(Timestamp),
        supersedes: row.try_get("supersedes")?,
        supersedes_publisher: row.try_get("supersedes_publisher")?,
        stood: [row.try_get("region")?, row.try_get("site")?, row.try_get("owner")?, row.try_get("maintainer")?],
        ts: Timestamp(row.try_get("ts")?),
        received_at: Timestamp(row.try_get("received_at")?),
        body: row.try_get("body")?,
    }))
}

impl StoredRecord {
    /// What a record will be once it is stored.
    #[must_use]
    pub fn of(record: &VisitRecord) -> Self {
        let visit = &record.visit;
        let salts = record.sealed.iter().map(|sealed| (sealed.person.role.clone(), sealed.salt.to_vec()));
        Self {
            id: record.id.clone(),
            unit: record.unit.clone(),
            body: visit.body.clone(),
            started_at: visit.started_at,
            supersedes: supersedes(record),
            salts: salts.collect(),
        }
    }
}

/// Publisher and name of the record that this one corrects.
#[must_use]
pub fn supersedes(record: &VisitRecord) -> Option<Name> {
    let whose = record.visit.supersedes_publisher.as_ref().unwrap_or(&record.publisher);
    record.visit.supersedes.clone().map(|name| (whose.to_string(), name))
}
