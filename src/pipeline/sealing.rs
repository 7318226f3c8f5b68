//! The ledger's own actions: close a stretch before it is signed, and keep the checkpoint that was signed.

use crate::domain::id::UnitId;
use crate::domain::time::Timestamp;
use crate::ledger::leaf::EntryKind;
use crate::store::entries::Export;
use crate::store::error::StoreError;

use super::Pipeline;
use super::action::Done;
use super::message::Outcome;

impl Pipeline {
    /// Enters into the ledger by which configuration the city is watched from now on, if it is another than before.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn declare_config(&mut self, digest: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut change = self.store.begin().await?;
        change.declare(EntryKind::Config, digest, now).await?;
        change.commit().await
    }

    pub(super) async fn close_stretch(&mut self, now: Timestamp) -> Result<(Done, Outcome), StoreError> {
        let mut change = self.store.begin().await?;
        let head = change.close_stretch(now).await?;
        change.commit().await?;
        Ok((Done::Closed(head), Outcome::default()))
    }

    pub(super) async fn record_export(
        &mut self,
        export: &Export,
        by: &str,
        now: Timestamp,
    ) -> Result<(Done, Outcome), StoreError> {
        let mut change = self.store.begin().await?;
        change.record_export(export, by, now);
        change.commit().await?;
        Ok((Done::Kept, Outcome::default()))
    }

    pub(super) async fn record_look(
        &mut self,
        unit: &UnitId,
        visit: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<(Done, Outcome), StoreError> {
        let mut change = self.store.begin().await?;
        change.record_look(unit, visit, by, now);
        change.commit().await?;
        Ok((Done::Kept, Outcome::default()))
    }

    pub(super) async fn keep_checkpoint(
        &mut self,
        size: u64,
        note: &str,
        now: Timestamp,
    ) -> Result<(Done, Outcome), StoreError> {
        let mut change = self.store.begin().await?;
        change.keep_checkpoint(size, note, now).await?;
        change.commit().await?;
        Ok((Done::Kept, Outcome::default()))
    }
}
