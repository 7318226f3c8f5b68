//! Area events, and the alerts for which they stand: written as part of a plan.

use crate::domain::alert::TransitionKind;
use crate::domain::time::Timestamp;

use super::Change;
use super::error::StoreError;
use super::words::to_json;

/// An area event as it is kept. Times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct AreaRow {
    pub id: String,
    /// A word of [`crate::domain::notice::AreaKind`].
    pub kind: String,
    pub region: String,
    /// Empty where the region is meant.
    pub site: String,
    pub severity: String,
    pub starts_at: i64,
    pub ends_at: Option<i64>,
    /// How many units it has reached.
    pub units: i64,
    pub basis: String,
    pub summary_zh: String,
    pub summary_en: String,
}

/// What becomes of an area event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreaChange {
    pub row: AreaRow,
    /// What receivers are to hear of it; `None` where it has only grown.
    pub tell: Option<TransitionKind>,
}

impl Change<'_> {
    /// Writes area events as they are now, with the outbox's rows for what must be told.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn put_areas(&mut self, changes: &[AreaChange], now: Timestamp) -> Result<(), StoreError> {
        for AreaChange { row, tell } in changes {
            let put = "insert or replace into area_event (id, kind, region, site, severity, starts_at, ends_at, units, \
                 basis, summary_zh, summary_en) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
            sqlx::query(put)
                .bind(&row.id)
                .bind(&row.kind)
                .bind(&row.region)
                .bind(&row.site)
                .bind(&row.severity)
                .bind(row.starts_at)
                .bind(row.ends_at)
                .bind(row.units)
                .bind(&row.basis)
                .bind(&row.summary_zh)
                .bind(&row.summary_en)
                .execute(&mut *self.transaction)
                .await?;
            if let Some(kind) = tell {
                self.tell_transition(&row.id, *kind, &row.severity, now).await?;
            }
        }
        Ok(())
    }

    /// Records for which alerts an area event stands: (alert, area event).
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn put_inhibitions(&mut self, pairs: &[(String, String)], now: Timestamp) -> Result<(), StoreError> {
        if pairs.is_empty() {
            return Ok(());
        }
        let put = "insert or ignore into inhibition (alert, area, at) \
             select json_extract(value, '$[0]'), json_extract(value, '$[1]'), $2 from json_each($1)";
        sqlx::query(put).bind(to_json(pairs)).bind(now.0).execute(&mut *self.transaction).await?;
        Ok(())
    }

    async fn tell_transition(
        &mut self,
        id: &str,
        kind: TransitionKind,
        severity: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let put = "insert into alert_transition (alert, kind, at, severity) values ($1, $2, $3, $4)";
        let put = sqlx::query(put).bind(id).bind(kind.as_str()).bind(now.0).bind(severity);
        let transition = put.execute(&mut *self.transaction).await?.last_insert_rowid();
        let outbox = "insert into outbox (transition, created_at) values ($1, $2)";
        sqlx::query(outbox).bind(transition).bind(now.0).execute(&mut *self.transaction).await?;
        Ok(())
    }
}
