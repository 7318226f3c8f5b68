//! What an auditor takes along, gathered from one moment of the file.

use sqlx::{QueryBuilder, Row, Sqlite};

use crate::domain::id::UnitId;
use crate::domain::time::Timestamp;
use crate::ledger::bundle::{Bundle, End, Entry, texts};
use crate::ledger::leaf::{self, EntryKind};
use crate::ledger::selection::{self, Part, Selection, Sorter};
use crate::ledger::tree::Question;
use crate::store::words::to_json;

use super::ledger::{BundleError, Filter, ProofError, SignedCheckpoint, Stored};
use super::visits::{VisitFilter, narrowed};
use super::{ReadError, Reader};

/// Entries fetched at a time.
const PAGE: u32 = 1_000;

/// Entries of a selection at most. A firm with one in 25 of 8,000 units makes 8,320 visits a year, each confirmed by its
/// owner: a year of it, with a fifth to spare. It is in memory as a whole while it is packed.
const MOST_ENTRIES: usize = 20_000;

/// Bytes of the leaves of a selection at most, since one leaf may have 32 KiB: 20,000 of 3.3 KiB, which is a record with
/// all items of a checklist. Each file of a package is at most four times as long (`src/package.rs`).
const MOST_BYTES: usize = 64 << 20;

/// What a selection may hold of a visit.
const KINDS: [EntryKind; 3] = [EntryKind::Visit, EntryKind::Confirmation, EntryKind::Erasure];

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
            let last = page.items.last().map(|stored| stored.index);
            entries.extend(self.with_paths(page.items, to.size).await?);
            match (page.next, last) {
                (Some(_), Some(last)) => next = last + 1,
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
        Ok(End { checkpoint: checkpoint.note.clone(), heads: text(heads), path: texts(&path), unit: proof.into() })
    }
}

impl Reader {
    /// The visits that a filter asks for, as they stand under a checkpoint, with all that belongs to them and the proof of
    /// each. A page's `after` and `limit` are not heeded.
    ///
    /// # Errors
    /// [`BundleError`] says why there is none.
    pub async fn selection_of(&self, filter: &VisitFilter, to: &SignedCheckpoint) -> Result<Selection, BundleError> {
        let filter = narrowed(filter, self.scope());
        let question = question(&filter);
        let ids = self.visits_with_corrections(&filter).await?;
        let stored = self.entries_of(&ids, to.size).await?;
        // Thousands of entries are read back: too long for a thread that serves others.
        let asked = question.clone();
        let sorting = tokio::task::spawn_blocking(move || sorted(&asked, stored));
        let mut kept = sorting.await.map_err(|_| BundleError::Ended)??.into_iter();
        let mut entries = Vec::new();
        loop {
            let page: Vec<Stored> = kept.by_ref().take(PAGE as usize).collect();
            if page.is_empty() {
                break;
            }
            entries.extend(self.with_paths(page, to.size).await?);
        }
        let closing = self.closing(to.size).await?;
        let closing = self.with_paths(vec![closing], to.size).await?.remove(0);
        Ok(Selection { question, checkpoint: to.note.clone(), closing, entries })
    }

