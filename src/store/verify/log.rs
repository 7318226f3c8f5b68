//! The log itself: entries without a gap, the tree over them, checkpoints, and how far each unit has come.

use std::collections::{BTreeMap, HashMap};

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::domain::id::UnitId;
use crate::ledger::checkpoint::{Head, PublicKey};
use crate::ledger::hash::Hash;
use crate::ledger::heads::{Heads, UnitHead};
use crate::ledger::leaf::{self, EntryKind};
use crate::ledger::retention::{Leaves, Retention};
use crate::ledger::tree::{Edge, Place, WIDTH};
use crate::store::error::StoreError;
use crate::store::ledger::{tile, unit_head};

use super::report::{Outside, Report};

/// Entries read at a time.
const PAGE: i64 = 10_000;

/// Roots that the tree must have at some sizes, each with whom it is told by.
type Roots = BTreeMap<u64, Vec<(String, Hash)>>;

/// Checks the log.
///
/// # Errors
/// The file cannot be read.
pub async fn check(
    reader: &mut SqliteConnection,
    key: Option<&PublicKey>,
    outside: &[Outside],
    report: &mut Report,
) -> Result<(), StoreError> {
    let mut roots = signed_roots(reader, key, report).await?;
    for Outside { name, head } in outside {
        roots.entry(head.size).or_default().push((name.clone(), head.root));
    }
    let mut walk =
        Walk { edge: Edge::default(), heads: Heads::default(), roots, open: HashMap::new(), leafless: BTreeMap::new() };
    walk.hold_roots(report);
    loop {
        let find = "select * from ledger_entry where idx >= $1 order by idx limit $2";
        let rows = sqlx::query(find).bind(walk.edge.size() as i64).bind(PAGE).fetch_all(&mut *reader).await?;
        for row in &rows {
            if !walk.entry(row, report)? {
                // Nothing behind a hole can be placed.
                report.entries = walk.edge.size();
                return Ok(());
            }
        }
        walk.hold_tiles(reader, report).await?;
        if rows.len() < PAGE as usize {
            break;
        }
    }
    walk.end(reader, report).await
}

