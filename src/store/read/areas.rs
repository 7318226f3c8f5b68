//! The facts behind area events: who lost the mains, who is silent; and the events as they are kept.

use std::collections::HashSet;

use sqlx::FromRow;

use super::{ReadError, Reader};
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

impl Reader {
    /// The facts since `since` (ms). Silent regions are looked at where at least `units` units are silent at all, or an
    /// event of a region lasts; units at a site without mains are left out of them.
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
                 where l.state_at is not null and not exists (select 1 from area_event e where e.ends_at is null \
                 and e.kind = 'area_power' and e.region = u.region and e.site = u.site) \
                 group by u.region order by u.region";
            let monitored: Vec<(String, i64)> = sqlx::query_as(monitored).fetch_all(&mut *tx).await?;
            let since = "select u.region, a.starts_at from alert a join unit u on u.id = a.unit \
                 where a.rule = 'silent_unit' and a.state = 'firing' and not exists (select 1 from area_event e \
                 where e.ends_at is null and e.kind = 'area_power' and e.region = u.region and e.site = u.site)";
            let starts: Vec<(String, i64)> = sqlx::query_as(since).fetch_all(&mut *tx).await?;
            let of = |region: &str| starts.iter().filter(|start| start.0 == region).map(|start| start.1).collect();
            silent = monitored
                .into_iter()
                .map(|(region, monitored)| SilentRegion { silent: of(&region), region, monitored })
                .collect();
        }
        Ok(AreaFacts { known, mains, silent })
    }

    /// Which of these alerts are on record as not told because of an area event: (alert, area event).
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn inhibitions(&self, alerts: &[String]) -> Result<HashSet<(String, String)>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let find = "select alert, area from inhibition where alert in (select value from json_each($1))";
        let rows: Vec<(String, String)> =
            sqlx::query_as(find).bind(to_json(alerts)).fetch_all(&mut *snapshot.tx).await?;
        Ok(rows.into_iter().collect())
    }
}
