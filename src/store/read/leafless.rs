//! Entries whose leaf was pruned by age: what is still known of them, and who says so.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::domain::id::UnitId;
use crate::ledger::hash::Hash;
use crate::ledger::leaf::EntryKind;

use super::ledger::{BundleError, Filter, Stored, leaf_hash, stored};
use super::{Page, ReadError, Reader, Snapshot};

const TABLE: &str = "ledger";

/// An entry in a list, whether its leaf is there or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub index: u64,
    /// `None`: pruned by age.
    pub leaf: Option<Vec<u8>>,
    /// Of the leaf.
    pub hash: Hash,
    /// As the columns have them: all that is known of an entry without its leaf.
    pub kind: String,
    pub unit: Option<String>,
    pub number: Option<u64>,
}

impl Reader {
    /// Entries in the order of the log, those without a leaf among them.
    ///
    /// # Errors
    /// [`ReadError`] says why not.
    pub async fn listed(&self, filter: &Filter, limit: u32) -> Result<Page<Listed>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let rows = self.entry_rows(&mut snapshot, filter, limit).await?;
        let items = rows.iter().map(listed).collect::<Result<_, _>>()?;
        Ok(Page::cut(items, limit, |one: &Listed| (one.index + 1).to_string()))
    }

    /// Says that a package cannot be made, if entries of the unit between two sizes have no leaf any more.
    ///
    /// # Errors
    /// [`BundleError::Pruned`], or why it cannot be told.
    pub async fn refuse_pruned(&self, unit: &UnitId, from: u64, to: u64) -> Result<(), BundleError> {
        let mut snapshot = self.snapshot().await?;
        let find = "select max(idx) from ledger_entry where unit = $1 and leaf is null and idx >= $2 and idx < $3";
        let find = sqlx::query_scalar(find).bind(unit.as_str()).bind(from as i64).bind(to as i64);
        let last: Option<i64> = find.fetch_one(&mut *snapshot.tx).await.map_err(ReadError::from)?;
        let Some(last) = last.map(|last| last as u64) else { return Ok(()) };
        let by = snapshot.pruned_by(last).await?;
        drop(snapshot);
        let since = self.checkpoint_over(last + 1).await?.map(|checkpoint| checkpoint.at);
        Err(BundleError::Pruned { last, by, since })
    }
}

impl Snapshot {
    /// Rows as whole entries; an error if one has no leaf any more.
    pub(super) async fn whole(&mut self, rows: &[SqliteRow]) -> Result<Vec<Stored>, ReadError> {
        for row in rows {
            if row.try_get::<Option<&[u8]>, _>("leaf")?.is_none() {
                let index = row.try_get::<i64, _>("idx")? as u64;
                return Err(ReadError::Pruned { index, by: self.pruned_by(index).await? });
            }
        }
        rows.iter().map(stored).collect()
    }

    /// The `retention` entry that says that a leaf was pruned.
    async fn pruned_by(&mut self, index: u64) -> Result<u64, ReadError> {
        let find = "select r.idx from ledger_entry r cross join json_each(cast(r.leaf as text), '$.body.leaves.runs') j \
             where r.kind = $2 and r.idx > $1 and j.value ->> 0 <= $1 and j.value ->> 1 >= $1 limit 1";
        let find = sqlx::query_scalar::<_, i64>(find).bind(index as i64).bind(EntryKind::Retention.as_str());
        let by = find.fetch_optional(&mut *self.tx).await?;
        by.map(|by| by as u64).ok_or_else(|| {
            let what = "its leaf is gone, and no entry says that it was pruned; run liftwatch verify".to_owned();
            ReadError::Row { table: TABLE, id: index.to_string(), what }
        })
    }
}

fn listed(row: &SqliteRow) -> Result<Listed, ReadError> {
    Ok(Listed {
        index: row.try_get::<i64, _>("idx")? as u64,
        leaf: row.try_get("leaf")?,
        hash: leaf_hash(row)?,
        kind: row.try_get("kind")?,
        unit: row.try_get("unit")?,
        number: row.try_get::<Option<i64>, _>("number")?.map(|number| number as u64),
    })
}
