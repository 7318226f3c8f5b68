//! SQLite, and SQL only here. One writer connection with one transaction at a time; readers have their own pool.
//!
//! Nothing above this room knows the engine: it calls use cases such as `histories` or `record`.

pub mod lock;

pub mod error;

pub mod words;

mod stretch;

mod rows;

pub mod registry;

pub mod facts;

pub mod visits;

pub mod people;

pub mod numbering;

pub mod history;

pub mod alerts;

pub mod notify;

pub mod deliveries;

pub mod answers;

pub mod silences;

pub mod tokens;

pub mod areas;

pub mod ledger;

pub mod entries;

pub mod retention;

pub mod pruning;

pub mod troubles;

pub mod refused;

pub mod live;

pub mod inspect;

pub mod verify;

pub mod backup;

pub mod read;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{Connection, Sqlite, SqliteConnection, Transaction};

use entries::Entry;
use error::{Remedy, StoreError};
use lock::FileLock;

use crate::domain::time::Timestamp;
use crate::ledger::leaf::EntryKind;
use crate::switches::{self, Switch};

/// The database file with the right to write it. At most one process has it.
pub struct Store {
    writer: SqliteConnection,
    /// The last transaction did not end with its commit.
    broken: bool,
    path: PathBuf,
    _lock: FileLock,
}

/// One transaction: everything in it becomes durable together, or nothing does.
pub struct Change<'s> {
    transaction: Transaction<'s, Sqlite>,
    broken: &'s mut bool,
    /// What the rows of this transaction say in the ledger, in the order in which they were written.
    entries: Vec<Entry>,
}

/// SQLite's "this file is ours" mark: `lift` in ASCII.
const APPLICATION_ID: i64 = 0x6c69_6674;

/// Every step from an empty file to this program's schema.
static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/store/migrations");

/// The first SQLite without the corruption of a write-ahead log that is reset while it is read.
const LEAST_SQLITE: &str = "3.51.3";

impl Store {
    /// Opens the file, makes it if it is missing, and brings it to this program's schema.
    ///
    /// # Errors
    /// [`StoreError::AlreadyRunning`] when another process writes it; [`StoreError::Newer`] when a newer program made
    /// it; [`StoreError::Damaged`] when SQLite's quick check finds damage.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = FileLock::acquire(path)?;
        let mut writer = connect(path).await.map_err(|source| StoreError::opening(path, source))?;
        check_engine(&mut writer).await?;
        check_file(&mut writer, path).await?;
        prepare(&mut writer).await?;
        migrate(&mut writer, path).await?;
        let mut store = Self { writer, broken: false, path: path.to_owned(), _lock: lock };
        let (journal, synchronous) = store.durability().await?;
        let safe = (journal.as_str(), synchronous) == ("wal", 2) || switches::is_on(Switch::SynchronousNormal);
        if !safe {
            return Err(StoreError::NotDurable { path: path.to_owned(), journal, synchronous });
        }
        Ok(store)
    }

    /// Begins the one transaction.
    ///
    /// # Errors
    /// Those of the engine: a lock held elsewhere for over 10 s, a full or failing disk.
    pub async fn begin(&mut self) -> Result<Change<'_>, StoreError> {
        if self.broken {
            // On a full disk SQLite rolls back by itself. The driver does not notice and holds the connection for
            // being inside that transaction for ever, so only another connection can begin one.
            let fresh = connect(&self.path).await?;
            let spoiled = std::mem::replace(&mut self.writer, fresh);
            self.broken = false;
            // What it might still say of its end does not matter: nothing of it was to be stored.
            drop(spoiled.close().await);
        }
        let transaction = self.writer.begin_with("begin immediate").await?;
        self.broken = true;
        Ok(Change { transaction, broken: &mut self.broken, entries: Vec::new() })
    }

    /// The journal's mode, and how hard the writer synchronises (2 is `full`).
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn durability(&mut self) -> Result<(String, i64), StoreError> {
        let journal = sqlx::query_scalar("pragma journal_mode").fetch_one(&mut self.writer).await?;
        let synchronous = sqlx::query_scalar("pragma synchronous").fetch_one(&mut self.writer).await?;
        Ok((journal, synchronous))
    }

    /// Folds the write-ahead log into the file and empties it, so that nothing is left in it of what was overwritten.
    /// Says whether it could: not while somebody reads an older state. It does not wait for them.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn fold(&mut self) -> Result<bool, StoreError> {
        sqlx::query("pragma busy_timeout = 0").execute(&mut self.writer).await?;
        let folded = sqlx::query_scalar::<_, i64>("pragma wal_checkpoint(truncate)").fetch_one(&mut self.writer).await;
        let patience = format!("pragma busy_timeout = {}", PATIENCE.as_millis());
        sqlx::query(sqlx::AssertSqlSafe(patience)).execute(&mut self.writer).await?;
        match folded.map_err(StoreError::from) {
            Ok(busy) => Ok(busy == 0),
            Err(error) if error.remedy() == Remedy::Retry => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes the file; the write-ahead log is folded in.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn close(mut self) -> Result<(), StoreError> {
        // Closing alone folds nothing in while a reader has the file open, which somebody always has.
        sqlx::query("pragma wal_checkpoint(passive)").execute(&mut self.writer).await?;
        Ok(self.writer.close().await?)
    }
}

