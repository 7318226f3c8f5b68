//! Messages that were refused, with the first 4 KiB of each, and units that the registry does not have.

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::scope::Scope;
use super::{Page, ReadError, Reader};

/// Columns of a refused message without its payload.
const SELECT: &str = "select id, received_at, region, publisher, unit, topic, reason, detail, payload_size, payload_sha256 from quarantine where true";

/// A refused message without its payload.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct RefusedRow {
    pub id: i64,
    pub received_at: i64,
    pub region: String,
    /// Empty where the topic does not tell; so with `unit`.
    pub publisher: String,
    pub unit: String,
    pub topic: String,
    pub reason: String,
    pub detail: String,
    /// Bytes of the whole payload, of which the first 4 KiB are kept.
    pub payload_size: i64,
    pub payload_sha256: String,
}

/// A unit that speaks and is not in the registry.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct UnregisteredRow {
    pub publisher: String,
    pub unit: String,
    pub region: String,
    pub first_at: i64,
    pub last_at: i64,
    pub messages: i64,
}

/// Which refused messages, newest first.
#[derive(Debug, Clone, Default)]
pub struct QuarantineFilter {
    pub reason: Option<String>,
    pub publisher: Option<String>,
    pub unit: Option<String>,
    pub after: Option<i64>,
    pub limit: u32,
}

impl Reader {
    /// A page of refused messages, the last received first.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn quarantine(&self, filter: &QuarantineFilter) -> Result<Page<RefusedRow>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        page(&mut snapshot.tx, filter, &self.scope).await
    }

    /// One refused message with the first 4 KiB of its payload.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn refused(&self, id: i64) -> Result<Option<(RefusedRow, Vec<u8>)>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let tx = &mut snapshot.tx;
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        query.push(" and id = ").push_bind(id);
        self.scope.of_region(&mut query, "region");
        let Some(row) = query.build_query_as::<RefusedRow>().fetch_optional(&mut **tx).await? else { return Ok(None) };
        let payload =
            sqlx::query_scalar("select payload from quarantine where id = $1").bind(id).fetch_one(&mut **tx).await?;
        Ok(Some((row, payload)))
    }

    /// At most `limit` refused messages after the number `after`, oldest first, with their payloads: one slice of an export.
    ///
    /// # Errors
    /// [`ReadError`] says why the database gave no answer.
    pub async fn refused_since(&self, after: i64, limit: u32) -> Result<Vec<(RefusedRow, Vec<u8>)>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let tx = &mut snapshot.tx;
        let mut query = QueryBuilder::<Sqlite>::new(SELECT);
        let mut payloads = QueryBuilder::<Sqlite>::new("select payload from quarantine where true");
        for query in [&mut query, &mut payloads] {
            query.push(" and id > ").push_bind(after);
            self.scope.of_region(query, "region");
            query.push(" order by id limit ").push_bind(limit);
        }
        let rows = query.build_query_as::<RefusedRow>().fetch_all(&mut **tx).await?;
        let payloads: Vec<Vec<u8>> = payloads.build_query_scalar().fetch_all(&mut **tx).await?;
        Ok(rows.into_iter().zip(payloads).collect())
    }

    /// A page of unregistered units in order of (publisher, unit); `after` is `publisher/unit`.
    ///
    /// # Errors
    /// [`ReadError::NoSuchPlace`] if `after` has no `/`, else why the database gave no answer.
    pub async fn unregistered(&self, after: Option<&str>, limit: u32) -> Result<Page<UnregisteredRow>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let mut query = QueryBuilder::<Sqlite>::new(
            "select publisher, unit, region, first_at, last_at, messages from unregistered_unit where true",
        );
        if let Some(after) = after {
            let (publisher, unit) = after.split_once('/').ok_or_else(|| ReadError::NoSuchPlace(after.to_owned()))?;
            query.push(" and (publisher, unit) > (").push_bind(publisher).push(", ").push_bind(unit).push(")");
        }
        self.scope.of_region(&mut query, "region");
        query.push(" order by publisher, unit limit ").push_bind(i64::from(limit) + 1);
        let rows = query.build_query_as::<UnregisteredRow>().fetch_all(&mut *snapshot.tx).await?;
        Ok(Page::cut(rows, limit, |row| format!("{}/{}", row.publisher, row.unit)))
    }
}

async fn page(
    tx: &mut SqliteConnection,
    filter: &QuarantineFilter,
    scope: &Scope,
) -> Result<Page<RefusedRow>, ReadError> {
    let mut query = QueryBuilder::<Sqlite>::new(SELECT);
    if let Some(reason) = &filter.reason {
        query.push(" and reason = ").push_bind(reason.clone());
    }
    if let Some(publisher) = &filter.publisher {
        query.push(" and publisher = ").push_bind(publisher.clone());
    }
    if let Some(unit) = &filter.unit {
        query.push(" and unit = ").push_bind(unit.clone());
    }
    if let Some(after) = filter.after {
        query.push(" and id < ").push_bind(after);
    }
    scope.of_region(&mut query, "region");
    query.push(" order by id desc limit ").push_bind(i64::from(filter.limit) + 1);
    let rows = query.build_query_as::<RefusedRow>().fetch_all(tx).await?;
    Ok(Page::cut(rows, filter.limit, |row| row.id.to_string()))
}
