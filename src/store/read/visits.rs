//! Maintenance visits as their records tell them: by unit, worker, firm and kind, folded over their corrections or not; one
//! with all that belongs to it.

use std::collections::HashMap;

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::scope::Scope;
use super::{Page, ReadError, Reader};
use crate::store::words::to_json;

/// Columns of a visit with what was said of it since; every query of visits begins with this.
const SELECT: &str = "select v.id, v.unit, v.publisher, v.record_id, v.kind, v.started_at, v.ended_at, v.supersedes, \
     v.supersedes_publisher, v.body, v.received_at, v.site, v.owner, v.maintainer, \
     (select c.corrected from visit_correction c where c.correction = v.id) as corrects, \
     (select json_group_array(c.correction) from visit_correction c where c.corrected = v.id) as corrected_by, \
     (select n.at from visit_confirmation n where n.visit = v.id) as confirmed_at";

/// Corrections of one visit that its file shows.
const LONGEST_CHAIN: u32 = 200;

/// A visit as its record tells it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct VisitRow {
    pub id: String,
    pub unit: String,
    pub publisher: String,
    pub record_id: String,
    pub kind: String,
    pub started_at: i64,
    pub ended_at: Option<i64>,
    pub supersedes: Option<String>,
    pub supersedes_publisher: Option<String>,
    /// The record as canonical JSON, with commitments in the place of people.
    pub body: String,
    pub received_at: i64,
    /// As the registry had them when the record came; empty where it did not.
    pub site: String,
    pub owner: String,
    pub maintainer: String,
    /// The id of the visit that this one corrects, if that is here.
    pub corrects: Option<String>,
    /// JSON list of the ids of those that correct this one.
    pub corrected_by: String,
    pub confirmed_at: Option<i64>,
}

impl VisitRow {
    /// The ids of those that correct this one.
    #[must_use]
    pub fn corrections(&self) -> Vec<String> {
        serde_json::from_str(&self.corrected_by).unwrap_or_default()
    }
}

/// Somebody whom a record names.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct PersonRow {
    pub role: String,
    pub name: Option<String>,
    pub phone: Option<String>,
}

/// A visit with its corrections, the people it names, and the owner's confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitFile {
    pub visit: VisitRow,
    /// It and every record that it corrects or that corrects it, in order of receipt.
    pub chain: Vec<VisitRow>,
    /// Those who are not erased.
    pub people: Vec<PersonRow>,
    /// When, and canonical JSON.
    pub confirmation: Option<(i64, String)>,
    /// What kind of unit the registry has; `None` if it does not have the unit.
    pub unit_kind: Option<String>,
}

/// Which visits, those that began last first.
#[derive(Debug, Clone, Default)]
pub struct VisitFilter {
    pub unit: Option<String>,
    pub worker: Option<String>,
    /// The firm at the time of the record.
    pub maintainer: Option<String>,
    pub kind: Option<String>,
    /// Begun from here on, in milliseconds.
    pub from: Option<i64>,
    /// Begun before this, in milliseconds.
    pub to: Option<i64>,
    /// Only those that were corrected later.
    pub corrected: bool,
    /// Only those that no correction replaces.
    pub folded: bool,
    pub after: Option<String>,
    pub limit: u32,
}

