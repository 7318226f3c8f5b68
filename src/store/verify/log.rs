//! The log itself: entries without a gap, the tree over them, checkpoints, and how far each unit has come.

use std::collections::{BTreeMap, HashMap};

use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use crate::domain::id::UnitId;
use crate::ledger::checkpoint::{self, Head, PublicKey};
use crate::ledger::hash::Hash;
use crate::ledger::heads::{Heads, UnitHead};
use crate::ledger::leaf::{self, EntryKind, Glance};
use crate::ledger::retention::{Leaves, Retention};
use crate::ledger::tree::{Edge, Place, WIDTH, tile_bytes};
use crate::store::error::StoreError;
use crate::store::ledger::unit_head;

use super::packed::{Packed, spelt};
use super::report::{Outside, Report};

/// Roots that the tree must have at some sizes, each with whom it is told by.
type Roots = BTreeMap<u64, Vec<(String, Hash)>>;

/// Checks the log.
///
/// # Errors
/// The file cannot be read.
pub async fn check(
    reader: &mut SqliteConnection,
    keys: &[PublicKey],
    outside: &[Outside],
    report: &mut Report,
) -> Result<(), StoreError> {
    let mut roots = signed_roots(reader, keys, report).await?;
    for Outside { name, head } in outside {
        roots.entry(head.size).or_default().push((name.clone(), head.root));
    }
    let (tiles, heads, leafless) = (HashMap::new(), Heads::default(), BTreeMap::new());
    let mut walk = Walk { edge: Edge::default(), heads, roots, tiles, leafless };
    walk.hold_roots(report);
    let first: Option<i64> = sqlx::query_scalar("select min(idx) from ledger_entry").fetch_one(&mut *reader).await?;
    let complete = match first {
        Some(first) if first < 0 => walk.follows(first, report),
        _ => match packed_entries(reader, &mut walk, report).await? {
            Some(complete) => complete,
            None => entries(reader, &mut walk, report).await?,
        },
    };
    if complete {
        return walk.end(reader, report).await;
    }
    // Nothing behind a hole can be placed.
    report.entries = walk.edge.size();
    Ok(())
}

/// Walks over the entries many at a time; `None` as soon as a row is not what is expected there, false where one cannot be
/// placed.
async fn packed_entries(
    reader: &mut SqliteConnection,
    walk: &mut Walk,
    report: &mut Report,
) -> Result<Option<bool>, StoreError> {
    let entry = spelt(&["idx", "kind", "ref", "unit", "number", "leaf", "hash"]);
    let pages = format!(
        "with recursive page (n) as (select 0 union all \
         select n + 64 from page where n + 64 <= (select max(idx) from ledger_entry)) \
         select (select group_concat({entry}, '') from ledger_entry where idx >= page.n and idx < page.n + 64) as packed \
         from page"
    );
    let mut rows = sqlx::query(AssertSqlSafe(pages)).fetch(&mut *reader);
    while let Some(page) = rows.try_next().await? {
        let packed: Option<&[u8]> = page.try_get("packed")?;
        let mut packed = Packed(packed.unwrap_or_default());
        while !packed.is_empty() {
            let Some(row) = EntryRow::packed(&mut packed) else { return Ok(None) };
            if row.index as u64 != walk.edge.size() {
                return Ok(None);
            }
            if !walk.entry(&row, report) {
                return Ok(Some(false));
            }
        }
    }
    Ok(Some(true))
}

