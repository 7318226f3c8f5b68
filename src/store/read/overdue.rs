//! Units whose maintenance is overdue: what the rule says, with the visit that it rests on.

use sqlx::{QueryBuilder, Sqlite};

use super::{Page, ReadError, Reader};

/// One unit that the alert fires for.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct OverdueRow {
    /// The alert's id.
    pub alert: String,
    pub severity: String,
    pub unit: String,
    pub region: String,
    pub site: String,
    pub owner: String,
    pub maintainer: String,
    pub maintenance_interval_days: i64,
    pub last_visit: String,
    pub last_kind: String,
    pub last_started_at: i64,
}

/// Which units, in order of when it was recorded that they are overdue.
#[derive(Debug, Clone, Default)]
pub struct OverdueFilter {
    pub maintainer: Option<String>,
    pub region: Option<String>,
    pub after: Option<String>,
    pub limit: u32,
}

/// A firm's overdue units as one figure.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct OverdueFirm {
    pub maintainer: String,
    pub units: i64,
    /// Those of them that are more than an information.
    pub grave: i64,
    /// When the one that waits longest was due, in milliseconds.
    pub due_at: i64,
}

/// Firms that the page of overdue units lists at most: those with the most of them.
const FIRMS: u32 = 500;

impl Reader {
    /// How many units are overdue with each firm, most first.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn overdue_firms(&self, region: Option<&str>) -> Result<Vec<OverdueFirm>, ReadError> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "select u.maintainer, count(*) as units, sum(a.severity <> 'info') as grave, \
             min(v.started_at + max(u.maintenance_interval_days, 1) * 86400000) as due_at \
             from alert a indexed by alert_firing cross join unit u on u.id = a.unit \
             cross join visit v on v.id = a.evidence ->> '$[#-1]' \
             where a.rule = 'maintenance_overdue' and a.state = 'firing'",
        );
        if let Some(region) = region {
            query.push(" and u.region = ").push_bind(region);
        }
        self.scope.of_row(&mut query, "u");
        query.push(" group by u.maintainer order by units desc, u.maintainer limit ").push_bind(FIRMS);
        Ok(query.build_query_as().fetch_all(&mut *self.snapshot().await?.tx).await?)
    }

    /// A page of units whose maintenance is overdue.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn overdue(&self, filter: &OverdueFilter) -> Result<Page<OverdueRow>, ReadError> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "select a.id as alert, a.severity, a.unit, u.region, u.site, u.owner, u.maintainer, \
             u.maintenance_interval_days, v.id as last_visit, v.kind as last_kind, v.started_at as last_started_at \
             from alert a indexed by alert_firing cross join unit u on u.id = a.unit \
             cross join visit v on v.id = a.evidence ->> '$[#-1]' \
             where a.rule = 'maintenance_overdue' and a.state = 'firing'",
        );
        for (column, value) in [("u.maintainer", &filter.maintainer), ("u.region", &filter.region)] {
            if let Some(value) = value {
                query.push(" and ").push(column).push(" = ").push_bind(value);
            }
        }
        if let Some(after) = &filter.after {
            query.push(" and a.id > ").push_bind(after);
        }
        self.scope.of_row(&mut query, "u");
        query.push(" order by a.id limit ").push_bind(i64::from(filter.limit) + 1);
        let rows = query.build_query_as::<OverdueRow>().fetch_all(&mut *self.snapshot().await?.tx).await?;
        Ok(Page::cut(rows, filter.limit, |row| row.alert.clone()))
    }
}