    /// The ids of the visits that a filter asks for, and of those that they correct or that correct them.
    async fn visits_with_corrections(&self, filter: &VisitFilter) -> Result<Vec<String>, BundleError> {
        let mut filter = VisitFilter { after: None, limit: PAGE, ..filter.clone() };
        let mut ids = Vec::new();
        loop {
            let page = self.visits(&filter).await?;
            let asked: Vec<&str> = page.items.iter().map(|row| row.id.as_str()).collect();
            let mut query = QueryBuilder::<Sqlite>::new("with recursive near (id) as (select value from json_each(");
            query.push_bind(to_json(&asked)).push(
                ") union select c.corrected from near cross join visit_correction c on c.correction = near.id \
                 union select c.correction from near cross join visit_correction c on c.corrected = near.id) \
                 select v.id from near cross join visit v on v.id = near.id where true",
            );
            self.scope().of_row(&mut query, "v");
            let mut snapshot = self.snapshot().await?;
            let found = query.build_query_scalar::<String>().fetch_all(&mut *snapshot.tx).await;
            ids.extend(found.map_err(ReadError::from)?);
            match page.next {
                _ if ids.len() > MOST_ENTRIES => return Err(BundleError::TooMany(MOST_ENTRIES)),
                Some(next) => filter.after = Some(next),
                None => break,
            }
        }
        // One chain may be reached from two pages.
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// What the log says of these visits before `size`, in its order.
    async fn entries_of(&self, visits: &[String], size: u64) -> Result<Vec<Stored>, BundleError> {
        let find = "select e.idx, e.leaf from json_each($1) v cross join json_each($2) k \
             cross join ledger_entry e on e.kind = k.value and e.ref = v.value where e.idx < $3";
        let kinds = to_json(&KINDS.map(EntryKind::as_str));
        let mut found = Vec::new();
        let mut bytes = 0;
        for page in visits.chunks(PAGE as usize) {
            let mut snapshot = self.snapshot().await?;
            let rows = sqlx::query(find).bind(to_json(page)).bind(&kinds).bind(size as i64);
            for row in rows.fetch_all(&mut *snapshot.tx).await.map_err(ReadError::from)? {
                let index: i64 = row.try_get("idx").map_err(ReadError::from)?;
                let leaf: Vec<u8> = row.try_get("leaf").map_err(ReadError::from)?;
                bytes += leaf.len();
                found.push(Stored { index: index as u64, leaf });
            }
            if found.len() > MOST_ENTRIES || bytes > MOST_BYTES {
                return Err(BundleError::TooMany(MOST_ENTRIES));
            }
        }
        found.sort_unstable_by_key(|entry| entry.index);
        Ok(found)
    }

    /// The entry that closes the first `size` entries. It names no unit, and so is nobody's own.
    async fn closing(&self, size: u64) -> Result<Stored, BundleError> {
        let mut snapshot = self.snapshot().await?;
        let find = "select leaf from ledger_entry where idx = $1 and kind = $2";
        let find = sqlx::query_scalar(find).bind(size as i64 - 1).bind(EntryKind::Heads.as_str());
        let leaf: Option<Vec<u8>> = find.fetch_optional(&mut *snapshot.tx).await.map_err(ReadError::from)?;
        let leaf = leaf.ok_or(BundleError::NotClosed(size))?;
        Ok(Stored { index: size - 1, leaf })
    }

    async fn with_paths(&self, page: Vec<Stored>, size: u64) -> Result<Vec<Entry>, ProofError> {
        let questions: Vec<Question> =
            page.iter().map(|stored| Question::Inclusion { size, index: stored.index }).collect();
        let paths = self.ask_tree_all(&questions).await?;
        let pairs = page.into_iter().zip(&paths);
        Ok(pairs.map(|(stored, path)| Entry { index: stored.index, leaf: text(stored), path: texts(path) }).collect())
    }
}

/// Those of the entries that answer the question or belong to one that does. Without any answer there is nothing.
fn sorted(question: &selection::Question, stored: Vec<Stored>) -> Result<Vec<Stored>, BundleError> {
    let mut sorter = Sorter::new(question).expect("the times of a filter are times");
    for entry in &stored {
        let unreadable = |error: leaf::NotALeaf| ReadError::Row {
            table: "ledger",
            id: entry.index.to_string(),
            what: error.to_string(),
        };
        sorter.add(&leaf::read(&entry.leaf).map_err(unreadable)?);
    }
    let parts = sorter.parts();
    if !parts.contains(&Part::Answer) {
        return Err(BundleError::NoVisits);
    }
    // A visit that was corrected after the checkpoint stands under it, and what joined two records may not be there yet.
    let kept = stored.into_iter().zip(parts).filter(|(_, part)| *part != Part::Stranger);
    Ok(kept.map(|(entry, _)| entry).collect())
}

/// The conditions of a filter.
fn question(filter: &VisitFilter) -> selection::Question {
    let time = |at: Option<i64>| at.map(|at| Timestamp(at).to_string());
    selection::Question {
        unit: filter.unit.clone(),
        worker: filter.worker.clone(),
        maintainer: filter.maintainer.clone(),
        kind: filter.kind.clone(),
        from: time(filter.from),
        to: time(filter.to),
        corrected: filter.corrected,
        folded: filter.folded,
    }
}

/// A leaf is JSON, so it is text.
fn text(stored: Stored) -> String {
    String::from_utf8(stored.leaf).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
