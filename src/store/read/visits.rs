//! Maintenance visits as their records tell them: the newest of a unit, and one by its id.

use sqlx::SqliteConnection;

use super::ReadError;

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
    /// The whole record as JSON.
    pub body: String,
    pub received_at: i64,
}

/// A unit's newest visits, the newest first.
pub(super) async fn newest(tx: &mut SqliteConnection, unit: &str, limit: u32) -> Result<Vec<VisitRow>, ReadError> {
    let rows = sqlx::query_as(
        "select id, unit, publisher, record_id, kind, started_at, ended_at, supersedes, body, received_at \
         from visit where unit = $1 order by started_at desc limit $2",
    )
    .bind(unit)
    .bind(limit)
    .fetch_all(tx)
    .await?;
    Ok(rows)
}

/// One visit by its id.
pub(super) async fn one(tx: &mut SqliteConnection, id: &str) -> Result<Option<VisitRow>, ReadError> {
    let row = sqlx::query_as(
        "select id, unit, publisher, record_id, kind, started_at, ended_at, supersedes, body, received_at \
         from visit where id = $1",
    )
    .bind(id)
    .fetch_optional(tx)
    .await?;
    Ok(row)
}
