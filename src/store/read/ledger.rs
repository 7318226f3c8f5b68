//! The ledger: its size, its entries, and the tiles that proofs are made of.

use std::collections::HashMap;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use crate::domain::id::UnitId;
use crate::domain::time::Timestamp;
use crate::ledger::checkpoint::Head;
use crate::ledger::hash::Hash;
use crate::ledger::heads::{HeadProof, Heads, UnitHead};
use crate::ledger::leaf::EntryKind;
use crate::ledger::tree::{Place, Question, TreeError, WIDTH};
use crate::store::error::StoreError;
use crate::store::ledger::tile;
use crate::store::words::to_json;

use super::{Page, ReadError, Reader, Snapshot};

const TABLE: &str = "ledger";

/// An entry as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub index: u64,
    pub leaf: Vec<u8>,
}

/// A checkpoint that was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    pub size: u64,
    pub at: Timestamp,
    pub note: String,
}

/// A stretch of the log between two checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// `None`: since the log began.
    pub from: Option<SignedCheckpoint>,
    pub to: SignedCheckpoint,
}

/// Which entries are asked for; all conditions hold together.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub unit: Option<UnitId>,
    /// Entries with this index and later ones.
    pub from: u64,
    /// Entries before this index.
    pub before: Option<u64>,
}

/// Why a proof cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Of the question, or of tiles that do not fit the tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error(transparent)]
    Proof(#[from] ProofError),
    #[error("no checkpoint has been signed yet: configure [ledger] key_file, and wait a minute")]
    NothingSigned,
    #[error("the tree of {0} entries does not end with how far each unit had come; choose another checkpoint")]
    NotClosed(u64),
    #[error("the later checkpoint, of {to} entries, must not be before the earlier one, of {from}")]
    Backwards { from: u64, to: u64 },
    #[error("a package has at most {0} entries, with 64 MiB of text; narrow the period, or ask for less at once")]
    TooMany(usize),
    #[error("no visit under the newest checkpoint is one that you ask for")]
    NoVisits,
    #[error("the package was given up: the daemon is stopping, or its log says what else")]
    Ended,
    /// Entries of the unit in the stretch have no leaf any more; the last of them, the entry that records it, and from when
    /// on a package can be made.
    #[error(
        "the stretch has entries of the unit that were pruned by age, up to entry {last}, as entry {by} of the ledger \
         records; {}", match since { Some(since) => format!("take it from {since} on"), None => "no checkpoint was signed since".to_owned() }
    )]
    Pruned { last: u64, by: u64, since: Option<Timestamp> },
}

impl From<ReadError> for BundleError {
    fn from(error: ReadError) -> Self {
        Self::Proof(error.into())
    }
}

