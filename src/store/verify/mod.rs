//! Checks a whole database file against its own ledger, and against checkpoints that were kept elsewhere.
//!
//! Reads only, and believes nothing: every hash is made anew from the entries, and every row from which an entry was
//! made is held against it.

pub mod report;

pub mod packed;

pub mod bulk;

pub mod log;

pub mod rows;

pub mod people;

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use crate::ledger::checkpoint::PublicKey;

use super::error::StoreError;
use report::{Outside, Report};

/// Rows that the engine's thread may be ahead; many of them are a page of others.
const ROWS_AHEAD: usize = 64;

/// Checks the file. With keys, each of its checkpoints must be signed by one of them; there are several where a ledger
/// went on under another name.
///
/// # Errors
/// The file cannot be opened or read; what is wrong with what it says is in the report.
pub async fn verify(path: &Path, keys: &[PublicKey], outside: &[Outside]) -> Result<Report, StoreError> {
    let failed = |source| StoreError::opening(path, source);
    let mut reader = SqliteConnection::connect_with(&options(path)).await.map_err(failed)?;
    let mut report = Report::default();
    // One snapshot: a daemon may go on writing meanwhile.
    let mut snapshot = reader.begin().await.map_err(failed)?;
    let faults: Vec<String> =
        sqlx::query_scalar("pragma integrity_check(20)").fetch_all(&mut *snapshot).await.map_err(failed)?;
    for fault in faults.into_iter().filter(|fault| fault != "ok") {
        report.find(format!("SQLite: {fault}"));
    }
    let checked = log::check(&mut snapshot, keys, outside, &mut report).await;
    readable(checked, &mut report)?;
    let mut told = people::Told::default();
    let checked = rows::check(&mut snapshot, &mut told, &mut report).await;
    readable(checked, &mut report)?;
    let checked = people::check(&mut snapshot, &told, &mut report).await;
    readable(checked, &mut report)?;
    snapshot.rollback().await?;
    reader.close().await?;
    Ok(report)
}

/// How a file is opened to be verified.
#[must_use]
pub fn options(path: &Path) -> SqliteConnectOptions {
    // Every row is looked up in every index; those of 100,000s of visits are to stay in memory. 256 MiB.
    let options = SqliteConnectOptions::new().filename(path).read_only(true).pragma("cache_size", "-262144");
    options.row_buffer_size(ROWS_AHEAD)
}

/// A value of another type than its column's ends that part of the check, and is a finding of its own.
fn readable(checked: Result<(), StoreError>, report: &mut Report) -> Result<(), StoreError> {
    match checked {
        Err(StoreError::Engine(error @ sqlx::Error::ColumnDecode { .. })) => {
            report.find(format!("a value that this program cannot have written: {error}"));
            Ok(())
        }
        other => other,
    }
}
