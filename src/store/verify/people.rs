//! Who is named in visits: commitments against the names beside them, erasures against their entries, workers by name.

use std::hash::{BuildHasher, RandomState};

use futures_util::TryStreamExt;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::domain::visit::{CONFIRMER, Person};
use crate::ledger::canonical::{elements, members, plain};
use crate::ledger::commitment::of_person;
use crate::store::error::StoreError;

use super::report::Report;

/// Between the values of one row, and between rows. Neither stands in any text that a record may hold.
const UNIT_SEPARATOR: &str = "\u{1f}";
const RECORD_SEPARATOR: &str = "\u{1e}";

/// Whom the records name, as the walk over them found it: how many persons, and the workers as one sum, which the lists
/// of workers' visits must have too. Only a difference has the records searched for what differs.
#[derive(Default)]
pub struct Told {
    workers: Sum,
    persons: u64,
    /// Of the owners' confirmations, those whose giver is there.
    givers: u64,
    /// Something was told in a way that cannot be summed up, so everything must be searched.
    odd: bool,
}

/// A sum over a set of texts under two keys that are drawn for each run: another set has the same sum with a chance of
/// 2^-64 at most, and nobody can look for one beforehand.
#[derive(Default)]
struct Sum {
    keys: [RandomState; 2],
    sums: [u64; 2],
    texts: u64,
}

impl Sum {
    fn add(&mut self, text: &str) {
        for (sum, key) in self.sums.iter_mut().zip(&self.keys) {
            *sum = sum.wrapping_add(key.hash_one(text));
        }
        self.texts += 1;
    }

    /// A sum of nothing, under the same keys.
    fn fresh(&self) -> Self {
        Self { keys: self.keys.clone(), sums: [0; 2], texts: 0 }
    }
}

impl Told {
    /// Takes in a visit's row, as [`Told::visit`].
    ///
    /// # Errors
    /// A row that cannot be read.
    pub fn visit_row(&mut self, row: &SqliteRow, _: &mut Report) -> Result<(), StoreError> {
        self.visit(row.try_get("id")?, row.try_get("maintainer")?, row.try_get("kind")?, row.try_get("body")?);
        Ok(())
    }

    /// Takes in a visit.
    pub fn visit(&mut self, visit: &str, firm: &str, kind: &str, body: &str) {
        let Some(fields) = members(body) else {
            self.odd = true;
            return;
        };
        let field = |name: &str| fields.iter().find(|(own, _)| *own == name).map(|(_, value)| *value);
        if let Some(people) = field("people") {
            match members(people) {
                Some(people) => self.persons += people.len() as u64,
                None => self.odd = true,
            }
        }
        if let Some(workers) = field("workers") {
            let Some(mut workers) = elements(workers) else {
                self.odd = true;
                return;
            };
            workers.sort_unstable();
            workers.dedup();
            let mut text = String::with_capacity(128);
            for worker in workers {
                let Some(worker) = plain(worker) else {
                    self.odd = true;
                    continue;
                };
                text.clear();
                text.extend([worker, UNIT_SEPARATOR, visit, UNIT_SEPARATOR, firm, UNIT_SEPARATOR, kind]);
                // A separator inside a value could stand for other rows.
                self.odd |= text.matches(UNIT_SEPARATOR).count() != 3 || text.contains(RECORD_SEPARATOR);
                self.workers.add(&text);
            }
        }
    }

    /// Has every record searched: not all could be taken in.
    pub fn search(&mut self) {
        self.odd = true;
    }

    /// Takes in an owner's confirmation, which names who gave it; `there` is whether that name is not erased.
    pub fn confirmation(&mut self, there: bool) {
        self.persons += 1;
        self.givers += u64::from(there);
    }

