//! Events as they were told: the list by unit, type and time, and one by its id.

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::scope::Scope;
use super::{Page, ReadError, Reader};
use crate::store::stretch::{stretches, with_stretches};

/// Columns of an event; every query of events begins with this.
const SELECT: &str = "select id, unit, publisher, type as kind, code, vendor_code, mode, landing, moving, occupied, at, ts, received_at, \
     clock_suspect, boot, seq, origin, extra from event where true";

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct EventRow {
    pub id: String,
    pub unit: String,
    pub publisher: String,
    pub kind: String,
    pub code: Option<String>,
    pub vendor_code: Option<String>,
    pub mode: Option<String>,
    pub landing: Option<String>,
    pub moving: Option<bool>,
    pub occupied: Option<bool>,
    /// When it counts for rules.
    pub at: i64,
    /// What the sender's clock said.
    pub ts: i64,
    pub received_at: i64,
    pub clock_suspect: bool,
    pub boot: Option<String>,
    pub seq: Option<i64>,
    pub origin: String,
    /// JSON object of fields that we do not know.
    pub extra: Option<String>,
}

/// Which events, newest first.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    pub unit: Option<String>,
    pub kind: Option<String>,
    /// `at` from here on, in milliseconds.
    pub from: Option<i64>,
    /// `at` before this, in milliseconds.
    pub to: Option<i64>,
    pub after: Option<String>,
    pub limit: u32,
}

impl Reader {
    /// A page of events: of one unit in order of when they count, of all units in order of their ids, newest first.
    ///
    /// # Errors
    /// [`ReadError::NoSuchPlace`] if `after` names no event, else why the database gave no answer.
    pub async fn events(&self, filter: &EventFilter) -> Result<Page<EventRow>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        page(&mut snapshot.tx, filter, &self.scope).await
    }
}

/// The page that `filter` asks for, on a connection that is already reading.
pub(super) async fn page(
    tx: &mut SqliteConnection,
    filter: &EventFilter,
    scope: &Scope,
) -> Result<Page<EventRow>, ReadError> {
    let after = match &filter.after {
        Some(id) => Some(place(tx, id, scope).await?.ok_or_else(|| ReadError::NoSuchPlace(id.clone()))?),
        None => None,
    };
    // Each order is one that an index already has; another one would sort the whole table for every page.
    let rows = match &filter.unit {
        Some(unit) => of_unit(tx, filter, unit, after.as_ref(), scope).await?,
        None => {
            let mut query = chosen(filter, scope);
            if let Some(after) = after {
                query.push(" and id < ").push_bind(after.id);
            }
            query.push(" order by id desc limit ").push_bind(i64::from(filter.limit) + 1);
            query.build_query_as().fetch_all(tx).await?
        }
    };
    Ok(Page::cut(rows, filter.limit, |row: &EventRow| row.id.clone()))
}

/// All that `filter` says but the unit and the place in the list.
fn chosen(filter: &EventFilter, scope: &Scope) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    if let Some(kind) = &filter.kind {
        query.push(" and type = ").push_bind(kind.clone());
    }
    if let Some(from) = filter.from {
        query.push(" and at >= ").push_bind(from);
    }
    if let Some(to) = filter.to {
        query.push(" and at < ").push_bind(to);
    }
    scope.of_unit(&mut query, "event.unit");
    query
}

/// One row more than a page, from as few stretches as hold it.
async fn of_unit(
    tx: &mut SqliteConnection,
    filter: &EventFilter,
    unit: &str,
    after: Option<&EventRow>,
    scope: &Scope,
) -> Result<Vec<EventRow>, ReadError> {
    let wanted = filter.limit as usize + 1;
    let until = after.map(|after| after.at).into_iter().chain(filter.to).min().unwrap_or(i64::MAX);
    let mut rows: Vec<EventRow> = Vec::new();
    for stretch in stretches(tx, filter.from.unwrap_or(0)).await? {
        if stretch > until >> 31 || rows.len() == wanted {
            continue;
        }
        let mut query = chosen(filter, scope);
        query.push(" and at >> 31 = ").push_bind(stretch).push(" and unit = ").push_bind(unit.to_owned());
        if let Some(after) = after {
            query.push(" and (at, id) < (").push_bind(after.at).push(", ").push_bind(after.id.clone()).push(")");
        }
        query.push(" order by at desc, id desc limit ").push_bind((wanted - rows.len()) as i64);
        rows.extend(query.build_query_as::<EventRow>().fetch_all(&mut *tx).await?);
    }
    Ok(rows)
}

/// The event that a page ended with, where the asker may see it.
async fn place(tx: &mut SqliteConnection, id: &str, scope: &Scope) -> Result<Option<EventRow>, ReadError> {
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    query.push(" and id = ").push_bind(id.to_owned());
    scope.of_unit(&mut query, "event.unit");
    Ok(query.build_query_as::<EventRow>().fetch_optional(tx).await?)
}

/// One event by its id.
pub(super) async fn one(tx: &mut SqliteConnection, id: &str) -> Result<Option<EventRow>, ReadError> {
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    query.push(" and id = ").push_bind(id.to_owned());
    Ok(query.build_query_as::<EventRow>().fetch_optional(tx).await?)
}

/// How often each type of event befell a unit since `from`, in the order of the types' names.
pub(super) async fn counts(tx: &mut SqliteConnection, unit: &str, from: i64) -> Result<Vec<(String, i64)>, ReadError> {
    let count = with_stretches!(
        "$2",
        "select e.type, count(*) from stretch s cross join event e indexed by event_unit \
         on e.at >> 31 = s.n and e.unit = $1 and e.at >= $2 group by e.type order by e.type"
    );
    Ok(sqlx::query_as(count).bind(unit).bind(from).fetch_all(tx).await?)
}
