//! The city at one glance: how many units, how many of them heard, what fires, what came last.

use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::alerts::{AlertFilter, AlertRow};
use super::{ReadError, Reader};
use crate::store::stretch::stretches;

/// How many of the newest firing alerts the overview holds.
const NEWEST: u32 = 12;

/// One region's units.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegionUnits {
    pub region: String,
    pub total: i64,
    /// Heard since the time that was asked for.
    pub heard: i64,
    /// Never sent a state.
    pub unmonitored: i64,
    /// In use since before the date that was asked for.
    pub over_age: i64,
}

/// The city at one glance.
#[derive(Debug, Clone, PartialEq)]
pub struct City {
    /// In order of the regions' codes.
    pub regions: Vec<RegionUnits>,
    /// Units for which the silence rule fires.
    pub silent: i64,
    /// (rule, severity, how many), in order.
    pub firing: Vec<(String, String, i64)>,
    /// The newest firing alerts, newest first.
    pub newest: Vec<AlertRow>,
    pub quarantined: i64,
    /// Units that speak and are not in the registry.
    pub unregistered: i64,
    pub open_gaps: i64,
    /// When the last event was received.
    pub last_event_at: Option<i64>,
}

impl Reader {
    /// The overview. Units heard since `heard_since` (ms) count as heard, those in use since `old_since` (civil date) or before as over age.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn city(&self, heard_since: i64, old_since: &str) -> Result<City, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let tx = &mut *snapshot.tx;
        let mut query = QueryBuilder::<Sqlite>::new("select u.region, count(*), coalesce(sum(l.heard_at >= ");
        query.push_bind(heard_since).push("), 0), sum(l.state_at is null), coalesce(sum(u.in_service_since <= ");
        query.push_bind(old_since).push("), 0) from unit u left join unit_live l on l.unit = u.id where true");
        self.scope.of_row(&mut query, "u");
        query.push(" group by u.region order by u.region");
        let regions = query.build().fetch_all(&mut *tx).await?;
        let regions = regions
            .iter()
            .map(|row| RegionUnits {
                region: row.get(0),
                total: row.get(1),
                heard: row.get(2),
                unmonitored: row.get(3),
                over_age: row.get(4),
            })
            .collect();
        let counts = self.counts().build().fetch_one(&mut *tx).await?;
        let newest = AlertFilter { state: Some("firing".to_owned()), limit: NEWEST, ..AlertFilter::default() };
        Ok(City {
            regions,
            silent: counts.get(0),
            firing: super::alerts::firing_by_rule(tx, &self.scope).await?,
            newest: super::alerts::page(tx, &newest, &self.scope).await?.items,
            quarantined: counts.get(1),
            unregistered: counts.get(2),
            open_gaps: counts.get(3),
            last_event_at: self.last_event_at(tx).await?,
        })
    }

    /// Silent units, refused messages, unregistered units, open gaps.
    fn counts(&self) -> QueryBuilder<Sqlite> {
        let scope = &self.scope;
        let mut query = QueryBuilder::<Sqlite>::new(
            "select (select count(distinct unit) from alert where state = 'firing' and rule = 'silent_unit'",
        );
        scope.of_unit(&mut query, "alert.unit");
        query.push("), (select count(*) from quarantine where true");
        scope.of_region(&mut query, "quarantine.region");
        query.push("), (select count(*) from unregistered_unit where true");
        scope.of_region(&mut query, "unregistered_unit.region");
        query.push("), (select count(*) from gap where closed_at is null");
        scope.of_unit(&mut query, "gap.unit");
        query.push(")");
        query
    }

    /// When the last event was received that the asker may see.
    async fn last_event_at(&self, tx: &mut SqliteConnection) -> Result<Option<i64>, ReadError> {
        if !self.scope.is_narrow() {
            let last = sqlx::query_scalar("select received_at from event order by id desc limit 1");
            return Ok(last.fetch_optional(tx).await?);
        }
        // Backwards through all events until one is of the asker's would be long for somebody with few units.
        for stretch in stretches(tx, 0).await? {
            let mut query =
                QueryBuilder::<Sqlite>::new("select max((select received_at from event e where e.at >> 31 = ");
            query.push_bind(stretch).push(" and e.unit = u.id order by e.at desc limit 1)) from unit u where true");
            self.scope.of_row(&mut query, "u");
            let last: Option<i64> = query.build_query_scalar().fetch_one(&mut *tx).await?;
            if last.is_some() {
                return Ok(last);
            }
        }
        Ok(None)
    }
}