/// Walks over the entries that are left, one at a time; false if one is missing.
async fn entries(reader: &mut SqliteConnection, walk: &mut Walk, report: &mut Report) -> Result<bool, StoreError> {
    let rest = "select idx, kind, ref, unit, number, leaf, hash from ledger_entry where idx >= $1 order by idx";
    let mut rows = sqlx::query(rest).bind(walk.edge.size() as i64).fetch(&mut *reader);
    while let Some(row) = rows.try_next().await? {
        let row = EntryRow::read(&row)?;
        if !walk.follows(row.index, report) {
            return Ok(false);
        }
        if !walk.entry(&row, report) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// An entry as its row has it.
struct EntryRow<'r> {
    index: i64,
    kind: &'r str,
    reference: &'r str,
    unit: Option<&'r str>,
    number: Option<i64>,
    /// `None` where it was pruned; then its hash stands in its place.
    leaf: Option<&'r [u8]>,
    hash: Option<&'r [u8]>,
}

impl<'r> EntryRow<'r> {
    fn packed(packed: &mut Packed<'r>) -> Option<Self> {
        Some(Self {
            index: packed.integer()?,
            kind: packed.text()?,
            reference: packed.text()?,
            unit: packed.maybe_text()?,
            number: packed.maybe_integer()?,
            leaf: packed.maybe_blob()?,
            hash: packed.maybe_blob()?,
        })
    }

    fn read(row: &'r SqliteRow) -> Result<Self, StoreError> {
        Ok(Self {
            index: row.try_get("idx")?,
            kind: row.try_get("kind")?,
            reference: row.try_get("ref")?,
            unit: row.try_get("unit")?,
            number: row.try_get("number")?,
            leaf: row.try_get("leaf")?,
            hash: row.try_get("hash")?,
        })
    }
}

/// The checkpoints that the file holds.
async fn signed_roots(
    reader: &mut SqliteConnection,
    keys: &[PublicKey],
    report: &mut Report,
) -> Result<Roots, StoreError> {
    let mut roots = Roots::new();
    if keys.is_empty() {
        return Ok(roots);
    }
    let rows = sqlx::query("select size, note from ledger_checkpoint order by size").fetch_all(&mut *reader).await?;
    for row in &rows {
        report.checkpoints += 1;
        let (size, note): (i64, String) = (row.try_get("size")?, row.try_get("note")?);
        match checkpoint::open(keys, &note) {
            Ok(head) if head.size == size as u64 => {
                roots.entry(head.size).or_default().push(("its own checkpoint".to_owned(), head.root));
            }
            Ok(head) => report.find(format!("the checkpoint kept as one of {size} entries is one of {}", head.size)),
            Err(error) => report.find(format!("the checkpoint of {size} entries: {error}")),
        }
    }
    Ok(roots)
}

struct Walk {
    edge: Edge,
    heads: Heads,
    roots: Roots,
    /// What the entries give for each tile, by a hash of its bytes.
    tiles: HashMap<Place, Hash>,
    /// Entries without a leaf for which no `retention` entry has accounted yet.
    leafless: BTreeMap<u64, EntryKind>,
}

impl Walk {
    /// Whether an index is the next one.
    fn follows(&self, stored: i64, report: &mut Report) -> bool {
        let index = self.edge.size();
        if stored as u64 != index {
            report.find(format!("entry {index} is missing; the next one is {stored}"));
        }
        stored as u64 == index
    }

    /// Takes the next entry; false if it cannot be placed.
    fn entry(&mut self, row: &EntryRow<'_>, report: &mut Report) -> bool {
        let index = self.edge.size();
        let Some(bytes) = row.leaf else { return self.leafless(row, index, report) };
        let hash = Hash::of_leaf(bytes);
        match leaf::glance(bytes) {
            Some(seen) => self.said(row, index, &seen, hash, report),
            None => match leaf::read(bytes) {
                Ok(read) => self.said(row, index, &read.glance(), hash, report),
                Err(error) => report.find(format!("entry {index}: {error}")),
            },
        }
        self.take(hash, report);
        true
    }

    /// Takes an entry's hash into the tree.
    fn take(&mut self, hash: Hash, report: &mut Report) {
        self.edge.append(hash);
        if self.edge.size().is_multiple_of(WIDTH as u64) {
            self.keep_full_tiles();
        }
        self.hold_roots(report);
    }

    /// Takes an entry whose leaf was pruned: its hash stands in the tree and in its unit's chain as before. False if it
    /// has none.
    fn leafless(&mut self, row: &EntryRow<'_>, index: u64, report: &mut Report) -> bool {
        let link = match row.unit.zip(row.number).map(|(unit, number)| (unit.parse::<UnitId>(), number as u64)) {
            None => Some(None),
            Some((Ok(unit), number)) => Some(Some((unit, number))),
            Some((Err(_), _)) => None,
        };
        let hash = row.hash.and_then(Hash::from_slice);
        let (Some(hash), Ok(kind), "", Some(link)) = (hash, row.kind.parse(), row.reference, link) else {
            report.find(format!("entry {index}: it has no leaf, and is not as pruning leaves it"));
            return false;
        };
        self.leafless.insert(index, kind);
        if let Some((unit, number)) = link {
            let expected = self.heads.get(&unit).map_or(1, |head| head.number + 1);
            if number != expected {
                report.find(format!("entry {index}: it does not follow entry {} of unit {unit}", expected - 1));
            }
            self.heads.put(UnitHead { unit, number, hash });
        }
        self.take(hash, report);
        true
    }

    /// A `retention` entry accounts for leaves before it.
    fn account(&mut self, index: u64, seen: &Glance<'_>, report: &mut Report) {
        let body = seen.body.as_deref().and_then(|body| serde_json::from_str(body).ok());
        let Some(retention) = body.as_ref().and_then(Retention::read) else {
            report.find(format!("entry {index}: it does not say what was pruned"));
            return;
        };
        let Some(Leaves { kind, runs }) = retention.leaves else { return };
        if !retention.rows.takes(kind) || !runs.iter().all(|(first, last)| first <= last && *last < index) {
            report.find(format!("entry {index}: it says that leaves were pruned which pruning does not take"));
            return;
        }
        for (first, last) in runs {
            // One finding is enough: whoever makes a run up can make it endless.
            let strange = (first..=last).find(|pruned| self.leafless.remove(pruned) != Some(kind));
            if let Some(strange) = strange {
                report.find(format!(
                    "entry {index}: entry {strange}, which it says was pruned, is not as pruning leaves it"
                ));
            }
        }
    }

    fn said(&mut self, row: &EntryRow<'_>, index: u64, seen: &Glance<'_>, hash: Hash, report: &mut Report) {
        // What is looked up by must be what the leaf says.
        let link = seen.link.map(|(unit, number, _)| (unit, number as i64));
        if (row.kind, row.reference, row.unit.zip(row.number)) != (seen.kind.as_str(), seen.reference, link)
            || row.unit.is_some() != row.number.is_some()
        {
            report.find(format!("entry {index}: its columns do not say what its leaf says"));
        }
        self.follow(index, seen, hash, report);
    }

    /// The unit's own numbering, and what a `heads` entry says of all units.
    fn follow(&mut self, index: u64, seen: &Glance<'_>, hash: Hash, report: &mut Report) {
        if let Some((unit, number, previous)) = seen.link {
            let before = self.heads.advance(unit, number, hash);
            let expected = (before.map_or(1, |(number, _)| number + 1), before.map(|(_, hash)| hash));
            if (number, previous) != expected {
                report.find(format!("entry {index}: it does not follow entry {} of unit {unit}", expected.0 - 1));
            }
            if let (None, Ok(unit)) = (before, unit.parse()) {
                self.heads.put(UnitHead { unit, number, hash });
            }
        }
        if seen.kind == EntryKind::Retention {
            self.account(index, seen, report);
        }
        if seen.kind == EntryKind::Heads && seen.body.as_deref() != Some(self.heads.body().object().as_str()) {
            report.find(format!("entry {index}: it does not say how far each unit had come"));
        }
    }

    /// Holds the tree as it is now against those who know its root at this size.
    fn hold_roots(&mut self, report: &mut Report) {
        let Some(told) = self.roots.remove(&self.edge.size()) else { return };
        let root = self.edge.root();
        for (name, expected) in told {
            if root != expected {
                let size = self.edge.size();
                report.find(format!("the first {size} entries are not those that {name} was signed over"));
            }
        }
    }

    fn keep_full_tiles(&mut self) {
        let full = self.edge.take_full();
        self.tiles.extend(full.iter().map(|(place, tile)| (*place, Hash::of_leaf(&tile_bytes(tile)))));
    }

    /// Holds the tiles that the file keeps against those that the entries give.
    async fn hold_tiles(&mut self, reader: &mut SqliteConnection, report: &mut Report) -> Result<(), StoreError> {
        let grown = self.edge.take_grown();
        self.tiles.extend(grown.iter().map(|(place, tile)| (*place, Hash::of_leaf(&tile_bytes(tile)))));
        let mut rows = sqlx::query("select level, number, hashes from ledger_tile").fetch(&mut *reader);
        while let Some(row) = rows.try_next().await? {
            let (level, number): (i64, i64) = (row.try_get("level")?, row.try_get("number")?);
            let place = u8::try_from(level).ok().map(|level| Place { level, number: number as u64 });
            if place.and_then(|place| self.tiles.remove(&place)) != Some(Hash::of_leaf(row.try_get("hashes")?)) {
                report.find(format!("tile {number} of level {level} is not what the entries give"));
            }
        }
        for Place { level, number } in self.tiles.keys() {
            report.find(format!("tile {number} of level {level} is missing"));
        }
        Ok(())
    }

    async fn end(mut self, reader: &mut SqliteConnection, report: &mut Report) -> Result<(), StoreError> {
        self.hold_tiles(reader, report).await?;
        for index in self.leafless.keys() {
            report.find(format!("entry {index}: its leaf is gone, and no entry says that it was pruned"));
        }
        let head = Head { size: self.edge.size(), root: self.edge.root() };
        for (size, told) in &self.roots {
            for (name, _) in told {
                report.find(format!("{name} was signed over {size} entries; the file has {}", head.size));
            }
        }
        let rows = sqlx::query("select * from ledger_head").fetch_all(&mut *reader).await?;
        if rows.len() as u64 != self.heads.size() {
            report.find(format!(
                "{} units have entries, and the file keeps heads of {}",
                self.heads.size(),
                rows.len()
            ));
        }
        for row in &rows {
            match unit_head(row) {
                Ok(kept) if self.heads.get(&kept.unit) == Some(&kept) => {}
                Ok(kept) => report.find(format!("unit {}: its newest entry is another than the file says", kept.unit)),
                Err(error) => report.find(error.to_string()),
            }
        }
        let misplaced = "select h.unit from ledger_head h left join ledger_entry e \
             on e.unit = h.unit and e.number = h.number where e.idx is not h.idx";
        for unit in sqlx::query_scalar::<_, String>(misplaced).fetch_all(&mut *reader).await? {
            report.find(format!("unit {unit}: its newest entry stands elsewhere than the file says"));
        }
        report.entries = head.size;
        report.head = Some(head);
        Ok(())
    }
}