impl Change<'_> {
    /// Puts the entries of its rows into the ledger and makes everything durable. When it returns `Ok`, the disk has it.
    ///
    /// # Errors
    /// Those of the engine; then nothing of it is stored.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        self.append_entries().await?;
        self.transaction.commit().await?;
        *self.broken = false;
        Ok(())
    }

    /// The value of a setting that the file keeps.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn setting(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        let value = sqlx::query_scalar("select value from setting where name = $1").bind(name);
        Ok(value.fetch_optional(&mut *self.transaction).await?)
    }

    /// Keeps a setting in the file that the whole city is judged by or runs with, and enters it into the ledger if it
    /// is another than before. Gives whether it is.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn declare(&mut self, kind: EntryKind, value: &str, now: Timestamp) -> Result<bool, StoreError> {
        let name = kind.as_str();
        if self.setting(name).await?.as_deref() == Some(value) {
            return Ok(false);
        }
        self.set_setting(name, value).await?;
        self.enter(entries::setting(kind, value, now));
        Ok(true)
    }

    /// Keeps a setting in the file.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn set_setting(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        let set = "insert into setting (name, value) values ($1, $2) on conflict (name) do update set value = $2";
        sqlx::query(set).bind(name).bind(value).execute(&mut *self.transaction).await?;
        Ok(())
    }
}

/// How long the writer waits for a lock that somebody else holds.
const PATIENCE: Duration = Duration::from_secs(10);

/// `full`: a commit that has returned is on the disk.
fn synchronous() -> SqliteSynchronous {
    if switches::is_on(Switch::SynchronousNormal) { SqliteSynchronous::Normal } else { SqliteSynchronous::Full }
}

/// The connection that writes. Nothing here writes to the file: it may turn out not to be ours, or damaged.
async fn connect(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .synchronous(synchronous())
        .busy_timeout(PATIENCE)
        // Rows come from the engine's thread; with the default of 50 the two threads wake each other for every few rows.
        .row_buffer_size(8_192)
        .foreign_keys(false)
        // What is deleted is overwritten: it may be a name in a message that was kept for a while.
        .pragma("secure_delete", "on")
        .pragma("temp_store", "memory")
        .pragma("cache_size", "-8192")
        // 16 MiB: pages that change in every batch are folded in once for many batches.
        .pragma("wal_autocheckpoint", "4096")
        .pragma("journal_size_limit", "67108864");
    SqliteConnection::connect_with(&options).await
}

async fn check_engine(writer: &mut SqliteConnection) -> Result<(), StoreError> {
    let found: String = sqlx::query_scalar("select sqlite_version()").fetch_one(writer).await?;
    let number = |version: &str| -> Vec<u32> { version.split('.').map(|part| part.parse().unwrap_or(0)).collect() };
    if number(&found) < number(LEAST_SQLITE) {
        return Err(StoreError::OldEngine { found, least: LEAST_SQLITE });
    }
    Ok(())
}

async fn check_file(writer: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::opening(path, source);
    let id: i64 = sqlx::query_scalar("pragma application_id").fetch_one(&mut *writer).await.map_err(failed)?;
    let tables = "select name from sqlite_schema where type = 'table'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut *writer).await.map_err(failed)?;
    if !tables.is_empty() && id != APPLICATION_ID {
        return Err(StoreError::NotOurs { path: path.to_owned() });
    }
    let verdict: String = sqlx::query_scalar("pragma quick_check(1)").fetch_one(&mut *writer).await.map_err(failed)?;
    if verdict != "ok" {
        return Err(StoreError::Damaged { path: path.to_owned(), what: verdict });
    }
    if tables.iter().any(|table| table == "_sqlx_migrations") {
        let newest = "select coalesce(max(version), 0) from _sqlx_migrations";
        let version: i64 = sqlx::query_scalar(newest).fetch_one(&mut *writer).await.map_err(failed)?;
        if !MIGRATIONS.version_exists(version) && version > 0 {
            return Err(StoreError::Newer { path: path.to_owned(), version });
        }
    }
    Ok(())
}

/// Makes the file ours; for one that is, this writes nothing.
async fn prepare(writer: &mut SqliteConnection) -> Result<(), StoreError> {
    let id: i64 = sqlx::query_scalar("pragma application_id").fetch_one(&mut *writer).await?;
    if id != APPLICATION_ID {
        // 0x6c696674 is APPLICATION_ID; a pragma takes no parameter.
        sqlx::query("pragma application_id = 0x6c696674").execute(&mut *writer).await?;
    }
    sqlx::query("pragma journal_mode = wal").execute(&mut *writer).await?;
    Ok(())
}

async fn migrate(writer: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    MIGRATIONS.run_direct(None, writer, false).await.map_err(|error| match error {
        sqlx::migrate::MigrateError::VersionMissing(version) => StoreError::Newer { path: path.to_owned(), version },
        source => StoreError::Migrate { path: path.to_owned(), source },
    })
}
