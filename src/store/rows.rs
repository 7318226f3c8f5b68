//! Statements of many rows, and tables that are read from end to end.

use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::error::StoreError;

/// Rows that one statement writes: 18 columns times this stays far below SQLite's 32,766 parameters. Those of the events' path
/// say `or rollback`: whatever fails ends the transaction here anyway, and SQLite need not be able to undo the statement alone.
const PER_STATEMENT: usize = 400;

/// Texts that are remembered within a statement: more than its columns of words have in most batches.
const WORDS: usize = 16;

/// Writes rows with one statement for every [`PER_STATEMENT`]. The next statement is put together while the engine's thread
/// works on the one before.
///
/// # Errors
/// Those of the engine.
pub async fn write_rows<R>(
    connection: &mut SqliteConnection,
    rows: &[R],
    statement: impl Fn(&[R]) -> QueryBuilder<Sqlite>,
) -> Result<(), StoreError> {
    let mut chunks = rows.chunks(PER_STATEMENT);
    let mut next = chunks.next().map(|rows| (rows.len(), statement(rows)));
    while let Some((count, mut insert)) = next.take() {
        // That of a full chunk, and that of a single message, come again and again.
        let persistent = matches!(count, 1 | PER_STATEMENT);
        let written = insert.build().persistent(persistent).execute(&mut *connection);
        let built = async { chunks.next().map(|rows| (rows.len(), statement(rows))) };
        let (written, following) = tokio::join!(biased; written, built);
        written?;
        next = following;
    }
    Ok(())
}

/// Rows that are read at a time: a row of the registry takes 2 kB until it is a unit.
const PER_READ: u32 = 1_000;

/// Reads a table from end to end. `query` has the key first and ends in `where <key> > $1 order by <key> limit $2`.
///
/// # Errors
/// Those of the engine, and those of `take`.
pub async fn each_row(
    connection: &mut SqliteConnection,
    query: &'static str,
    mut take: impl FnMut(&SqliteRow) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut after = String::new();
    loop {
        let rows = sqlx::query(query).bind(&after).bind(PER_READ).fetch_all(&mut *connection).await?;
        rows.iter().try_for_each(&mut take)?;
        match rows.last() {
            Some(last) if rows.len() == PER_READ as usize => after = last.try_get(0)?,
            _ => return Ok(()),
        }
    }
}

/// Texts of a statement, so that one that comes again is bound without being copied.
#[derive(Default)]
pub struct Words {
    known: Vec<Arc<str>>,
    /// Which one gives way next.
    next: usize,
}

impl Words {
    /// The text, shared with those that were the same.
    pub fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.known.iter().find(|known| ***known == *text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        if self.known.len() < WORDS {
            self.known.push(Arc::clone(&new));
        } else {
            self.known[self.next] = Arc::clone(&new);
            self.next = (self.next + 1) % WORDS;
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Connection;

    use super::*;

    #[tokio::test]
    async fn every_row_is_read_once_and_in_order_whatever_is_left_for_the_last_part() {
        for count in [0, 1, 999, 1_000, 1_001, 2_000, 2_500] {
            let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
            sqlx::query("create table t (id text primary key) without rowid").execute(&mut connection).await.unwrap();
            let ids: Vec<String> = (0..count).map(|number| format!("u-{number:05}")).collect();
            write_rows(&mut connection, &ids, |rows| {
                let mut insert = QueryBuilder::<Sqlite>::new("insert into t (id) ");
                insert.push_values(rows, |mut row, id| {
                    row.push_bind(id);
                });
                insert
            })
            .await
            .unwrap();
            let mut read: Vec<String> = Vec::new();
            let all = "select id from t where id > $1 order by id limit $2";
            each_row(&mut connection, all, |row| {
                read.push(row.try_get("id")?);
                Ok(())
            })
            .await
            .unwrap();
            assert_eq!(read, ids, "{count}");
        }
    }

    #[test]
    fn a_text_stays_itself_however_many_came_between() {
        let mut words = Words::default();
        for number in (0..40).chain(0..40).chain([3, 3, 3]) {
            let text = format!("word-{number}");
            assert_eq!(&*words.shared(&text), text);
        }
        assert!(Arc::ptr_eq(&words.shared("twice"), &words.shared("twice")));
        assert_eq!(words.known.len(), WORDS);
    }
}