impl Reader {
    /// The entries so far.
    ///
    /// # Errors
    /// [`ReadError`] says why not.
    pub async fn ledger_size(&self) -> Result<u64, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let size = "select coalesce(max(idx) + 1, 0) from ledger_entry";
        Ok(sqlx::query_scalar::<_, i64>(size).fetch_one(&mut *snapshot.tx).await? as u64)
    }

    /// The newest checkpoint, if one was signed; with `at_most`, the newest of a tree not larger than that.
    ///
    /// # Errors
    /// [`ReadError`] says why not.
    pub async fn checkpoint(&self, at_most: Option<u64>) -> Result<Option<SignedCheckpoint>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let find = "select * from ledger_checkpoint where size <= $1 order by size desc limit 1";
        let at_most = at_most.map_or(i64::MAX, |size| size as i64);
        let row = sqlx::query(find).bind(at_most).fetch_optional(&mut *snapshot.tx).await?;
        row.as_ref().map(signed).transpose()
    }

    /// The first checkpoint of a tree of at least `size` entries, if one was signed.
    ///
    /// # Errors
    /// [`ReadError`] says why not.
    pub async fn checkpoint_over(&self, size: u64) -> Result<Option<SignedCheckpoint>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let find = "select * from ledger_checkpoint where size >= $1 order by size limit 1";
        let row = sqlx::query(find).bind(size as i64).fetch_optional(&mut *snapshot.tx).await?;
        row.as_ref().map(signed).transpose()
    }

    /// Checkpoints, the newest first.
    ///
    /// # Errors
    /// [`ReadError`] says why not.
    pub async fn checkpoints(&self, after: Option<u64>, limit: u32) -> Result<Page<SignedCheckpoint>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let find = "select * from ledger_checkpoint where size < $1 order by size desc limit $2";
        let before = after.map_or(i64::MAX, |size| size as i64);
        let rows = sqlx::query(find).bind(before).bind(limit + 1).fetch_all(&mut *snapshot.tx).await?;
        let items = rows.iter().map(signed).collect::<Result<_, _>>()?;
        Ok(Page::cut(items, limit, |one: &SignedCheckpoint| one.size.to_string()))
    }

    /// The two checkpoints around a period: the newest at or before `from` (none: since the log began), and the first at
    /// or after `to`, or the newest if there is none yet.
    ///
    /// # Errors
    /// [`BundleError::NothingSigned`] without any checkpoint; those of reading.
    pub async fn stretch(&self, from: Option<Timestamp>, to: Option<Timestamp>) -> Result<Stretch, BundleError> {
        let mut snapshot = self.snapshot().await?;
        let before = "select * from ledger_checkpoint where at <= $1 order by size desc limit 1";
        let after = "select * from ledger_checkpoint where at >= $1 order by size limit 1";
        let from = match from {
            None => None,
            Some(at) => {
                sqlx::query(before).bind(at.0).fetch_optional(&mut *snapshot.tx).await.map_err(ReadError::from)?
            }
        };
        let to = to.map_or(i64::MAX, |at| at.0);
        let mut last = sqlx::query(after).bind(to).fetch_optional(&mut *snapshot.tx).await.map_err(ReadError::from)?;
        if last.is_none() {
            let newest = sqlx::query(before).bind(i64::MAX).fetch_optional(&mut *snapshot.tx).await;
            last = newest.map_err(ReadError::from)?;
        }
        let last = last.ok_or(BundleError::NothingSigned)?;
        Ok(Stretch { from: from.as_ref().map(signed).transpose()?, to: signed(&last)? })
    }

    /// One entry.
    ///
    /// # Errors
    /// [`ReadError`] says why not.
    pub async fn entry(&self, index: u64) -> Result<Option<Stored>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let mut query = QueryBuilder::<Sqlite>::new("select idx, leaf from ledger_entry where idx = ");
        query.push_bind(index as i64);
        self.scope.of_unit(&mut query, "ledger_entry.unit");
        let row = query.build().fetch_optional(&mut *snapshot.tx).await?;
        Ok(snapshot.whole(row.as_slice()).await?.pop())
    }

    /// Entries in the order of the log, each whole.
    ///
    /// # Errors
    /// [`ReadError::Pruned`] if one of them is not, or why not.
    pub async fn entries(&self, filter: &Filter, limit: u32) -> Result<Page<Stored>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let rows = self.entry_rows(&mut snapshot, filter, limit).await?;
        let items = snapshot.whole(&rows).await?;
        Ok(Page::cut(items, limit, |one: &Stored| (one.index + 1).to_string()))
    }

    /// One more than `limit`, for the next page.
    pub(super) async fn entry_rows(
        &self,
        snapshot: &mut Snapshot,
        filter: &Filter,
        limit: u32,
    ) -> Result<Vec<SqliteRow>, ReadError> {
        let before = filter.before.map_or(i64::MAX, |index| index as i64);
        let mut query = QueryBuilder::<Sqlite>::new("select * from ledger_entry where idx >= ");
        query.push_bind(filter.from as i64).push(" and idx < ").push_bind(before);
        self.scope.of_unit(&mut query, "ledger_entry.unit");
        // A unit's numbers ascend with the index, so one index of the table serves both.
        let order = match &filter.unit {
            None => "idx",
            Some(unit) => {
                query.push(" and unit = ").push_bind(unit.as_str());
                "number"
            }
        };
        query.push(" order by ").push(order).push(" limit ").push_bind(limit + 1);
        Ok(query.build().fetch_all(&mut *snapshot.tx).await?)
    }

    /// The entry that records a row, the newest if there are several.
    ///
    /// # Errors
    /// [`ReadError`] says why not.
    pub async fn entry_of(&self, kind: EntryKind, reference: &str) -> Result<Option<Stored>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let find = "select idx, leaf from ledger_entry where kind = $1 and ref = $2 order by idx desc limit 1";
        let row = sqlx::query(find).bind(kind.as_str()).bind(reference).fetch_optional(&mut *snapshot.tx).await?;
        row.as_ref().map(stored).transpose()
    }

    /// The answer to a question about the tree.
    ///
    /// # Errors
    /// [`ProofError`] says why there is none.
    pub async fn ask_tree(&self, question: Question) -> Result<Vec<Hash>, ProofError> {
        Ok(self.ask_tree_all(&[question]).await?.remove(0))
    }

    /// The answers to several questions, from one snapshot.
    ///
    /// # Errors
    /// [`ProofError`] says why there is none.
    pub async fn ask_tree_all(&self, questions: &[Question]) -> Result<Vec<Vec<Hash>>, ProofError> {
        let mut places = Vec::new();
        for question in questions {
            places.extend(question.places()?);
        }
        places.sort_unstable();
        places.dedup();
        let tiles = self.snapshot().await?.tiles(&places).await?;
        Ok(Question::answer_all(questions, &tiles)?)
    }

    /// The root of the first `size` entries.
    ///
    /// # Errors
    /// [`ProofError`] says why there is none.
    pub async fn ledger_head(&self, size: u64) -> Result<Head, ProofError> {
        let root = self.ask_tree(Question::Root { size }).await?;
        Ok(Head { size, root: root[0] })
    }

    /// The hashes of one tile, at most `width` of them; `None` if the log has not grown so far.
    ///
    /// # Errors
    /// [`ReadError`] says why not.
    pub async fn tile(&self, place: Place, width: usize) -> Result<Option<Vec<Hash>>, ReadError> {
        let mut tiles = self.snapshot().await?.tiles(&[place]).await?;
        Ok(tiles.remove(&place).filter(|tile| tile.len() >= width).map(|mut tile| {
            tile.truncate(width);
            tile
        }))
    }

    /// The leaves of one bundle of [`WIDTH`], at most `width` of them; `None` if the log has not grown so far.
    ///
    /// # Errors
    /// [`ReadError`] says why not.
    pub async fn bundle(&self, number: u64, width: usize) -> Result<Option<Vec<Vec<u8>>>, ReadError> {
        let from = number.saturating_mul(WIDTH as u64);
        let filter = Filter { unit: None, from, before: Some(from.saturating_add(width as u64)) };
        let page = self.entries(&filter, WIDTH as u32).await?;
        let leaves: Vec<Vec<u8>> = page.items.into_iter().map(|stored| stored.leaf).collect();
        Ok((leaves.len() == width).then_some(leaves))
    }

    /// The `heads` entry that closes the first `size` entries, and what it says of a unit; `None` if there is none:
    /// only checkpoints have one.
    ///
    /// # Errors
    /// [`ReadError`] says why not.
    pub async fn unit_at(&self, size: u64, unit: &UnitId) -> Result<Option<(Stored, HeadProof)>, ReadError> {
        let mut snapshot = self.snapshot().await?;
        let find = "select idx, leaf from ledger_entry where idx = $1 and kind = $2";
        let closing = sqlx::query(find).bind(size as i64 - 1).bind(EntryKind::Heads.as_str());
        let Some(closing) = closing.fetch_optional(&mut *snapshot.tx).await? else { return Ok(None) };
        let mut heads = snapshot.heads_before(size - 1).await?;
        Ok(Some((stored(&closing)?, heads.prove(unit))))
    }
}

