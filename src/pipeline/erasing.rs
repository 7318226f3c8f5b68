//! Forgets a person whom a visit names: at once in the file, and within seconds in the write-ahead log beside it.

use crate::domain::time::Timestamp;
use crate::domain::visit::Erasure;
use crate::store::error::StoreError;
use crate::store::people::Whereabouts;

use super::Pipeline;

/// What became of a wish to erase somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erased {
    /// Gone, now or before.
    Done,
    /// Who wishes it, or why, names the person: it would stand in the ledger for good.
    Named,
    /// The visit names nobody in this role.
    Unnamed,
    UnknownVisit,
}

impl Pipeline {
    pub(super) async fn erase_person(
        &mut self,
        visit: &str,
        role: &str,
        erasure: &Erasure,
        now: Timestamp,
    ) -> Result<Erased, StoreError> {
        let mut change = self.store.begin().await?;
        let done = match change.person(visit, role).await? {
            Whereabouts::NoVisit => Erased::UnknownVisit,
            Whereabouts::Unnamed => Erased::Unnamed,
            Whereabouts::Erased => Erased::Done,
            Whereabouts::Here(person) if erasure.names(&person) => Erased::Named,
            Whereabouts::Here(person) => {
                change.erase_person(visit, &person, erasure, now).await?;
                Erased::Done
            }
        };
        change.commit().await?;
        // After every wish: whoever asks again may do so because the log could not be folded before.
        self.unfolded = true;
        self.fold().await?;
        Ok(done)
    }

    /// Empties the write-ahead log if something in it is to be forgotten. While somebody reads an older state it cannot;
    /// the next sweep tries again.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) async fn fold(&mut self) -> Result<(), StoreError> {
        if self.unfolded {
            self.unfolded = !self.store.fold().await?;
        }
        Ok(())
    }
}