/// The checkpoints that the file holds.
async fn signed_roots(
    reader: &mut SqliteConnection,
    key: Option<&PublicKey>,
    report: &mut Report,
) -> Result<Roots, StoreError> {
    let mut roots = Roots::new();
    let Some(key) = key else { return Ok(roots) };
    let rows = sqlx::query("select size, note from ledger_checkpoint order by size").fetch_all(&mut *reader).await?;
    for row in &rows {
        report.checkpoints += 1;
        let (size, note): (i64, String) = (row.try_get("size")?, row.try_get("note")?);
        match key.open(&note) {
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
    /// Tiles that have grown and are not compared yet.
    open: HashMap<Place, Vec<Hash>>,
    /// Entries without a leaf for which no `retention` entry has accounted yet.
    leafless: BTreeMap<u64, EntryKind>,
}

impl Walk {
    /// Takes one entry; false if it does not follow the one before.
    fn entry(&mut self, row: &SqliteRow, report: &mut Report) -> Result<bool, StoreError> {
        let index = self.edge.size();
        let stored: i64 = row.try_get("idx")?;
        if stored as u64 != index {
            report.find(format!("entry {index} is missing; the next one is {stored}"));
            return Ok(false);
        }
        let Some(bytes) = row.try_get::<Option<&[u8]>, _>("leaf")? else { return self.leafless(row, index, report) };
        match leaf::read(bytes) {
            Err(error) => report.find(format!("entry {index}: {error}")),
            Ok(read) => {
                self.columns(row, index, &read, report)?;
                self.follow(index, &read, Hash::of_leaf(bytes), report);
            }
        }
        self.edge.append(Hash::of_leaf(bytes));
        self.hold_roots(report);
        Ok(true)
    }

    /// Takes an entry whose leaf was pruned: its hash stands in the tree and in its unit's chain as before. False if it
    /// has none.
    fn leafless(&mut self, row: &SqliteRow, index: u64, report: &mut Report) -> Result<bool, StoreError> {
        let (kind, reference): (&str, &str) = (row.try_get("kind")?, row.try_get("ref")?);
        let (unit, number): (Option<&str>, Option<i64>) = (row.try_get("unit")?, row.try_get("number")?);
        let hash = row.try_get::<Option<&[u8]>, _>("hash")?.and_then(Hash::from_slice);
        let link = match unit.zip(number).map(|(unit, number)| (unit.parse::<UnitId>(), number as u64)) {
            None => Some(None),
            Some((Ok(unit), number)) => Some(Some((unit, number))),
            Some((Err(_), _)) => None,
        };
        let (Some(hash), Ok(kind), "", Some(link)) = (hash, kind.parse(), reference, link) else {
            report.find(format!("entry {index}: it has no leaf, and is not as pruning leaves it"));
            return Ok(false);
        };
        self.leafless.insert(index, kind);
        if let Some((unit, number)) = link {
            let expected = self.heads.get(&unit).map_or(1, |head| head.number + 1);
            if number != expected {
                report.find(format!("entry {index}: it does not follow entry {} of unit {unit}", expected - 1));
            }
            self.heads.put(UnitHead { unit, number, hash });
        }
        self.edge.append(hash);
        self.hold_roots(report);
        Ok(true)
    }

    /// A `retention` entry accounts for leaves before it.
    fn account(&mut self, index: u64, read: &leaf::Read, report: &mut Report) {
        let Some(retention) = read.body.as_ref().and_then(Retention::read) else {
            report.find(format!("entry {index}: it does not say what was pruned"));
            return;
        };
        let Some(Leaves { kind, runs }) = retention.leaves else { return };
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

    /// What is looked up by must be what the leaf says.
    fn columns(&self, row: &SqliteRow, index: u64, read: &leaf::Read, report: &mut Report) -> Result<(), StoreError> {
        let kind: &str = row.try_get("kind")?;
        let reference: &str = row.try_get("ref")?;
        let (unit, number): (Option<&str>, Option<i64>) = (row.try_get("unit")?, row.try_get("number")?);
        let link = read.link.as_ref().map(|(unit, number, _)| (unit.as_str(), *number as i64));
        if (kind, reference, unit.zip(number)) != (read.kind.as_str(), read.reference.as_str(), link)
            || unit.is_some() != number.is_some()
        {
            report.find(format!("entry {index}: its columns do not say what its leaf says"));
        }
        Ok(())
    }

    /// The unit's own numbering, and what a `heads` entry says of all units.
    fn follow(&mut self, index: u64, read: &leaf::Read, hash: Hash, report: &mut Report) {
        if let Some((unit, number, previous)) = &read.link {
            let before = self.heads.get(unit);
            let expected = (before.map_or(1, |head| head.number + 1), before.map(|head| head.hash));
            if (*number, *previous) != expected {
                report.find(format!("entry {index}: it does not follow entry {} of unit {unit}", expected.0 - 1));
            }
            self.heads.put(UnitHead { unit: unit.clone(), number: *number, hash });
        }
        if read.kind == EntryKind::Retention {
            self.account(index, read, report);
        }
        if read.kind == EntryKind::Heads && read.body.as_ref() != Some(&self.heads.body()) {
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

    /// Holds full tiles against those that the file keeps.
    async fn hold_tiles(&mut self, reader: &mut SqliteConnection, report: &mut Report) -> Result<(), StoreError> {
        self.open.extend(self.edge.take_grown());
        let full: Vec<Place> =
            self.open.iter().filter(|(_, tile)| tile.len() == WIDTH).map(|(place, _)| *place).collect();
        for place in full {
            let computed = self.open.remove(&place).unwrap_or_default();
            hold_tile(reader, place, &computed, report).await?;
        }
        Ok(())
    }

    async fn end(mut self, reader: &mut SqliteConnection, report: &mut Report) -> Result<(), StoreError> {
        for (place, computed) in std::mem::take(&mut self.open) {
            hold_tile(reader, place, &computed, report).await?;
        }
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
        report.entries = head.size;
        report.head = Some(head);
        Ok(())
    }
}

async fn hold_tile(
    reader: &mut SqliteConnection,
    place: Place,
    computed: &[Hash],
    report: &mut Report,
) -> Result<(), StoreError> {
    let find = "select * from ledger_tile where level = $1 and number = $2";
    let row = sqlx::query(find).bind(place.level).bind(place.number as i64).fetch_optional(&mut *reader).await?;
    let kept = row.as_ref().map(tile).transpose();
    if !matches!(&kept, Ok(Some((_, hashes))) if hashes == computed) {
        report.find(format!("tile {} of level {} is not what the entries give", place.number, place.level));
    }
    Ok(())
}
