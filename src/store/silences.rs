//! Silences: written once, and changed by nothing but their end.

use sqlx::Row;

use crate::domain::time::Timestamp;

use super::Change;
use super::entries;
use super::error::StoreError;

/// A silence on its way into the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSilence<'a> {
    pub id: &'a str,
    /// JSON list of `[label, operator, value]`.
    pub matchers: &'a str,
    pub by: &'a str,
    pub why: &'a str,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
}

impl Change<'_> {
    /// Writes a silence.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn put_silence(&mut self, silence: &NewSilence<'_>, now: Timestamp) -> Result<(), StoreError> {
        let put = "insert into silence (id, matchers, by, why, starts_at, ends_at, created_at) \
             values ($1, $2, $3, $4, $5, $6, $7)";
        sqlx::query(put)
            .bind(silence.id)
            .bind(silence.matchers)
            .bind(silence.by)
            .bind(silence.why)
            .bind(silence.starts_at.0)
            .bind(silence.ends_at.0)
            .bind(now.0)
            .execute(&mut *self.transaction)
            .await?;
        let NewSilence { id, matchers, by, why, starts_at, ends_at } = *silence;
        self.enter(entries::silence(id, matchers, why, starts_at, now, by));
        self.enter(entries::silence_end(id, ends_at, now, None));
        self.look_at_groups(now).await
    }

    /// When a silence ends; `None` if there is no such silence.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn silence_end(&mut self, id: &str) -> Result<Option<Timestamp>, StoreError> {
        let find = sqlx::query("select ends_at from silence where id = $1").bind(id);
        let row = find.fetch_optional(&mut *self.transaction).await?;
        row.map(|row| Ok(Timestamp(row.try_get("ends_at")?))).transpose()
    }

    /// Ends a silence now.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn end_silence(&mut self, id: &str, by: &str, now: Timestamp) -> Result<(), StoreError> {
        let end = "update silence set ends_at = $2, ended_by = $3 where id = $1";
        sqlx::query(end).bind(id).bind(now.0).bind(by).execute(&mut *self.transaction).await?;
        self.enter(entries::silence_end(id, now, now, Some(by)));
        self.look_at_groups(now).await
    }

    /// Every group and every ladder is to be looked at again: which of them a silence concerns, only its matchers say.
    async fn look_at_groups(&mut self, now: Timestamp) -> Result<(), StoreError> {
        for again in ["update told_group set due_at = $1", "update ladder set due_at = $1"] {
            sqlx::query(again).bind(now.0).execute(&mut *self.transaction).await?;
        }
        Ok(())
    }
}
