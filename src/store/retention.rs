//! What pruning by age leaves behind: entries whose hash stays without their leaf, an entry that says so, and until when
//! rows may be missing.

use sqlx::Row;

use crate::domain::time::Timestamp;
use crate::ledger::hash::Hash;
use crate::ledger::leaf::EntryKind;
use crate::ledger::retention::{Leaves, MOST_LEAVES, Pruned, Retention};

use super::Change;
use super::entries;
use super::error::StoreError;
use super::words::to_json;

/// What one transaction may prune.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    pub rows: Pruned,
    /// Only what is older than this.
    pub before: Timestamp,
    /// The setting that says so.
    pub setting: &'a str,
    pub now: Timestamp,
}

/// Until when rows may be missing because of their age; `None` where nothing was pruned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Horizon {
    pub alerts: Option<Timestamp>,
    pub events: Option<Timestamp>,
    pub visits: Option<Timestamp>,
}

impl Horizon {
    /// Notes that rows before a time are gone; what nothing is judged by does not matter.
    pub fn note(&mut self, rows: Pruned, before: Timestamp) {
        let place = match rows {
            Pruned::Alert => &mut self.alerts,
            Pruned::Event => &mut self.events,
            Pruned::Visit => &mut self.visits,
            Pruned::Notification => return,
        };
        *place = (*place).max(Some(before));
    }
}

/// The setting of the file that holds a horizon.
fn name(rows: Pruned) -> String {
    format!("pruned_{rows}")
}

impl Change<'_> {
    /// Until when rows may be missing.
    ///
    /// # Errors
    /// Those of the engine, and a setting that cannot be read.
    pub async fn horizon(&mut self) -> Result<Horizon, StoreError> {
        let mut horizon = Horizon::default();
        for rows in Pruned::ALL {
            let Some(before) = self.setting(&name(*rows)).await? else { continue };
            let before = before.parse().map_err(|_| StoreError::Row { table: "setting", what: before })?;
            horizon.note(*rows, Timestamp(before));
        }
        Ok(horizon)
    }

    /// Records that rows were pruned: takes the leaves of their entries out, which keep hash and place, and enters what was
    /// done. `references` are the rows by the kinds of their entries.
    pub(super) async fn retire(
        &mut self,
        order: Order<'_>,
        count: u64,
        references: &[(EntryKind, Vec<String>)],
    ) -> Result<(), StoreError> {
        let Order { rows, before, now, .. } = order;
        let horizon = self.horizon().await?;
        let mut moved = horizon;
        moved.note(rows, before);
        if moved != horizon {
            self.set_setting(&name(rows), &before.0.to_string()).await?;
        }
        let setting = order.setting.to_owned();
        let mut retention = Retention { rows, count, before, setting, leaves: None };
        let mut entered = false;
        for (kind, references) in references {
            let indexes = self.take_leaves(*kind, references).await?;
            for some in indexes.chunks(MOST_LEAVES) {
                retention.leaves = Some(Leaves::of(*kind, some));
                self.enter(entries::retention(&retention, now));
                (retention.count, entered) = (0, true);
            }
        }
        if !entered {
            self.enter(entries::retention(&retention, now));
        }
        Ok(())
    }

    /// Takes the leaves of entries out. Gives their indexes, which ascend.
    async fn take_leaves(&mut self, kind: EntryKind, references: &[String]) -> Result<Vec<u64>, StoreError> {
        let find = "select e.idx, e.leaf from json_each($1) j cross join ledger_entry e \
             on e.kind = $2 and e.ref = j.value where e.leaf is not null order by e.idx";
        let find = sqlx::query(find).bind(to_json(references)).bind(kind.as_str());
        let rows = find.fetch_all(&mut *self.transaction).await?;
        let mut indexes = Vec::with_capacity(rows.len());
        for row in rows {
            let index: i64 = row.try_get("idx")?;
            let hash = Hash::of_leaf(row.try_get("leaf")?);
            let take = "update ledger_entry set leaf = null, hash = $2, ref = '' where idx = $1";
            let take = sqlx::query(take).bind(index).bind(hash.0.as_slice());
            take.execute(&mut *self.transaction).await?;
            indexes.push(index as u64);
        }
        Ok(indexes)
    }
}
