//! The facts behind area events: who lost the mains, who is silent; and the events as they are kept.

use sqlx::{FromRow, QueryBuilder, Sqlite, SqliteConnection};

use super::deliveries::of_link;
use super::timeline::{self, Entry};
use super::{Page, ReadError, Reader};
use crate::store::areas::AreaRow;
use crate::store::words::to_json;

/// A unit that lost the mains, and when last. Times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct MainsRow {
    pub region: String,
    pub site: String,
    pub off_at: i64,
    pub on_at: Option<i64>,
}

/// A region with silent units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilentRegion {
    pub region: String,
    /// Units that ever sent a state.
    pub monitored: i64,
    /// Since when each of the silent ones is, in milliseconds.
    pub silent: Vec<i64>,
}

/// All that area events are derived from.
#[derive(Debug, Clone, Default)]
pub struct AreaFacts {
    /// Events that last, and those that ended since the time that was asked for; the oldest first.
    pub known: Vec<AreaRow>,
    /// In order of region and site.
    pub mains: Vec<MainsRow>,
    /// In order of region.
    pub silent: Vec<SilentRegion>,
}

/// Columns of an area event as readers see it; every query of them begins with this.
const SELECT: &str = "select id, kind, region, site, severity, starts_at, ends_at, units, basis, summary_zh, summary_en, \
     (select count(*) from inhibition where area = e.id) as held from area_event e where true";

/// An area event as readers see it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct AreaSeen {
    #[sqlx(flatten)]
    pub area: AreaRow,
    /// How many alerts were not told, or not at once, because of it.
    pub held: i64,
}

/// An area event with its story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreaFile {
    pub seen: AreaSeen,
    /// What became of it and who was told, the oldest first.
    pub story: Vec<Entry>,
}

/// Which area events, newest first.
#[derive(Debug, Clone, Default)]
pub struct AreaFilter {
    pub kind: Option<String>,
    pub region: Option<String>,
    /// `Some(true)` only those that last, `Some(false)` only those that are over.
    pub open: Option<bool>,
    pub after: Option<String>,
    pub limit: u32,
}

/// The area events that are told by what a delivery's link stands for, the largest first.
pub(super) async fn told(tx: &mut SqliteConnection, delivery: &str, limit: u32) -> Result<Vec<AreaSeen>, ReadError> {
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    query.push(" and id in (");
    of_link(&mut query, delivery).push(") order by units desc, id limit ").push_bind(limit);
    Ok(query.build_query_as().fetch_all(tx).await?)
}

impl Reader {
    /// A page of area events, the newest first.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn areas(&self, filter: &AreaFilter) -> Result<Page<AreaSeen>, ReadError> {
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        match filter.open {
            Some(true) => query.push(" and ends_at is null"),
            Some(false) => query.push(" and ends_at is not null"),
            None => &mut query,
        };
        if let Some(kind) = &filter.kind {
            query.push(" and kind = ").push_bind(kind.clone());
        }
        if let Some(region) = &filter.region {
            query.push(" and region = ").push_bind(region.clone());
        }
        if let Some(after) = &filter.after {
            query.push(" and id < ").push_bind(after.clone());
        }
        self.scope.of_region(&mut query, "e.region");
        query.push(" order by id desc limit ").push_bind(i64::from(filter.limit) + 1);
        let rows = query.build_query_as::<AreaSeen>().fetch_all(&mut *self.snapshot().await?.tx).await?;
        Ok(Page::cut(rows, filter.limit, |row| row.area.id.clone()))
    }

    /// One area event with its story; `None` if there is no such event.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn area(&self, id: &str) -> Result<Option<AreaFile>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let tx = &mut *snapshot.tx;
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push(" and id = ").push_bind(id);
        self.scope.of_region(&mut query, "e.region");
        let Some(seen) = query.build_query_as::<AreaSeen>().fetch_optional(&mut *tx).await? else { return Ok(None) };
        Ok(Some(AreaFile { seen, story: timeline::story(tx, id).await? }))
    }

    /// The facts since `since` (ms). Silent regions are looked at where at least `units` units are silent at all, or an
    /// event of a region lasts; units without mains, and those at a site without, are left out of them.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn area_facts(&self, since: i64, units: u32) -> Result<AreaFacts, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let tx = &mut *snapshot.tx;
        let known = "select id, kind, region, site, severity, starts_at, ends_at, units, basis, summary_zh, summary_en \
             from area_event where ends_at is null or ends_at > $1 order by starts_at, id";
        let known: Vec<AreaRow> = sqlx::query_as(known).bind(since).fetch_all(&mut *tx).await?;
        let mains = "select u.region, u.site, m.off_at, m.on_at from (\
             select unit, max(case when type = 'mains_off' then at end) as off_at, \
             max(case when type = 'mains_on' then at end) as on_at \
             from event indexed by event_mains where type in ('mains_off', 'mains_on') and at > $1 group by unit) m \
             join unit u on u.id = m.unit where m.off_at is not null and u.site <> '' order by u.region, u.site";
        let mains = sqlx::query_as(mains).bind(since).fetch_all(&mut *tx).await?;
        let count = "select count(*) from alert where rule = 'silent_unit' and state = 'firing'";
        let count: i64 = sqlx::query_scalar(count).fetch_one(&mut *tx).await?;
        let mut silent: Vec<SilentRegion> = Vec::new();
        if count >= i64::from(units) || known.iter().any(|area| area.site.is_empty() && area.ends_at.is_none()) {
            let monitored = "select u.region, count(*) from unit u join unit_live l on l.unit = u.id \
                 where l.state_at is not null and u.id not in (select unit from event indexed by event_mains \
                 where type in ('mains_off', 'mains_on') and at > $1 group by unit \
                 having max(iif(type = 'mains_off', at, 0)) > max(iif(type = 'mains_on', at, 0))) \
                 and not exists (select 1 from area_event e where e.ends_at is null \
                 and e.kind = 'area_power' and e.region = u.region and e.site = u.site) \
                 group by u.region order by u.region";
            let monitored: Vec<(String, i64)> = sqlx::query_as(monitored).bind(since).fetch_all(&mut *tx).await?;
            let starts = "select u.region, a.starts_at from alert a join unit u on u.id = a.unit \
                 where a.rule = 'silent_unit' and a.state = 'firing' \
                 and u.id not in (select unit from event indexed by event_mains \
                 where type in ('mains_off', 'mains_on') and at > $1 group by unit \
                 having max(iif(type = 'mains_off', at, 0)) > max(iif(type = 'mains_on', at, 0))) \
                 and not exists (select 1 from area_event e where e.ends_at is null \
                 and e.kind = 'area_power' and e.region = u.region and e.site = u.site)";
            let starts: Vec<(String, i64)> = sqlx::query_as(starts).bind(since).fetch_all(&mut *tx).await?;
            let of = |region: &str| starts.iter().filter(|start| start.0 == region).map(|start| start.1).collect();
            silent = monitored
                .into_iter()
                .map(|(region, monitored)| SilentRegion { silent: of(&region), region, monitored })
                .collect();
        }
        Ok(AreaFacts { known, mains, silent })
    }

    /// Which of these, (alert, area event), are not on record yet. In a storm thousands are, look after look.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn unrecorded(&self, inhibited: &[(String, String)]) -> Result<Vec<(String, String)>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let find = "select j.value ->> 0, j.value ->> 1 from json_each($1) j where not exists (\
             select 1 from inhibition i where i.alert = j.value ->> 0 and i.area = j.value ->> 1)";
        Ok(sqlx::query_as(find).bind(to_json(inhibited)).fetch_all(&mut *snapshot.tx).await?)
    }
}
