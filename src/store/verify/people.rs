//! Who is named in visits: commitments against the names beside them, erasures against their entries, workers by name.

use serde_json::Value;
use sqlx::{Row, SqliteConnection};

use crate::domain::visit::{CONFIRMER, Person};
use crate::ledger::commitment::of_person;
use crate::store::error::StoreError;

use super::report::Report;

/// Checks every person that a visit or its confirmation names.
///
/// # Errors
/// The file cannot be read.
pub async fn check(reader: &mut SqliteConnection, report: &mut Report) -> Result<(), StoreError> {
    named(reader, report).await?;
    left_over(reader, report).await?;
    erased(reader, report).await?;
    workers(reader, report).await
}

/// Names that are there must be those that were committed to.
async fn named(reader: &mut SqliteConnection, report: &mut Report) -> Result<(), StoreError> {
    let all = "select p.*, v.body, c.body as confirmed from named_person p left join visit v on v.id = p.visit \
         left join visit_confirmation c on c.visit = p.visit";
    for row in sqlx::query(all).fetch_all(&mut *reader).await? {
        let (visit, role): (String, String) = (row.try_get("visit")?, row.try_get("role")?);
        let person = Person { role: role.clone(), name: row.try_get("name")?, phone: row.try_get("phone")? };
        let body: Option<String> = row.try_get(if role == CONFIRMER { "confirmed" } else { "body" })?;
        let body: Value = body.and_then(|body| serde_json::from_str(&body).ok()).unwrap_or_default();
        let told = if role == CONFIRMER { &body["by"] } else { &body["people"][&role] };
        let salt: Option<&[u8]> = row.try_get("salt")?;
        if told.as_str() != salt.map(|salt| of_person(&person, salt)).as_deref() {
            report.find(format!("visit {visit}: its {role} is not who was recorded"));
        }
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

/// Names that are not there must have been erased, by an entry.
async fn erased(reader: &mut SqliteConnection, report: &mut Report) -> Result<(), StoreError> {
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

/// Lists of a worker's visits must have all of them.
async fn workers(reader: &mut SqliteConnection, report: &mut Report) -> Result<(), StoreError> {
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
