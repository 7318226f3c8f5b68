//! A copy of the database beside a running daemon, as of one moment. Reads the file through SQLite alone: a copy of a live
//! file by other means lacks what is still in its write-ahead log.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use super::APPLICATION_ID;
use super::error::StoreError;

/// Why there is no backup. What was begun is removed again.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{} is there already; name a new file", _0.display())]
    There(PathBuf),
    #[error("{} is not there: nothing to keep yet; is it the [store] path of the daemon?", _0.display())]
    Absent(PathBuf),
    #[error("{} cannot be written: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("the copy cannot be made: {0}")]
    Copy(sqlx::Error),
    #[error("the copy is not whole ({0}); the database may be damaged: see docs/OPERATIONS.md, Exit 70")]
    NotWhole(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes the database at `from` to the new file `to`, readable by us alone, checks every page and index of the copy, and
/// gives it its name when it is on disk. Says how many bytes it has.
///
/// The snapshot holds up the folding of the write-ahead log for as long as the copy takes.
///
/// # Errors
/// [`BackupError`]; then there is no file `to`.
pub async fn backup(from: &Path, to: &Path) -> Result<u64, BackupError> {
    if to.exists() {
        return Err(BackupError::There(to.to_owned()));
    }
    if !from.exists() {
        return Err(BackupError::Absent(from.to_owned()));
    }
    let mut name = to.as_os_str().to_owned();
    name.push(format!(".part-{:08x}", fastrand::u32(..)));
    let part = PathBuf::from(name);
    let done = fill(from, &part, to).await;
    if done.is_err() {
        // What it cannot remove it could not make either.
        drop(std::fs::remove_file(&part));
    }
    done
}

async fn fill(from: &Path, part: &Path, to: &Path) -> Result<u64, BackupError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| BackupError::Write { path, source }
    };
    // SQLite fills a file that is empty, and keeps its mode.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(part).map_err(failed(to))?;
    copy(from, part).await?;
    let bytes =
        File::open(part).and_then(|file| file.sync_all().and_then(|()| file.metadata())).map_err(failed(to))?.len();
    check(part).await?;
    // A link, unlike a rename, never takes the place of a file that somebody has made meanwhile.
    std::fs::hard_link(part, to).and_then(|()| std::fs::remove_file(part)).map_err(failed(to))?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(to))?;
    Ok(bytes)
}

async fn copy(from: &Path, part: &Path) -> Result<(), BackupError> {
    let opening = |source| StoreError::opening(from, source);
    let options = SqliteConnectOptions::new().filename(from).read_only(true);
    let mut live = SqliteConnection::connect_with(&options).await.map_err(opening)?;
    let id: i64 = sqlx::query_scalar("pragma application_id").fetch_one(&mut live).await.map_err(opening)?;
    if id != APPLICATION_ID {
        return Err(StoreError::NotOurs { path: from.to_owned() }.into());
    }
    let place = part.to_string_lossy().into_owned();
    sqlx::query("vacuum into $1").bind(place).execute(&mut live).await.map_err(BackupError::Copy)?;
    live.close().await.map_err(BackupError::Copy)
}

async fn check(part: &Path) -> Result<(), BackupError> {
    let options = SqliteConnectOptions::new().filename(part).read_only(true).immutable(true);
    let mut copy = SqliteConnection::connect_with(&options).await.map_err(BackupError::Copy)?;
    let verdict: String =
        sqlx::query_scalar("pragma integrity_check(1)").fetch_one(&mut copy).await.map_err(BackupError::Copy)?;
    let id: i64 = sqlx::query_scalar("pragma application_id").fetch_one(&mut copy).await.map_err(BackupError::Copy)?;
    copy.close().await.map_err(BackupError::Copy)?;
    match verdict.as_str() {
        "ok" if id == APPLICATION_ID => Ok(()),
        "ok" => Err(BackupError::NotWhole(format!("its mark is {id:#x}"))),
        fault => Err(BackupError::NotWhole(fault.to_owned())),
    }
}