impl Reader {
    /// A page of visits. Every question is answered by an index in the order of the list.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn visits(&self, filter: &VisitFilter) -> Result<Page<VisitRow>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        page(&mut snapshot.tx, filter, &self.scope).await
    }

    /// For each of these visits, what it replaced: the record that it corrects, what that one corrected, and so on.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn replaced_by(&self, visits: &[&str]) -> Result<HashMap<String, Vec<String>>, ReadError> {
        let mut found: HashMap<String, Vec<String>> = HashMap::new();
        if visits.is_empty() {
            return Ok(found);
        }
        let mut snapshot = self.snapshot().await?;
        let up = "with recursive up (head, id, depth) as (select j.value, c.corrected, 1 from json_each($1) j \
             cross join visit_correction c on c.correction = j.value \
             union all select up.head, c.corrected, up.depth + 1 from up cross join visit_correction c \
             on c.correction = up.id where up.depth < $2) select head, id from up order by head, depth";
        let rows: Vec<(String, String)> =
            sqlx::query_as(up).bind(to_json(visits)).bind(LONGEST_CHAIN).fetch_all(&mut *snapshot.tx).await?;
        for (head, id) in rows {
            found.entry(head).or_default().push(id);
        }
        Ok(found)
    }

    /// One visit with all that belongs to it; `None` if there is no such visit.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn visit(&self, id: &str) -> Result<Option<VisitFile>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let tx = &mut *snapshot.tx;
        let Some(visit) = seen(tx, id, &self.scope).await? else { return Ok(None) };
        let chain = chain(tx, id, &self.scope).await?;
        let people = sqlx::query_as("select role, name, phone from named_person where visit = $1 order by role");
        let people = people.bind(id).fetch_all(&mut *tx).await?;
        let confirmation = sqlx::query_as("select at, body from visit_confirmation where visit = $1");
        let confirmation = confirmation.bind(id).fetch_optional(&mut *tx).await?;
        let kind = sqlx::query_scalar("select kind from unit where id = $1").bind(&visit.unit);
        let unit_kind = kind.fetch_optional(&mut *tx).await?;
        Ok(Some(VisitFile { visit, chain, people, confirmation, unit_kind }))
    }

    /// Whether there is this visit, where the asker may see it.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn has_visit(&self, id: &str) -> Result<bool, ReadError> {
        Ok(seen(&mut self.snapshot().await?.tx, id, &self.scope).await?.is_some())
    }

    /// The unit of the visit that a publisher calls so; `None` if there is none.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn unit_of_visit(&self, publisher: &str, record_id: &str) -> Result<Option<String>, ReadError> {
        let mut query = QueryBuilder::<Sqlite>::new("select v.unit from visit v where v.publisher = ");
        query.push_bind(publisher).push(" and v.record_id = ").push_bind(record_id);
        self.scope.of_row(&mut query, "v");
        Ok(query.build_query_scalar().fetch_optional(&mut *self.snapshot().await?.tx).await?)
    }
}

/// The page that `filter` asks for, on a connection that is already reading.
pub(super) async fn page(
    tx: &mut SqliteConnection,
    filter: &VisitFilter,
    scope: &Scope,
) -> Result<Page<VisitRow>, ReadError> {
    let rows = page_query(&narrowed(filter, scope), scope).build_query_as::<VisitRow>().fetch_all(tx).await?;
    Ok(Page::cut(rows, filter.limit, |row| row.id.clone()))
}

/// Where a list is read from: the source, and what stands there for a visit's id, firm and kind.
fn source(filter: &VisitFilter) -> (&'static str, [&'static str; 3]) {
    let own = ["v.id", "v.maintainer", "v.kind"];
    match filter {
        VisitFilter { unit: Some(_), .. } => (" from visit v indexed by visit_unit where true", own),
        VisitFilter { worker: Some(_), .. } => (
            " from visit_worker d cross join visit v on v.id = d.visit where true",
            ["d.visit", "d.maintainer", "d.kind"],
        ),
        VisitFilter { corrected: true, .. } => (
            " from visit_correction d cross join visit v on v.id = d.corrected where not exists \
             (select 1 from visit_correction e where e.corrected = d.corrected and e.correction < d.correction)",
            ["d.corrected", "d.maintainer", "d.kind"],
        ),
        VisitFilter { maintainer: Some(_), kind: Some(_), .. } => {
            (" from visit v indexed by visit_maintainer_kind where true", own)
        }
        VisitFilter { maintainer: Some(_), .. } => (" from visit v indexed by visit_maintainer where true", own),
        VisitFilter { kind: Some(_), .. } => (" from visit v indexed by visit_kind where true", own),
        _ => (" from visit v where true", own),
    }
}

/// The statement of a page. What narrows most leads, and is named, since the engine cannot tell the indexes apart; every
/// condition is put where it needs no look at the visit itself, if it can be.
fn page_query(filter: &VisitFilter, scope: &Scope) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    let (from, [place, maintainer, kind]) = source(filter);
    query.push(from);
    match (&filter.worker, &filter.unit) {
        (Some(worker), None) => {
            query.push(" and d.worker = ").push_bind(worker.clone());
        }
        (Some(worker), Some(_)) => {
            query.push(" and exists (select 1 from visit_worker w where w.visit = v.id and w.worker = ");
            query.push_bind(worker.clone()).push(")");
        }
        _ => {}
    }
    for (column, value) in [("v.unit", &filter.unit), (maintainer, &filter.maintainer), (kind, &filter.kind)] {
        if let Some(value) = value {
            query.push(" and ").push(column).push(" = ").push_bind(value.clone());
        }
    }
    let mut bound = |sign: &str, at: String| {
        query.push(" and ").push(place).push(sign).push_bind(at);
    };
    if let Some(from) = filter.from {
        bound(" >= ", place_of(from));
    }
    if let Some(to) = filter.to {
        bound(" < ", place_of(to));
    }
    if let Some(after) = &filter.after {
        bound(" < ", after.clone());
    }
    let corrected = "exists (select 1 from visit_correction c where c.corrected = ";
    if filter.corrected {
        query.push(" and ").push(corrected).push(place).push(")");
    }
    if filter.folded {
        query.push(" and not ").push(corrected).push(place).push(")");
    }
    scope.of_row(&mut query, "v");
    query.push(" order by ").push(place).push(" desc limit ").push_bind(i64::from(filter.limit) + 1);
    query
}