impl Snapshot {
    async fn tiles(&mut self, places: &[Place]) -> Result<HashMap<Place, Vec<Hash>>, ReadError> {
        let places: Vec<(u8, u64)> = places.iter().map(|place| (place.level, place.number)).collect();
        let find = "select t.* from json_each($1) j \
             cross join ledger_tile t on t.level = j.value ->> 0 and t.number = j.value ->> 1";
        let rows = sqlx::query(find).bind(to_json(&places)).fetch_all(&mut *self.tx).await?;
        rows.iter().map(|row| tile(row).map_err(unreadable)).collect()
    }

    /// Every unit's newest entry among the first `size`.
    async fn heads_before(&mut self, size: u64) -> Result<Heads, ReadError> {
        // Most units have not moved since. For the others the index of a unit's numbers has the entry's own index too, so
        // no entry is read; what was entered since is gone past, the newest first.
        let find = "select h.unit, h.number as newest, h.hash, h.number, h.idx from ledger_head h where h.idx < $1 \
             union all select h.unit, h.number, h.hash, n.number, n.idx from ledger_head h \
             cross join ledger_entry n on n.unit = h.unit and n.number = (select max(e.number) from ledger_entry e \
             indexed by ledger_entry_unit where e.unit = h.unit and e.unit is not null and e.idx < $1) \
             where h.idx >= $1";
        let rows: Vec<(String, i64, Vec<u8>, i64, i64)> =
            sqlx::query_as(find).bind(size as i64).fetch_all(&mut *self.tx).await?;
        let tile_of = |index: i64| Place { level: 0, number: index as u64 / WIDTH as u64 };
        let moved = rows.iter().filter(|(_, newest, _, number, _)| newest != number);
        let mut places: Vec<Place> = moved.map(|(.., index)| tile_of(*index)).collect();
        places.sort_unstable();
        places.dedup();
        let tiles = self.tiles(&places).await?;
        let mut heads: Vec<UnitHead> = Vec::with_capacity(rows.len());
        for (unit, newest, hash, number, index) in rows {
            let hash = if newest == number {
                Hash::from_slice(&hash)
            } else {
                tiles.get(&tile_of(index)).and_then(|tile| tile.get(index as usize % WIDTH).copied())
            };
            let bad = |what: &str| ReadError::Row { table: TABLE, id: unit.clone(), what: what.to_owned() };
            let hash = hash.ok_or_else(|| bad("has no hash of its entry"))?;
            let id = unit.parse().map_err(|_| bad("is no unit id"))?;
            heads.push(UnitHead { unit: id, number: number as u64, hash });
        }
        Ok(Heads::new(heads))
    }
}

