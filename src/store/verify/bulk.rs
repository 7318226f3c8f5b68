//! The two kinds of row of which there are millions, held against their entries page by page.
//!
//! Says of a page only whether all of it fits. What is wrong with one that does not is found row by row, by
//! `super::rows`.

use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use crate::domain::id::UnitId;
use crate::domain::time::Timestamp;
use crate::domain::visit::{CONFIRMER, Person};
use crate::ledger::leaf;
use crate::store::entries::{self, Entry, VisitRow};
use crate::store::error::StoreError;

use super::packed::{Packed, spelt};
use super::people::Told;
use super::report::Report;

/// Columns of a visit and its entry, the long ones last.
const VISIT: [&str; 17] = [
    "r.id",
    "r.unit",
    "r.publisher",
    "r.record_id",
    "r.kind",
    "r.started_at",
    "r.ended_at",
    "r.supersedes",
    "r.supersedes_publisher",
    "r.region",
    "r.site",
    "r.owner",
    "r.maintainer",
    "r.ts",
    "r.received_at",
    "e.leaf",
    "r.body",
];

/// Columns of an owner's confirmation, its entry, and who gave it.
const CONFIRMATION: [&str; 8] = ["r.visit", "r.at", "v.unit", "p.name", "p.phone", "p.salt", "e.leaf", "r.body"];

/// Holds every visit; gives the first rows, as text, of pages that do not fit.
///
/// # Errors
/// The file cannot be read.
pub async fn visits(
    reader: &mut SqliteConnection,
    told: &mut Told,
    report: &mut Report,
) -> Result<Vec<String>, StoreError> {
    let visit = spelt(&VISIT);
    let pages = format!(
        "with recursive page (n) as (select min(rowid) from visit union all \
         select (select rowid from visit where rowid > page.n order by rowid limit 1 offset 63) \
         from page where page.n is not null) \
         select cast(n as text) as first, (select group_concat({visit}, '') from \
         (select * from visit where rowid >= page.n order by rowid limit 64) r \
         left join ledger_entry e on e.kind = 'visit' and e.ref = r.id) as packed from page where n is not null"
    );
    let mut strange = Vec::new();
    let mut rows = sqlx::query(AssertSqlSafe(pages)).fetch(&mut *reader);
    while let Some(page) = rows.try_next().await? {
        let Some(visits) = fitting(&page, visit_row, |visit, leaf| says(leaf, &entries::visit(visit)))? else {
            strange.push(page.try_get("first")?);
            continue;
        };
        report.rows += visits.len() as u64;
        visits.iter().for_each(|visit| told.visit(visit.id, visit.stood[3], visit.kind, visit.body));
    }
    Ok(strange)
}

/// Holds every owner's confirmation, and who gave it; gives the first rows of pages that do not fit.
///
/// # Errors
/// The file cannot be read.
pub async fn confirmations(
    reader: &mut SqliteConnection,
    told: &mut Told,
    report: &mut Report,
) -> Result<Vec<String>, StoreError> {
    let confirmation = spelt(&CONFIRMATION);
    let pages = format!(
        "with recursive page (n) as (select min(visit) from visit_confirmation union all \
         select (select visit from visit_confirmation where visit > page.n order by visit limit 1 offset 63) \
         from page where page.n is not null) \
         select n as first, (select group_concat({confirmation}, '') from \
         (select * from visit_confirmation where visit >= page.n order by visit limit 64) r \
         left join visit v on v.id = r.visit left join visit_person p on p.visit = r.visit and p.role = $1 \
         left join ledger_entry e on e.kind = 'confirmation' and e.ref = r.visit) as packed \
         from page where n is not null"
    );
    let mut strange = Vec::new();
    let mut rows = sqlx::query(AssertSqlSafe(pages)).bind(CONFIRMER).fetch(&mut *reader);
    while let Some(page) = rows.try_next().await? {
        let fits = |row: &Confirmed<'_>, leaf: &[u8]| {
            let entry = entries::confirmation(row.visit, &row.unit, row.at, row.body);
            says(leaf, &entry) && row.named.as_ref().is_none_or(|(person, salt)| Told::is_told(row.body, person, salt))
        };
        let Some(confirmed) = fitting(&page, confirmed, fits)? else {
            strange.push(page.try_get("first")?);
            continue;
        };
        report.rows += confirmed.len() as u64;
        confirmed.iter().for_each(|row| told.confirmation(row.named.is_some()));
    }
    Ok(strange)
}

/// The rows of a page, if it has some and all of them fit their leaves.
fn fitting<'p, T>(
    page: &'p SqliteRow,
    read: impl Fn(&mut Packed<'p>) -> Option<(T, &'p [u8])>,
    fits: impl Fn(&T, &[u8]) -> bool,
) -> Result<Option<Vec<T>>, StoreError> {
    let packed: Option<&[u8]> = page.try_get("packed")?;
    let mut packed = Packed(packed.unwrap_or_default());
    let mut rows = Vec::with_capacity(64);
    while !packed.is_empty() {
        match read(&mut packed) {
            Some((row, leaf)) if fits(&row, leaf) => rows.push(row),
            _ => return Ok(None),
        }
    }
    Ok(Some(rows).filter(|rows| !rows.is_empty()))
}

/// Whether a leaf says what is expected of it, byte for byte.
#[must_use]
pub fn says(leaf: &[u8], expected: &Entry) -> bool {
    leaf::glance(leaf).is_some_and(|seen| {
        seen.at == expected.at
            && seen.link.map(|(unit, ..)| unit) == expected.unit.as_ref().map(UnitId::as_str)
            && seen.body.as_deref() == Some(expected.body.object().as_str())
    })
}

fn visit_row<'p>(packed: &mut Packed<'p>) -> Option<(VisitRow<'p>, &'p [u8])> {
    let row = VisitRow {
        id: packed.text()?,
        unit: packed.text()?.parse().ok()?,
        publisher: packed.text()?,
        record_id: packed.text()?,
        kind: packed.text()?,
        started_at: Timestamp(packed.integer()?),
        ended_at: packed.maybe_integer()?.map(Timestamp),
        supersedes: packed.maybe_text()?,
        supersedes_publisher: packed.maybe_text()?,
        stood: [packed.text()?, packed.text()?, packed.text()?, packed.text()?],
        ts: Timestamp(packed.integer()?),
        received_at: Timestamp(packed.integer()?),
        body: "",
    };
    let leaf = packed.blob()?;
    Some((VisitRow { body: packed.text()?, ..row }, leaf))
}

struct Confirmed<'p> {
    visit: &'p str,
    at: Timestamp,
    unit: UnitId,
    /// Who gave it, if that is not erased, with the salt.
    named: Option<(Person, &'p [u8])>,
    body: &'p str,
}

fn confirmed<'p>(packed: &mut Packed<'p>) -> Option<(Confirmed<'p>, &'p [u8])> {
    let (visit, at, unit) = (packed.text()?, Timestamp(packed.integer()?), packed.text()?.parse().ok()?);
    let (name, phone) = (packed.maybe_text()?, packed.maybe_text()?);
    let role = CONFIRMER.to_owned();
    let person = Person { role, name: name.map(str::to_owned), phone: phone.map(str::to_owned) };
    let named = packed.maybe_blob()?.map(|salt| (person, salt));
    let leaf = packed.blob()?;
    Some((Confirmed { visit, at, unit, named, body: packed.text()? }, leaf))
}