/// Where the ids of visits that begin at `at` begin.
fn place_of(at: i64) -> String {
    format!("v-{:012x}", at.max(0))
}

/// A unit's newest visits, the newest first.
pub(super) async fn newest(
    tx: &mut SqliteConnection,
    unit: &str,
    limit: u32,
    scope: &Scope,
) -> Result<Vec<VisitRow>, ReadError> {
    let filter = VisitFilter { unit: Some(unit.to_owned()), limit, ..VisitFilter::default() };
    Ok(page(tx, &filter, scope).await?.items)
}

/// The same filter, led by the firm where the asker is one: the index of its visits is shorter than all visits.
pub(super) fn narrowed(filter: &VisitFilter, scope: &Scope) -> VisitFilter {
    let mut filter = filter.clone();
    if let (None, Scope::Maintainers(names)) = (&filter.maintainer, scope)
        && let [name] = names.as_slice()
    {
        filter.maintainer = Some(name.clone());
    }
    filter
}

/// One visit by its id, where the asker may see it.
async fn seen(tx: &mut SqliteConnection, id: &str, scope: &Scope) -> Result<Option<VisitRow>, ReadError> {
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    query.push(" from visit v where v.id = ").push_bind(id.to_owned());
    scope.of_row(&mut query, "v");
    Ok(query.build_query_as().fetch_optional(tx).await?)
}

/// One visit by its id.
pub(super) async fn one(tx: &mut SqliteConnection, id: &str) -> Result<Option<VisitRow>, ReadError> {
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    query.push(" from visit v where v.id = ").push_bind(id.to_owned());
    Ok(query.build_query_as().fetch_optional(tx).await?)
}

/// Every record of a visit, first received first: from the first of its chain down all its corrections.
async fn chain(tx: &mut SqliteConnection, id: &str, scope: &Scope) -> Result<Vec<VisitRow>, ReadError> {
    let mut query = QueryBuilder::<Sqlite>::new("with recursive up (id, depth) as (select ");
    query.push_bind(id.to_owned());
    query.push(
        ", 0 union all select c.corrected, up.depth + 1 from up cross join visit_correction c on c.correction = up.id \
         where up.depth < ",
    );
    query.push_bind(LONGEST_CHAIN);
    query.push(
        "), down (id) as (select id from (select id from up order by depth desc limit 1) \
         union select c.correction from down cross join visit_correction c on c.corrected = down.id) ",
    );
    query.push(SELECT).push(" from down d cross join visit v on v.id = d.id where true");
    scope.of_row(&mut query, "v");
    query.push(" order by v.received_at, v.id limit ");
    query.push_bind(LONGEST_CHAIN);
    Ok(query.build_query_as().fetch_all(tx).await?)
}

#[cfg(test)]
mod tests {
    use sqlx::Row;

    use super::*;

    #[tokio::test]
    async fn no_list_of_visits_reads_a_whole_table_nor_sorts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("liftwatch.db");
        crate::store::Store::open(&path).await.unwrap().close().await.unwrap();
        let reader = Reader::open(&path).await.unwrap();
        let some = |given: bool| given.then(|| "x".to_owned());
        for bits in 0_u32..256 {
            let on = |bit: u32| bits & (1 << bit) != 0;
            let filter = VisitFilter {
                unit: some(on(0)),
                worker: some(on(1)),
                maintainer: some(on(2)),
                kind: some(on(3)),
                from: on(4).then_some(1),
                to: on(5).then_some(2),
                corrected: on(6),
                folded: on(7),
                after: Some("v-1".to_owned()),
                limit: 100,
            };
            let statement = format!("explain query plan {}", page_query(&filter, &Scope::All).sql().as_str());
            let rows = sqlx::query(sqlx::AssertSqlSafe(statement));
            let rows = rows.fetch_all(&mut *reader.snapshot().await.unwrap().tx).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
            assert!(!plan.iter().any(|step| step.starts_with("SCAN")), "{filter:?}: {plan:#?}");
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{filter:?}: {plan:#?}");
        }
    }
}
