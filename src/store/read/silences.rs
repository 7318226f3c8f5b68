//! Silences, and the labels of alerts and units that they are held against.

use sqlx::{QueryBuilder, Sqlite};

use super::{Page, ReadError, Reader};

const SELECT: &str = "select id, matchers, by, why, starts_at, ends_at, created_at, ended_by from silence where true";

const ALERT_LABELS: &str = "select a.id as alert, a.rule, a.severity, coalesce(u.region, '') as region, \
     coalesce(u.site, '') as site, coalesce(u.maintainer, '') as maintainer, coalesce(u.owner, '') as owner, \
     a.unit from alert a left join unit u on u.id = a.unit";

/// A silence as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SilenceRow {
    pub id: String,
    /// JSON list of `[label, operator, value]`.
    pub matchers: String,
    pub by: String,
    pub why: String,
    pub starts_at: i64,
    pub ends_at: i64,
    pub created_at: i64,
    /// Who ended it before its time.
    pub ended_by: Option<String>,
}

/// When a silence is in force, seen from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SilenceState {
    /// Not yet.
    Pending,
    Active,
    /// No more.
    Expired,
}

/// Which silences, the newest first.
#[derive(Debug, Clone, Default)]
pub struct SilenceFilter {
    /// `None` is all of them.
    pub state: Option<SilenceState>,
    pub after: Option<String>,
    pub limit: u32,
}

/// What matchers are held against. What the registry does not tell is empty.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct LabelRow {
    /// The alert's id; empty for a unit.
    pub alert: String,
    pub rule: String,
    pub severity: String,
    pub region: String,
    pub site: String,
    pub maintainer: String,
    pub owner: String,
    pub unit: String,
}

impl SilenceRow {
    /// When it is in force, seen from `now` in milliseconds.
    #[must_use]
    pub fn state(&self, now: i64) -> SilenceState {
        match self {
            _ if self.ends_at <= now => SilenceState::Expired,
            _ if self.starts_at > now => SilenceState::Pending,
            _ => SilenceState::Active,
        }
    }
}

impl Reader {
    /// A page of silences, the newest first; `now` in milliseconds.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn silences(&self, filter: &SilenceFilter, now: i64) -> Result<Page<SilenceRow>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        match filter.state {
            Some(SilenceState::Expired) => query.push(" and ends_at <= ").push_bind(now),
            Some(SilenceState::Pending) => {
                query.push(" and ends_at > ").push_bind(now).push(" and starts_at > ").push_bind(now)
            }
            Some(SilenceState::Active) => {
                query.push(" and ends_at > ").push_bind(now).push(" and starts_at <= ").push_bind(now)
            }
            None => &mut query,
        };
        if let Some(after) = &filter.after {
            query.push(" and id < ").push_bind(after.clone());
        }
        query.push(" order by id desc limit ").push_bind(i64::from(filter.limit) + 1);
        let rows = query.build_query_as::<SilenceRow>().fetch_all(&mut *snapshot.tx).await?;
        Ok(Page::cut(rows, filter.limit, |row| row.id.clone()))
    }

    /// One silence; `None` if there is no such silence.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn silence(&self, id: &str) -> Result<Option<SilenceRow>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push(" and id = ").push_bind(id);
        Ok(query.build_query_as::<SilenceRow>().fetch_optional(&mut *snapshot.tx).await?)
    }

    /// The labels of every alert that fires, the oldest first.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn labels_firing(&self) -> Result<Vec<LabelRow>, ReadError> {
        let mut query = QueryBuilder::<Sqlite>::new(ALERT_LABELS);
        query.push(" where a.state = 'firing'");
        self.scope.of_unit(&mut query, "a.unit");
        query.push(" order by a.id");
        Ok(query.build_query_as().fetch_all(&mut *self.snapshot().await?.tx).await?)
    }

    /// The labels of one alert; `None` if there is no such alert.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn labels_of_alert(&self, id: &str) -> Result<Option<LabelRow>, ReadError> {
        let mut query = QueryBuilder::<Sqlite>::new(ALERT_LABELS);
        query.push(" where a.id = ").push_bind(id);
        self.scope.of_unit(&mut query, "a.unit");
        Ok(query.build_query_as().fetch_optional(&mut *self.snapshot().await?.tx).await?)
    }

    /// The labels of every unit in the registry, by its id.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn labels_of_units(&self) -> Result<Vec<LabelRow>, ReadError> {
        let mut query = QueryBuilder::<Sqlite>::new(
            "select '' as alert, '' as rule, '' as severity, region, site, maintainer, owner, id as unit from unit \
             where true",
        );
        self.scope.of_row(&mut query, "unit");
        query.push(" order by id");
        Ok(query.build_query_as().fetch_all(&mut *self.snapshot().await?.tx).await?)
    }
}