    /// Takes in the row of an owner's confirmation, and holds who gave it against it.
    ///
    /// # Errors
    /// A row that cannot be read.
    pub fn confirmation_row(&mut self, row: &SqliteRow, report: &mut Report) -> Result<(), StoreError> {
        let (visit, body): (&str, &str) = (row.try_get("visit")?, row.try_get("body")?);
        let salt: Option<&[u8]> = row.try_get("salt")?;
        let here: Option<i64> = row.try_get("person")?;
        self.confirmation(here.is_some());
        let role = CONFIRMER.to_owned();
        let person = Person { role, name: row.try_get("name")?, phone: row.try_get("phone")? };
        if here.is_some() && !salt.is_some_and(|salt| Self::is_told(body, &person, salt)) {
            report.find(format!("visit {visit}: its {CONFIRMER} is not who was recorded"));
        }
        Ok(())
    }

    /// Whether a record, or an owner's confirmation, commits to this person.
    #[must_use]
    pub fn is_told(body: &str, person: &Person, salt: &[u8]) -> bool {
        commitment(body, &person.role).is_some_and(|told| told == of_person(person, salt))
    }
}

/// Checks every person that a visit or its confirmation names.
///
/// # Errors
/// The file cannot be read.
pub async fn check(reader: &mut SqliteConnection, told: &Told, report: &mut Report) -> Result<(), StoreError> {
    let named = told.givers + named(reader, report).await?;
    left_over(reader, report).await?;
    let gone = told.persons.checked_sub(named).filter(|_| !told.odd);
    let erased: i64 = sqlx::query_scalar(ERASED).bind(CONFIRMER).fetch_one(&mut *reader).await?;
    match gone {
        // Those who were erased are among those who are gone, so as many are the same.
        Some(gone) if gone == erased as u64 => report.erased += gone,
        _ => search_gone(reader, report).await?,
    }
    if told.odd || !fits(reader, told).await? {
        search_workers(reader, report).await?;
    }
    Ok(())
}

/// Whoever was erased must be gone.
async fn left_over(reader: &mut SqliteConnection, report: &mut Report) -> Result<(), StoreError> {
    let here = "select id from person where told <> zeroblob(length(told)) except select person from visit_person";
    for id in sqlx::query_scalar::<_, i64>(here).fetch_all(&mut *reader).await? {
        report.find(format!("person {id}: somebody whom no record names"));
    }
    Ok(())
}

/// Names that are there must be those that were committed to, those of confirmations apart. Gives how many are there of
/// those whom records name.
async fn named(reader: &mut SqliteConnection, report: &mut Report) -> Result<u64, StoreError> {
    let all = "select p.visit, p.role, p.name, p.phone, p.salt, v.body from named_person p \
         left join visit v on p.role <> $1 and v.id = p.visit \
         where p.role <> $1 or not exists (select 1 from visit_confirmation c where c.visit = p.visit)";
    let mut named = 0;
    let mut rows = sqlx::query(all).bind(CONFIRMER).fetch(&mut *reader);
    while let Some(row) = rows.try_next().await? {
        let (visit, role): (&str, String) = (row.try_get("visit")?, row.try_get("role")?);
        let person = Person { role, name: row.try_get("name")?, phone: row.try_get("phone")? };
        let body: Option<&str> = row.try_get("body")?;
        let told = body.and_then(|body| commitment(body, &person.role));
        named += u64::from(told.is_some());
        let salt: Option<&[u8]> = row.try_get("salt")?;
        if told.as_deref() != salt.map(|salt| of_person(&person, salt)).as_deref() {
            report.find(format!("visit {visit}: its {} is not who was recorded", person.role));
        }
    }
    Ok(named)
}

/// The commitment to a person in a record, or in an owner's confirmation.
fn commitment(body: &str, role: &str) -> Option<String> {
    let within = |object: &str, name: &str| -> Option<String> {
        let members = members(object)?;
        members.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned())
    };
    let quick = if role == CONFIRMER { within(body, "by") } else { within(&within(body, "people")?, role) };
    if let Some(text) = quick.as_deref().and_then(plain) {
        return Some(text.to_owned());
    }
    let body: Value = serde_json::from_str(body).ok()?;
    let told = if role == CONFIRMER { body.get("by") } else { body.get("people")?.get(role) };
    told?.as_str().map(str::to_owned)
}

