//! What an auditor takes along, gathered from one moment of the file.

use crate::domain::id::UnitId;
use crate::ledger::bundle::{Bundle, End, Entry, texts};
use crate::ledger::tree::Question;

use super::Reader;
use super::ledger::{BundleError, Filter, SignedCheckpoint, Stored};

/// Entries fetched at a time.
const PAGE: u32 = 1_000;

impl Reader {
    /// A unit's entries between two checkpoints, with their proofs; without `from`, since the log began.
    ///
    /// # Errors
    /// [`BundleError`] says why there is none.
    pub async fn bundle_of(
        &self,
        unit: &UnitId,
        from: Option<&SignedCheckpoint>,
        to: &SignedCheckpoint,
    ) -> Result<Bundle, BundleError> {
        let begin = from.map_or(0, |checkpoint| checkpoint.size);
        if begin > to.size {
            return Err(BundleError::Backwards { from: begin, to: to.size });
        }
        self.refuse_pruned(unit, begin, to.size).await?;
        let consistency = match from {
            Some(from) => texts(&self.ask_tree(Question::Consistency { size: to.size, from: from.size }).await?),
            None => Vec::new(),
        };
        let from = match from {
            Some(from) => Some(self.end_of(unit, from).await?),
            None => None,
        };
        let mut entries = Vec::new();
        let mut next = begin;
        loop {
            let filter = Filter { unit: Some(unit.clone()), from: next, before: Some(to.size) };
            let page = self.entries(&filter, PAGE).await?;
            let questions: Vec<Question> =
                page.items.iter().map(|stored| Question::Inclusion { size: to.size, index: stored.index }).collect();
            let paths = self.ask_tree_all(&questions).await?;
            entries.extend(page.items.iter().zip(&paths).map(|(stored, path)| Entry {
                index: stored.index,
                leaf: text(stored),
                path: texts(path),
            }));
            match (page.next, page.items.last()) {
                (Some(_), Some(last)) => next = last.index + 1,
                _ => break,
            }
        }
        let to = self.end_of(unit, to).await?;
        Ok(Bundle { unit: unit.as_str().to_owned(), from, to, consistency, entries })
    }

    async fn end_of(&self, unit: &UnitId, checkpoint: &SignedCheckpoint) -> Result<End, BundleError> {
        let size = checkpoint.size;
        let (heads, proof) = self.unit_at(size, unit).await?.ok_or(BundleError::NotClosed(size))?;
        let path = self.ask_tree(Question::Inclusion { size, index: heads.index }).await?;
        Ok(End { checkpoint: checkpoint.note.clone(), heads: text(&heads), path: texts(&path), unit: proof.into() })
    }
}

/// A leaf is JSON, so it is text.
fn text(stored: &Stored) -> String {
    String::from_utf8_lossy(&stored.leaf).into_owned()
}
