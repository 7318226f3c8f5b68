//! Read-only questions to the database, each one consistent snapshot of at most five seconds. Never writes.

pub mod alerts;

pub mod answers;

pub mod received;

pub mod silences;

pub mod areas;

pub mod troubles;

pub mod city;

pub mod deliveries;

pub mod events;

pub mod gaps;

pub mod gauges;

pub mod ledger;

pub mod leafless;

pub mod bundles;

pub mod notify;

pub mod recent;

pub mod timeline;

pub mod quarantine;

pub mod scope;

pub mod units;

pub mod tokens;

pub mod visits;

pub mod overdue;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{Sqlite, Transaction};

use scope::Scope;

/// A reader held open keeps the write-ahead log from shrinking so a reader has 5 s.
const LONGEST_READ: Duration = Duration::from_secs(5);

/// SQLite asks whether to go on after this many instructions: about 100 µs apart, too rare to cost anything.
const INSTRUCTIONS_BETWEEN_CHECKS: i32 = 10_000;

/// Connections for reading: pages, API and /metrics together; more only compete for the disk.
const CONNECTIONS: u32 = 4;

/// Rows that SQLite may be ahead of whoever reads them: with few, two threads wake each other for every row. The largest
/// rows hold 4 KiB of a refused message.
const ROWS_AHEAD: usize = 1_024;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The engine failed, or had no free connection within five seconds.
    #[error("cannot read the database: {0}")]
    Database(#[source] sqlx::Error),
    /// The question took more than five seconds.
    #[error("the question took more than 5 s; ask for fewer rows or a narrower range")]
    TooLong,
    /// `after` names no row to go on from.
    #[error("{0:?} is not a place to go on from; use the `next` of an earlier page")]
    NoSuchPlace(String),
    /// An entry of the ledger whose leaf was asked for, and the entry that records its end.
    #[error(
        "entry {index} was pruned by age, as entry {by} of the ledger records; its hash and its place in the tree are kept, \
         and what it said is not"
    )]
    Pruned { index: u64, by: u64 },
    /// A row says what this version does not understand.
    #[error("{table} {id}: {what}")]
    Row { table: &'static str, id: String, what: String },
}

impl From<sqlx::Error> for ReadError {
    fn from(error: sqlx::Error) -> Self {
        let interrupted = matches!(&error, sqlx::Error::Database(e) if e.code().as_deref() == Some("9"));
        if interrupted { Self::TooLong } else { Self::Database(error) }
    }
}

/// Rows of a list and where the next page begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The place to hand in as `after`; `None` on the last page.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of at most `limit` rows from a query that asked for one more.
    fn cut(mut items: Vec<T>, limit: u32, place: impl Fn(&T) -> String) -> Self {
        let full = items.len() > limit as usize;
        items.truncate(limit as usize);
        let next = if full { items.last().map(place) } else { None };
        Self { items, next }
    }
}

/// Answers what people and scrapers ask; a clone shares the connections.
#[derive(Debug, Clone)]
pub struct Reader {
    pool: SqlitePool,
    path: Arc<PathBuf>,
    longest: Duration,
    /// What the asker may see; everything, unless [`Reader::within`] says less.
    scope: Scope,
}

impl Reader {
    /// Opens a read-only pool on the database that the writer has already made.
    ///
    /// # Errors
    /// [`ReadError::Database`] when the file is missing or is no database.
    pub async fn open(path: &Path) -> Result<Self, ReadError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(LONGEST_READ)
            .row_buffer_size(ROWS_AHEAD)
            // 1 MiB for each connection: what is read again comes from the system's cache.
            .pragma("cache_size", "-1024")
            .pragma("query_only", "true");
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(LONGEST_READ)
            .connect_with(options)
            .await?;
        Ok(Self { pool, path: Arc::new(path.to_path_buf()), longest: LONGEST_READ, scope: Scope::All })
    }

    /// The same reader for somebody who may see only so much.
    #[must_use]
    pub fn within(&self, scope: Scope) -> Self {
        Self { scope, ..self.clone() }
    }

    /// Which part of the city this reader shows.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether the database can be read at all.
    ///
    /// # Errors
    /// [`ReadError`] says why not.
    pub async fn answers(&self) -> Result<(), ReadError> {
        let mut snapshot = self.snapshot().await?;
        sqlx::query("select name from setting limit 1").fetch_optional(&mut *snapshot.tx).await?;
        Ok(())
    }

    /// Closes the connections, so that the writer can fold the log into the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// One consistent view of the database that SQLite abandons after five seconds.
    async fn snapshot(&self) -> Result<Snapshot, ReadError> {
        let mut tx = self.pool.begin().await?;
        let expired = Arc::new(AtomicBool::new(false));
        let (seen, set) = (Arc::clone(&expired), expired);
        tx.lock_handle()
            .await?
            .set_progress_handler(INSTRUCTIONS_BETWEEN_CHECKS, move || !seen.load(Ordering::Relaxed));
        let longest = self.longest;
        let timer = tokio::spawn(async move {
            tokio::time::sleep(longest).await;
            set.store(true, Ordering::Relaxed);
        });
        Ok(Snapshot { tx, timer })
    }
}

/// A read transaction; dropping it ends the transaction and its timer.
struct Snapshot {
    tx: Transaction<'static, Sqlite>,
    timer: tokio::task::JoinHandle<()>,
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.timer.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_without_end_is_abandoned_and_its_connection_serves_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("liftwatch.db");
        crate::store::Store::open(&path).await.unwrap().close().await.unwrap();
        let mut reader = Reader::open(&path).await.unwrap();
        reader.longest = Duration::from_millis(50);
        let mut snapshot = reader.snapshot().await.unwrap();
        let endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n";
        let answer = sqlx::query_scalar::<_, i64>(endless).fetch_one(&mut *snapshot.tx).await;
        assert!(matches!(answer.map_err(ReadError::from), Err(ReadError::TooLong)));
        drop(snapshot);
        for _ in 0..CONNECTIONS {
            reader.answers().await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_reader_cannot_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("liftwatch.db");
        crate::store::Store::open(&path).await.unwrap().close().await.unwrap();
        let reader = Reader::open(&path).await.unwrap();
        let mut snapshot = reader.snapshot().await.unwrap();
        assert!(sqlx::query("delete from setting").execute(&mut *snapshot.tx).await.is_err());
    }
}
