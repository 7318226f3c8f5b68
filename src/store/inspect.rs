//! Looks at a database file without writing to it: whether a daemon has it, and whether it is whole.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use super::error::StoreError;
use super::lock::FileLock;

/// How a database file stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The first start makes it.
    Absent,
    /// A running daemon has it, and checked it when it started.
    InUse,
    Whole,
    /// The first fault that SQLite's quick check tells.
    Damaged(String),
}

/// Bytes that this user may still write to the disk of a folder.
///
/// # Errors
/// The system does not say.
pub fn free_bytes(folder: &Path) -> std::io::Result<u64> {
    let told = rustix::fs::statvfs(folder)?;
    Ok(told.f_bavail.saturating_mul(told.f_frsize))
}

/// Runs SQLite's quick check on the whole file. No daemon can start on it meanwhile.
///
/// # Errors
/// The lock file cannot be made, or the file cannot be opened.
pub async fn inspect(path: &Path) -> Result<Standing, StoreError> {
    if !path.exists() {
        return Ok(Standing::Absent);
    }
    let _lock = match FileLock::acquire(path) {
        Ok(lock) => lock,
        Err(StoreError::AlreadyRunning { .. }) => return Ok(Standing::InUse),
        Err(error) => return Err(error),
    };
    let failed = |source| StoreError::opening(path, source);
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut reader = SqliteConnection::connect_with(&options).await.map_err(failed)?;
    let verdict: String = sqlx::query_scalar("pragma quick_check(1)").fetch_one(&mut reader).await.map_err(failed)?;
    reader.close().await?;
    Ok(if verdict == "ok" { Standing::Whole } else { Standing::Damaged(verdict) })
}
