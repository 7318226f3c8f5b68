//! What can go wrong with the file, and what the daemon must do about it.

use std::path::{Path, PathBuf};

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{} is in use by another liftwatch; stop it, or give this one a file of its own ([store] path, or demo's --dir)", path.display())]
    AlreadyRunning { path: PathBuf },
    #[error("cannot lock {}: {source}; does its folder exist, and may we write there?", path.display())]
    Lock { path: PathBuf, source: std::io::Error },
    #[error("cannot open {}: {source}", path.display())]
    Open { path: PathBuf, source: sqlx::Error },
    #[error("{} was made by a newer liftwatch (schema {version}); install that one, this one does not touch it", path.display())]
    Newer { path: PathBuf, version: i64 },
    #[error("cannot bring {} to this program's schema: {source}", path.display())]
    Migrate { path: PathBuf, source: sqlx::migrate::MigrateError },
    #[error("{} is a database of another program; name another file in [store] path", path.display())]
    NotOurs { path: PathBuf },
    #[error("{} is damaged: {what}; nothing is written to it: keep it aside, restore a backup, or copy what is readable with `sqlite3 FILE .recover`", path.display())]
    Damaged { path: PathBuf, what: String },
    #[error("{} cannot keep a commit through a power cut (journal {journal}, synchronous {synchronous}); put it on a local disk", path.display())]
    NotDurable { path: PathBuf, journal: String, synchronous: i64 },
    #[error("built with SQLite {found}, which can corrupt a write-ahead log; {least} is the least")]
    OldEngine { found: String, least: &'static str },
    #[error("a row of {table} holds what this program cannot have written: {what}")]
    Row { table: &'static str, what: String },
    #[error("the database: {0}")]
    Engine(#[from] sqlx::Error),
}

/// What the writer does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Roll back, acknowledge nothing, try the same again: a full disk, a lock held elsewhere.
    Retry,
    /// Stop acknowledging and end with exit code 70: a disk that fails cannot be trusted with a second try.
    Stop,
}

impl StoreError {
    /// What an engine's error means while a file is opened: damage if SQLite calls the file corrupt (11), or no
    /// database at all (26).
    #[must_use]
    pub fn opening(path: &Path, source: sqlx::Error) -> Self {
        match primary_code(&source) {
            Some(11 | 26) => Self::Damaged { path: path.to_owned(), what: source.to_string() },
            _ => Self::Open { path: path.to_owned(), source },
        }
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        // SQLite's primary result codes: 5 busy, 6 locked, 13 full. An input/output error (10) is never retried:
        // after a failed fsync the kernel may have dropped the pages that it says are clean.
        match self {
            Self::Engine(error) if matches!(primary_code(error), Some(5 | 6 | 13)) => Remedy::Retry,
            _ => Remedy::Stop,
        }
    }
}

/// SQLite's primary result code.
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let sqlx::Error::Database(error) = error else { return None };
    let extended: u32 = error.code()?.parse().ok()?;
    Some(extended & 0xff)
}
