//! Numberings of (unit, boot) and the gaps in them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sqlx::{QueryBuilder, Row, Sqlite};

use smol_str::SmolStr;

use crate::domain::id::UnitId;
use crate::domain::numbering::{Missing, Numbering};
use crate::domain::time::Timestamp;

use super::Change;
use super::error::StoreError;
use super::rows::write_rows;
use super::words::{to_json, word};

/// Which numbering: a unit and one of its boots.
pub type NumberingKey = (UnitId, SmolStr);

impl Change<'_> {
    /// The stored numberings among those asked for.
    ///
    /// # Errors
    /// Those of the engine, and rows that cannot be read.
    pub async fn numberings(&mut self, keys: &[&NumberingKey]) -> Result<HashMap<NumberingKey, Numbering>, StoreError> {
        let pairs: Vec<(&str, &str)> = keys.iter().map(|(unit, boot)| (unit.as_str(), boot.as_str())).collect();
        let pairs = to_json(&pairs);
        let find = "select s.* from json_each($1) j cross join sequence s \
             on s.unit = j.value ->> 0 and s.boot = j.value ->> 1";
        let mut found = HashMap::new();
        for row in sqlx::query(find).bind(&pairs).fetch_all(&mut *self.transaction).await? {
            let key: NumberingKey = (word("sequence", row.try_get("unit")?)?, row.try_get::<&str, _>("boot")?.into());
            let first = row.try_get::<i64, _>("first_seq")? as u64;
            let highest = row.try_get::<i64, _>("highest_seq")? as u64;
            found.insert(key, Numbering { first, highest, missing: Vec::new() });
        }
        let gaps = "select g.* from json_each($1) j cross join gap g \
             on g.unit = j.value ->> 0 and g.boot = j.value ->> 1 and g.closed_at is null order by g.from_seq";
        for row in sqlx::query(gaps).bind(&pairs).fetch_all(&mut *self.transaction).await? {
            let key: NumberingKey = (word("gap", row.try_get("unit")?)?, row.try_get::<&str, _>("boot")?.into());
            if let Some(numbering) = found.get_mut(&key) {
                numbering.missing.push(Missing {
                    row: Some(row.try_get("id")?),
                    found_at: Some(Timestamp(row.try_get("found_at")?)),
                    from: row.try_get::<i64, _>("from_seq")? as u64,
                    to: row.try_get::<i64, _>("to_seq")? as u64,
                });
            }
        }
        Ok(found)
    }

    /// Which of these units have told us any number before.
    ///
    /// # Errors
    /// Those of the engine, and rows that cannot be read.
    pub async fn numbered_units(&mut self, units: &[&UnitId]) -> Result<HashSet<UnitId>, StoreError> {
        let units: Vec<&str> = units.iter().map(|unit| unit.as_str()).collect();
        let find = "select j.value from json_each($1) j \
             where exists (select 1 from sequence s where s.unit = j.value)";
        let rows: Vec<String> =
            sqlx::query_scalar(find).bind(to_json(&units)).fetch_all(&mut *self.transaction).await?;
        rows.iter().map(|unit| word("sequence", unit)).collect()
    }

    /// Stores how far these numberings are known.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn put_numberings(&mut self, numberings: &[(&NumberingKey, &Numbering)]) -> Result<(), StoreError> {
        write_rows(&mut self.transaction, numberings, |rows| {
            let mut put =
                QueryBuilder::<Sqlite>::new("insert or rollback into sequence (unit, boot, first_seq, highest_seq) ");
            put.push_values(rows, |mut row, ((unit, boot), numbering)| {
                row.push_bind(unit.shared())
                    .push_bind(Arc::<str>::from(boot.as_str()))
                    .push_bind(numbering.first as i64)
                    .push_bind(numbering.highest as i64);
            });
            put.push(
                " on conflict (unit, boot) do update set first_seq = excluded.first_seq, \
                 highest_seq = excluded.highest_seq",
            );
            put
        })
        .await
    }

    /// Stores what became of a numbering's gaps since `before`. Returns how many are new.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn put_gaps(
        &mut self,
        key: &NumberingKey,
        before: &[Missing],
        after: &[Missing],
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let (unit, boot) = key;
        let kept: HashSet<i64> = after.iter().filter_map(|run| run.row).collect();
        for run in before {
            if run.row.is_some_and(|row| !kept.contains(&row)) {
                let close = "update gap set closed_at = $2 where id = $1";
                sqlx::query(close).bind(run.row).bind(now.0).execute(&mut *self.transaction).await?;
            }
        }
        let as_stored: HashSet<&Missing> = before.iter().collect();
        let mut found = 0;
        for run in after.iter().filter(|run| !as_stored.contains(run)) {
            let (from, to) = (run.from as i64, run.to as i64);
            if let Some(row) = run.row {
                let shrink = "update gap set from_seq = $2, to_seq = $3 where id = $1";
                sqlx::query(shrink).bind(row).bind(from).bind(to).execute(&mut *self.transaction).await?;
                continue;
            }
            found += u64::from(run.found_at.is_none());
            let open = "insert into gap (unit, boot, from_seq, to_seq, found_at) values ($1, $2, $3, $4, $5)";
            sqlx::query(open)
                .bind(unit.as_str())
                .bind(boot.as_str())
                .bind(from)
                .bind(to)
                .bind(run.found_at.unwrap_or(now).0)
                .execute(&mut *self.transaction)
                .await?;
        }
        Ok(found)
    }
}
