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
    if let Some(unit) = &filter.unit {
        let rows = of_unit(tx, filter, unit, after.as_ref(), scope).await?;
        return Ok(Page::cut(rows, filter.limit, |row| row.id.clone()));
    }
    let few = scope.is_narrow() && few(filter, scope).build_query_scalar::<i64>().fetch_one(&mut *tx).await? < FEW;
    let lead = if few { Lead::Units } else { Lead::Time };
    let rows = page_query(filter, scope, after.as_ref(), lead).build_query_as::<EventRow>().fetch_all(tx).await?;
    Ok(Page::cut(rows, filter.limit, |row| row.id.clone()))
}

/// One row more than a page of a unit's events, from as few stretches as hold it.
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
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push(" and at >> 31 = ").push_bind(stretch).push(" and unit = ").push_bind(unit.to_owned());
        of_kind(&mut query, filter, "type");
        between(&mut query, filter, "at");
        scope.of_unit(&mut query, "event.unit");
        if let Some(after) = after {
            query.push(" and (at, id) < (").push_bind(after.at).push(", ").push_bind(after.id.clone()).push(")");
        }
        query.push(" order by at desc, id desc limit ").push_bind((wanted - rows.len()) as i64);
        rows.extend(query.build_query_as::<EventRow>().fetch_all(&mut *tx).await?);
    }
    Ok(rows)
}

/// Which index leads to the events of all units. Each order is one that an index already has; another one would sort the
/// whole table for every page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lead {
    /// All events by their ids, until the page is full. Quick where many of them may be seen.
    Time,
    /// The events of the units that the asker may see, sorted. Quick where they are few, however many there are of others.
    Units,
}

/// Events of an asker's units up to which their own index leads. Fewer than that among ten millions would be looked for in
/// nearly all of these.
const FEW: i64 = 20_000;

/// How many events of this time the asker's units have, as far as it matters.
fn few(filter: &EventFilter, scope: &Scope) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::<Sqlite>::new("select count(*) from (");
    query.push(with_stretches!("0", "select 1"));
    of_units(&mut query, filter, scope);
    query.push(" limit ").push_bind(FEW).push(")");
    query
}

/// Adds the events of the asker's units in this time, which the index of units' events has by itself.
fn of_units(query: &mut QueryBuilder<Sqlite>, filter: &EventFilter, scope: &Scope) {
    query.push(
        " from stretch s cross join unit scoped cross join event e indexed by event_unit \
         on e.at >> 31 = s.n and e.unit = scoped.id where true",
    );
    if let Some(from) = filter.from {
        query.push(" and s.n >= ").push_bind(from >> 31);
    }
    if let Some(to) = filter.to {
        query.push(" and s.n <= ").push_bind(to >> 31);
    }
    scope.of_row(query, "scoped");
    between(query, filter, "e.at");
}

fn between(query: &mut QueryBuilder<Sqlite>, filter: &EventFilter, at: &str) {
    if let Some(from) = filter.from {
        query.push(" and ").push(at).push(" >= ").push_bind(from);
    }
    if let Some(to) = filter.to {
        query.push(" and ").push(at).push(" < ").push_bind(to);
    }
}

fn of_kind(query: &mut QueryBuilder<Sqlite>, filter: &EventFilter, column: &str) {
    if let Some(kind) = &filter.kind {
        query.push(" and ").push(column).push(" = ").push_bind(kind.clone());
    }
}

