//! Gaps in what units told: numbers that were announced or skipped and never came.

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::scope::Scope;
use super::{Page, ReadError, Reader};

/// Columns of a gap; every query of gaps begins with this.
const SELECT: &str = "select id, unit, boot, from_seq, to_seq, found_at, closed_at from gap where true";

/// One stretch of missing event numbers, both ends included.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct GapRow {
    pub id: i64,
    pub unit: String,
    pub boot: String,
    pub from_seq: i64,
    pub to_seq: i64,
    pub found_at: i64,
    /// When the last missing event came after all.
    pub closed_at: Option<i64>,
}

/// Which gaps, newest first.
#[derive(Debug, Clone, Default)]
pub struct GapFilter {
    pub unit: Option<String>,
    /// `Some(true)` only open ones, `Some(false)` only closed ones.
    pub open: Option<bool>,
    pub after: Option<i64>,
    pub limit: u32,
}

impl Reader {
    /// A page of gaps, the last found first.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn gaps(&self, filter: &GapFilter) -> Result<Page<GapRow>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        page(&mut snapshot.tx, filter, &self.scope).await
    }
}

/// The page that `filter` asks for, on a connection that is already reading.
pub(super) async fn page(
    tx: &mut SqliteConnection,
    filter: &GapFilter,
    scope: &Scope,
) -> Result<Page<GapRow>, ReadError> {
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    if let Some(unit) = &filter.unit {
        query.push(" and unit = ").push_bind(unit.clone());
    }
    match filter.open {
        Some(true) => query.push(" and closed_at is null"),
        Some(false) => query.push(" and closed_at is not null"),
        None => &mut query,
    };
    if let Some(after) = filter.after {
        query.push(" and id < ").push_bind(after);
    }
    scope.of_unit(&mut query, "gap.unit");
    query.push(" order by id desc limit ").push_bind(i64::from(filter.limit) + 1);
    let rows = query.build_query_as::<GapRow>().fetch_all(tx).await?;
    Ok(Page::cut(rows, filter.limit, |row| row.id.to_string()))
}

/// One gap by its number.
pub(super) async fn one(tx: &mut SqliteConnection, id: i64) -> Result<Option<GapRow>, ReadError> {
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    query.push(" and id = ").push_bind(id);
    Ok(query.build_query_as::<GapRow>().fetch_optional(tx).await?)
}
