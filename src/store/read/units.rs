//! Units: the registry's list, and one unit with all that is known of it now.

use sqlx::{QueryBuilder, Sqlite};

use super::alerts::{AlertFilter, AlertRow};
use super::events::{EventFilter, EventRow};
use super::gaps::{GapFilter, GapRow};
use super::visits::VisitRow;
use super::{Page, ReadError, Reader};

/// Columns of a unit and of when it was heard; every query of units begins with this.
const SELECT: &str = "select u.id, u.registration_code, u.region, u.site, u.address, u.kind, u.maker, u.model, u.in_service_since, \
     u.owner, u.maintainer, u.publisher, u.stops, u.latitude, u.longitude, u.maintenance_interval_days, u.last_inspection, \
     l.heard_at, l.state_at, (select count(*) from alert a where a.unit = u.id and a.state <> 'withdrawn' and a.state = 'firing') as firing \
     from unit u left join unit_live l on l.unit = u.id where true";

/// How many of a unit's newest events, visits, alerts and gaps its file holds.
const NEWEST: u32 = 50;

/// A unit as registered, and when it was last heard.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct UnitRow {
    pub id: String,
    pub registration_code: String,
    pub region: String,
    pub site: String,
    pub address: String,
    pub kind: String,
    pub maker: String,
    pub model: String,
    /// Civil date, `yyyy-mm-dd`.
    pub in_service_since: Option<String>,
    pub owner: String,
    pub maintainer: String,
    pub publisher: Option<String>,
    pub stops: Option<i64>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
    pub maintenance_interval_days: i64,
    pub last_inspection: Option<String>,
    /// Up to 30 s old: live state is flushed at that pace.
    pub heard_at: Option<i64>,
    /// `None`: the unit has never sent a state, so it is unmonitored.
    pub state_at: Option<i64>,
    /// Alerts that fire for it now.
    pub firing: i64,
}

/// What recording a visit needs to know of a unit.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct UnitBrief {
    pub kind: String,
    pub site: String,
    pub maintenance_interval_days: i64,
}

/// Which units, in order of their ids.
#[derive(Debug, Clone, Default)]
pub struct UnitFilter {
    pub region: Option<String>,
    /// Part of the id, site, address, registration code, owner or maintainer.
    pub q: Option<String>,
    pub after: Option<String>,
    pub limit: u32,
}

/// One unit with all that is known of it now.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitFile {
    pub unit: UnitRow,
    /// JSON of the latest state.
    pub state: Option<String>,
    /// JSON of the levels that stand now, such as active faults.
    pub flags: Option<String>,
    /// Events by type in the last 30 days.
    pub counts_30: Vec<(String, i64)>,
    /// Events by type in the last 90 days.
    pub counts_90: Vec<(String, i64)>,
    pub firing: Vec<AlertRow>,
    pub resolved: Vec<AlertRow>,
    pub events: Vec<EventRow>,
    pub visits: Vec<VisitRow>,
    pub gaps: Vec<GapRow>,
}

impl Reader {
    /// Whether the registry has this unit, where the asker may see it.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn has_unit(&self, unit: &str) -> Result<bool, ReadError> {
        let mut query = QueryBuilder::<Sqlite>::new("select 1 from unit u where u.id = ");
        query.push_bind(unit);
        self.scope.of_row(&mut query, "u");
        let found: Option<i64> = query.build_query_scalar().fetch_optional(&mut *self.snapshot().await?.tx).await?;
        Ok(found.is_some())
    }

    /// A page of units in order of their ids.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn units(&self, filter: &UnitFilter) -> Result<Page<UnitRow>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        if let Some(region) = &filter.region {
            query.push(" and u.region = ").push_bind(region);
        }
        if let Some(q) = &filter.q {
            query.push(" and instr(lower(u.id || ' ' || u.site || ' ' || u.address || ' ' || u.registration_code || ' ' || u.owner || ' ' || u.maintainer), lower(");
            query.push_bind(q).push(")) > 0");
        }
        if let Some(after) = &filter.after {
            query.push(" and u.id > ").push_bind(after);
        }
        self.scope.of_row(&mut query, "u");
        query.push(" order by u.id limit ").push_bind(i64::from(filter.limit) + 1);
        let rows = query.build_query_as::<UnitRow>().fetch_all(&mut *snapshot.tx).await?;
        Ok(Page::cut(rows, filter.limit, |row| row.id.clone()))
    }

    /// What recording a visit needs to know of a unit; `None` if the registry does not have it.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn unit_brief(&self, id: &str) -> Result<Option<UnitBrief>, ReadError> {
        let mut query =
            QueryBuilder::<Sqlite>::new("select kind, site, maintenance_interval_days from unit where id = ");
        query.push_bind(id);
        self.scope.of_row(&mut query, "unit");
        Ok(query.build_query_as().fetch_optional(&mut *self.snapshot().await?.tx).await?)
    }

    /// One unit with its latest state, counts, alerts, events, visits and gaps; `None` if the registry does not have it.
    /// `day_30` and `day_90` are the times from which events are counted.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn unit(&self, id: &str, day_30: i64, day_90: i64) -> Result<Option<UnitFile>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let (tx, scope) = (&mut *snapshot.tx, &self.scope);
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push(" and u.id = ").push_bind(id);
        self.scope.of_row(&mut query, "u");
        let Some(unit) = query.build_query_as::<UnitRow>().fetch_optional(&mut *tx).await? else { return Ok(None) };
        let state: Option<Option<String>> =
            sqlx::query_scalar("select state from unit_live where unit = $1").bind(id).fetch_optional(&mut *tx).await?;
        let flags =
            sqlx::query_scalar("select body from unit_flags where unit = $1").bind(id).fetch_optional(&mut *tx).await?;
        let alerts = |state: &str| AlertFilter {
            unit: Some(id.to_owned()),
            state: Some(state.to_owned()),
            limit: NEWEST,
            ..AlertFilter::default()
        };
        let events = EventFilter { unit: Some(id.to_owned()), limit: NEWEST, ..EventFilter::default() };
        let gaps = GapFilter { unit: Some(id.to_owned()), limit: NEWEST, ..GapFilter::default() };
        Ok(Some(UnitFile {
            unit,
            state: state.flatten(),
            flags,
            counts_30: super::events::counts(tx, id, day_30).await?,
            counts_90: super::events::counts(tx, id, day_90).await?,
            firing: super::alerts::page(tx, &alerts("firing"), scope).await?.items,
            resolved: super::alerts::page(tx, &alerts("resolved"), scope).await?.items,
            events: super::events::page(tx, &events, scope).await?.items,
            visits: super::visits::newest(tx, id, NEWEST, scope).await?,
            gaps: super::gaps::page(tx, &gaps, scope).await?.items,
        }))
    }
}