/// How many of those whom records name were erased by an entry and are gone; `$1` is the role of whoever confirms.
const ERASED: &str = "select count(*) from (select distinct e.ref as visit, \
     json_extract(iif(json_valid(cast(e.leaf as text)), cast(e.leaf as text), '{}'), '$.body.role') as role \
     from ledger_entry e where e.kind = 'erasure') g \
     where not exists (select 1 from visit_person p where p.visit = g.visit and p.role = g.role) \
     and iif(g.role = $1, exists (select 1 from visit_confirmation c where c.visit = g.visit), exists (select 1 \
     from visit v, json_each(iif(json_valid(v.body), v.body, '{}'), '$.people') j where v.id = g.visit and j.key = g.role))";

/// Names that are not there must have been erased, by an entry.
async fn search_gone(reader: &mut SqliteConnection, report: &mut Report) -> Result<(), StoreError> {
    let gone = "with told (visit, role) as ( \
         select v.id, j.key from visit v, json_each(iif(json_valid(v.body), v.body, '{}'), '$.people') j \
         union all select c.visit, $1 from visit_confirmation c) \
         select t.visit, t.role, exists (select 1 from ledger_entry e where e.kind = 'erasure' and e.ref = t.visit \
         and json_extract(iif(json_valid(cast(e.leaf as text)), cast(e.leaf as text), '{}'), '$.body.role') = t.role) \
         as recorded from told t \
         where not exists (select 1 from named_person p where p.visit = t.visit and p.role = t.role)";
    for row in sqlx::query(gone).bind(CONFIRMER).fetch_all(&mut *reader).await? {
        let (visit, role): (String, String) = (row.try_get("visit")?, row.try_get("role")?);
        if row.try_get("recorded")? {
            report.erased += 1;
        } else {
            report.find(format!("visit {visit}: its {role} is gone, and no entry says that somebody erased it"));
        }
    }
    Ok(())
}

/// Whether the lists of workers' visits have exactly the workers that the records name.
async fn fits(reader: &mut SqliteConnection, told: &Told) -> Result<bool, StoreError> {
    // As many rows as texts between separators: then no row holds a separator of its own.
    let lists = "select count(*) as visits, sum(typeof(worker) <> 'text' or typeof(visit) <> 'text' \
         or typeof(maintainer) <> 'text' or typeof(kind) <> 'text') as odd, \
         group_concat(worker || $1 || visit || $1 || maintainer || $1 || kind, $2) as list \
         from visit_worker group by worker";
    let mut kept = told.workers.fresh();
    let mut visits = 0;
    let mut rows = sqlx::query(lists).bind(UNIT_SEPARATOR).bind(RECORD_SEPARATOR).fetch(&mut *reader);
    while let Some(row) = rows.try_next().await? {
        visits += row.try_get::<i64, _>("visits")? as u64;
        if row.try_get::<i64, _>("odd")? > 0 {
            return Ok(false);
        }
        row.try_get::<&str, _>("list")?.split(RECORD_SEPARATOR).for_each(|text| kept.add(text));
    }
    Ok(visits == kept.texts && (kept.sums, kept.texts) == (told.workers.sums, told.workers.texts))
}

/// Lists of a worker's visits must have all of them.
async fn search_workers(reader: &mut SqliteConnection, report: &mut Report) -> Result<(), StoreError> {
    let differing = "with told (worker, visit) as ( \
         select j.value, v.id from visit v, json_each(iif(json_valid(v.body), v.body, '{}'), '$.workers') j \
         where j.type = 'text'), kept (worker, visit) as (select w.worker, w.visit from visit_worker w \
         join visit v on v.id = w.visit and v.maintainer = w.maintainer and v.kind = w.kind) \
         select worker, visit from (select * from told except select * from kept) \
         union select worker, visit from (select worker, visit from visit_worker except select * from told)";
    for row in sqlx::query(differing).fetch_all(&mut *reader).await? {
        let (worker, visit): (String, String) = (row.try_get("worker")?, row.try_get("visit")?);
        report.find(format!("visit {visit}: the list of worker {worker}'s visits does not fit it"));
    }
    Ok(())
}