/// The statement of a page of all units.
fn page_query(filter: &EventFilter, scope: &Scope, after: Option<&EventRow>, lead: Lead) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    let limit = i64::from(filter.limit) + 1;
    let before = |query: &mut QueryBuilder<Sqlite>, column: &str| {
        if let Some(after) = after {
            query.push(" and ").push(column).push(" < ").push_bind(after.id.clone());
        }
    };
    match lead {
        Lead::Units => {
            query.push(" and id in (").push(with_stretches!("0", "select e.id"));
            of_units(&mut query, filter, scope);
            of_kind(&mut query, filter, "e.type");
            before(&mut query, "e.id");
            query.push(" order by e.id desc limit ").push_bind(limit).push(") order by id desc");
        }
        Lead::Time => {
            of_kind(&mut query, filter, "type");
            between(&mut query, filter, "at");
            scope.of_unit(&mut query, "event.unit");
            before(&mut query, "id");
            query.push(" order by id desc limit ").push_bind(limit);
        }
    }
    query
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::Row;

    use super::*;
    use crate::clock::{Clock, SystemClock};

    /// 200,000 events of 8,000 units, of which the firm `small` has five and `half` every second one.
    const CITY: &str = "with recursive n (i) as (select 0 union all select i + 1 from n where i < 7999) \
         insert into unit (id, registration_code, region, site, address, kind, maker, model, owner, maintainer, \
         maintenance_interval_days, changed_at) \
         select printf('u-%05d', i), '', '350582', '', '', 'traction', '', '', 'o', \
         case when i % 1600 = 7 then 'small' when i % 2 = 0 then 'half' else 'other' end, 15, 0 from n; \
         with recursive n (i) as (select 0 union all select i + 1 from n where i < 199999) \
         insert into event (id, unit, publisher, type, at, ts, received_at, clock_suspect, origin) \
         select printf('%012x-%016x', 1700000000000 + i * 1000, i), printf('u-%05d', (i * 7919) % 8000), 'maker-a', \
         case (i / 8000) % 10 when 0 then 'fault_raised' else 'alarm_pressed' end, 1700000000000 + i * 1000 - (i % 97 = 0) * 5000000, \
         1700000000000 + i * 1000, 1700000000000 + i * 1000, i % 97 = 0, 'event' from n;";

    async fn city(dir: &std::path::Path) -> Reader {
        let path = dir.join("liftwatch.db");
        crate::store::Store::open(&path).await.unwrap().close().await.unwrap();
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
        let mut writer = sqlx::ConnectOptions::connect(&options).await.unwrap();
        sqlx::raw_sql(CITY).execute(&mut writer).await.unwrap();
        sqlx::Connection::close(writer).await.unwrap();
        Reader::open(&path).await.unwrap()
    }

    fn firm(name: &str) -> Scope {
        Scope::Maintainers(vec![name.to_owned()])
    }

    fn filters() -> [EventFilter; 4] {
        let all = EventFilter { limit: 100, ..EventFilter::default() };
        [
            all.clone(),
            EventFilter { limit: 7, ..all.clone() },
            EventFilter { kind: Some("fault_raised".to_owned()), ..all.clone() },
            EventFilter { from: Some(1_700_050_000_000), to: Some(1_700_150_000_000), ..all },
        ]
    }

    async fn ids(reader: &Reader, mut query: QueryBuilder<Sqlite>) -> (Vec<String>, Duration) {
        let clock = SystemClock::new();
        let began = clock.monotonic();
        let rows = query.build_query_as::<EventRow>().fetch_all(&mut *reader.snapshot().await.unwrap().tx).await;
        (rows.unwrap().into_iter().map(|row| row.id).collect(), clock.monotonic() - began)
    }

    #[tokio::test]
    async fn the_page_is_the_same_whichever_index_leads_and_a_small_firms_is_quick_by_its_units() {
        let dir = tempfile::tempdir().unwrap();
        let reader = city(dir.path()).await;
        let small = firm("small");
        let all = EventFilter { limit: 100, ..EventFilter::default() };
        for filter in &filters() {
            let after = reader.events(&all).await.unwrap().items.pop();
            for after in [None, after.as_ref()] {
                let (by_units, quick) = ids(&reader, page_query(filter, &small, after, Lead::Units)).await;
                let (by_time, slow) = ids(&reader, page_query(filter, &small, after, Lead::Time)).await;
                assert_eq!(by_units, by_time, "{filter:?}");
                assert!(!by_time.is_empty(), "{filter:?}");
                println!(
                    "{} rows of a firm with 5 of 8,000 units: {quick:?} by its units, {slow:?} by time",
                    by_time.len()
                );
            }
        }
        let narrow = Reader { scope: small.clone(), ..reader.clone() };
        let (by_time, _) = ids(&reader, page_query(&all, &small, None, Lead::Time)).await;
        let page: Vec<String> = narrow.events(&all).await.unwrap().items.into_iter().map(|row| row.id).collect();
        assert_eq!(page, by_time[..100]);
    }

    #[tokio::test]
    async fn what_leads_is_an_index_and_few_events_are_those_of_a_small_firm() {
        let dir = tempfile::tempdir().unwrap();
        let reader = city(dir.path()).await;
        let filter = EventFilter { limit: 100, ..EventFilter::default() };
        let mut counts = Vec::new();
        for name in ["small", "half"] {
            let mut query = few(&filter, &firm(name));
            let count: i64 =
                query.build_query_scalar().fetch_one(&mut *reader.snapshot().await.unwrap().tx).await.unwrap();
            counts.push(count);
        }
        assert!(counts[0] < FEW && counts[1] == FEW, "{counts:?}");
        for (filter, lead) in filters().iter().flat_map(|filter| [(filter, Lead::Units), (filter, Lead::Time)]) {
            let statement = page_query(filter, &firm("small"), None, lead);
            let statement = format!("explain query plan {}", statement.sql().as_str());
            let rows = sqlx::query(sqlx::AssertSqlSafe(statement));
            let rows = rows.fetch_all(&mut *reader.snapshot().await.unwrap().tx).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
            let uses = |step: &str| plan.iter().any(|line| line.starts_with(step));
            match lead {
                Lead::Units => assert!(
                    uses("SEARCH e USING INDEX event_unit (<expr>=? AND unit=?")
                        && uses("SEARCH event USING INDEX sqlite_autoindex_event_1 (id=?)"),
                    "{filter:?} {plan:#?}"
                ),
                Lead::Time => assert!(
                    uses("SCAN event USING INDEX sqlite_autoindex_event_1") && !uses("USE TEMP B-TREE"),
                    "{filter:?} {plan:#?}"
                ),
            }
        }
    }
}