/// The hash of an entry's leaf, be that there or not.
pub(super) fn leaf_hash(row: &SqliteRow) -> Result<Hash, ReadError> {
    if let Some(leaf) = row.try_get::<Option<&[u8]>, _>("leaf")? {
        return Ok(Hash::of_leaf(leaf));
    }
    let kept = row.try_get::<Option<&[u8]>, _>("hash")?.and_then(Hash::from_slice);
    kept.ok_or_else(|| ReadError::Row {
        table: TABLE,
        id: row.try_get::<i64, _>("idx").unwrap_or_default().to_string(),
        what: "it has neither a leaf nor a hash".to_owned(),
    })
}

/// Reads a row that has its leaf.
pub(super) fn stored(row: &SqliteRow) -> Result<Stored, ReadError> {
    Ok(Stored { index: row.try_get::<i64, _>("idx")? as u64, leaf: row.try_get("leaf")? })
}

fn signed(row: &SqliteRow) -> Result<SignedCheckpoint, ReadError> {
    Ok(SignedCheckpoint {
        size: row.try_get::<i64, _>("size")? as u64,
        at: Timestamp(row.try_get("at")?),
        note: row.try_get("note")?,
    })
}

fn unreadable(error: StoreError) -> ReadError {
    ReadError::Row { table: TABLE, id: String::new(), what: error.to_string() }
}
