//! The ledger's rows: entries are appended in the transaction that writes what they record.

use std::collections::HashMap;

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use crate::domain::id::UnitId;
use crate::domain::time::Timestamp;
use crate::ledger::checkpoint::Head;
use crate::ledger::commitment::Salt;
use crate::ledger::hash::Hash;
use crate::ledger::heads::{Heads, UnitHead};
use crate::ledger::leaf::{EntryKind, Leaf, Link};
use crate::ledger::tree::{Edge, Place, tile_bytes, tile_hashes};
use crate::switches::{self, Switch};

use super::Change;
use super::entries::{self, Entry, Export};
use super::error::StoreError;
use super::rows::{Words, write_rows};
use super::words::{to_json, word};

const TABLE: &str = "ledger";

/// The unit's newest entry so far: its number, its hash, and where it stands in the log.
type UnitHeads = HashMap<UnitId, (u64, Hash, u64)>;

struct Appended {
    index: u64,
    entry: Entry,
    number: Option<u64>,
    leaf: Vec<u8>,
}

impl Change<'_> {
    /// Has an entry appended when this transaction commits. Whoever writes a row that belongs into the ledger calls it
    /// beside the statement, so that neither can be without the other.
    pub(super) fn enter(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    pub(super) async fn append_entries(&mut self) -> Result<(), StoreError> {
        let mut entries = std::mem::take(&mut self.entries);
        if entries.is_empty() || switches::is_on(Switch::NoLedger) {
            return Ok(());
        }
        self.commit_to_persons(&mut entries).await?;
        let mut edge = self.edge().await?;
        let mut heads = self.heads_of(&entries).await?;
        let appended: Vec<Appended> = entries.into_iter().map(|entry| append(&mut edge, &mut heads, entry)).collect();
        self.insert_entries(&appended).await?;
        self.put_tiles(&mut edge).await?;
        self.put_heads(&heads).await
    }

    /// Puts a commitment into each body for each person that it names, and keeps the salts.
    async fn commit_to_persons(&mut self, entries: &mut [Entry]) -> Result<(), StoreError> {
        let keep = "insert or replace into ledger_salt (kind, ref, name, salt) values ($1, $2, $3, $4)";
        for entry in entries {
            for (name, value) in &entry.personal {
                let salt = Salt::draw();
                entry.body.text(name, &salt.commit(value));
                sqlx::query(keep)
                    .bind(entry.kind.as_str())
                    .bind(&entry.reference)
                    .bind(*name)
                    .bind(salt.0.as_slice())
                    .execute(&mut *self.transaction)
                    .await?;
            }
        }
        Ok(())
    }

    /// The tree's right edge.
    async fn edge(&mut self) -> Result<Edge, StoreError> {
        let size = "select coalesce(max(idx) + 1, 0) from ledger_entry";
        let size: i64 = sqlx::query_scalar(size).fetch_one(&mut *self.transaction).await?;
        let size = size as u64;
        let places: Vec<(u8, u64)> = Edge::places(size).map(|(place, _)| (place.level, place.number)).collect();
        let find = "select t.level, t.number, t.hashes from json_each($1) j \
             cross join ledger_tile t on t.level = j.value ->> 0 and t.number = j.value ->> 1";
        let rows = sqlx::query(find).bind(to_json(&places)).fetch_all(&mut *self.transaction).await?;
        let tiles = rows.iter().map(tile).collect::<Result<HashMap<_, _>, _>>()?;
        Edge::open(size, &tiles).map_err(|error| StoreError::Row { table: TABLE, what: error.to_string() })
    }

    async fn heads_of(&mut self, entries: &[Entry]) -> Result<UnitHeads, StoreError> {
        let mut units: Vec<&str> = entries.iter().filter_map(|entry| entry.unit.as_ref().map(UnitId::as_str)).collect();
        units.sort_unstable();
        units.dedup();
        let find = "select h.* from json_each($1) j cross join ledger_head h on h.unit = j.value";
        let rows = sqlx::query(find).bind(to_json(&units)).fetch_all(&mut *self.transaction).await?;
        rows.iter()
            .map(|row| {
                let head = unit_head(row)?;
                Ok((head.unit, (head.number, head.hash, row.try_get::<i64, _>("idx")? as u64)))
            })
            .collect()
    }

    async fn insert_entries(&mut self, appended: &[Appended]) -> Result<(), StoreError> {
        write_rows(&mut self.transaction, appended, |rows| {
            let mut words = Words::default();
            let mut insert =
                QueryBuilder::<Sqlite>::new("insert into ledger_entry (idx, kind, ref, unit, number, leaf) ");
            insert.push_values(rows, |mut row, appended| {
                row.push_bind(appended.index as i64)
                    .push_bind(words.shared(appended.entry.kind.as_str()))
                    .push_bind(&appended.entry.reference)
                    .push_bind(appended.entry.unit.as_ref().map(UnitId::shared))
                    .push_bind(appended.number.map(|number| number as i64))
                    .push_bind(&appended.leaf);
            });
            insert
        })
        .await
    }

    async fn put_tiles(&mut self, edge: &mut Edge) -> Result<(), StoreError> {
        let put = "insert into ledger_tile (level, number, hashes) values ($1, $2, $3) \
             on conflict (level, number) do update set hashes = excluded.hashes";
        for (place, hashes) in edge.take_grown() {
            sqlx::query(put)
                .bind(place.level)
                .bind(place.number as i64)
                .bind(tile_bytes(&hashes))
                .execute(&mut *self.transaction)
                .await?;
        }
        Ok(())
    }

    async fn put_heads(&mut self, heads: &UnitHeads) -> Result<(), StoreError> {
        let heads: Vec<(&UnitId, &(u64, Hash, u64))> = heads.iter().collect();
        write_rows(&mut self.transaction, &heads, |rows| {
            let mut put = QueryBuilder::<Sqlite>::new("insert into ledger_head (unit, number, hash, idx) ");
            put.push_values(rows, |mut row, (unit, (number, hash, index))| {
                row.push_bind(unit.shared())
                    .push_bind(*number as i64)
                    .push_bind(hash.0.as_slice())
                    .push_bind(*index as i64);
            });
            put.push(
                " on conflict (unit) do update set number = excluded.number, hash = excluded.hash, idx = excluded.idx",
            );
            put
        })
        .await
    }

    /// Enters that somebody takes entries out.
    pub fn record_export(&mut self, export: &Export, by: &str, now: Timestamp) {
        self.enter(entries::export(export, by, now));
    }

    /// Enters that somebody is shown the people whom a visit names.
    pub fn record_look(&mut self, unit: &UnitId, visit: &str, by: &str, now: Timestamp) {
        self.enter(entries::look(unit, visit, by, now));
    }

    /// Closes a stretch of the ledger: appends how far each unit has come, if anything was entered since the last time.
    /// Gives the tree as it will be when this transaction has committed.
    ///
    /// # Errors
    /// Those of the engine, and rows that cannot be read.
    pub async fn close_stretch(&mut self, now: Timestamp) -> Result<Head, StoreError> {
        self.append_entries().await?;
        let newest = "select kind from ledger_entry order by idx desc limit 1";
        let newest: Option<String> = sqlx::query_scalar(newest).fetch_optional(&mut *self.transaction).await?;
        if newest.is_some_and(|kind| kind != EntryKind::Heads.as_str()) {
            let rows = sqlx::query("select * from ledger_head order by unit").fetch_all(&mut *self.transaction).await?;
            let mut heads = Heads::new(rows.iter().map(unit_head).collect::<Result<_, _>>()?);
            let (reference, personal) = (String::new(), Vec::new());
            self.enter(Entry { kind: EntryKind::Heads, at: now, reference, unit: None, body: heads.body(), personal });
            self.append_entries().await?;
        }
        let edge = self.edge().await?;
        Ok(Head { size: edge.size(), root: edge.root() })
    }

    /// Keeps a checkpoint that was signed.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn keep_checkpoint(&mut self, size: u64, note: &str, now: Timestamp) -> Result<(), StoreError> {
        let keep = "insert into ledger_checkpoint (size, at, note) values ($1, $2, $3) \
             on conflict (size) do update set at = excluded.at, note = excluded.note";
        sqlx::query(keep).bind(size as i64).bind(now.0).bind(note).execute(&mut *self.transaction).await?;
        Ok(())
    }
}

fn append(edge: &mut Edge, heads: &mut UnitHeads, entry: Entry) -> Appended {
    let previous = entry.unit.as_ref().and_then(|unit| heads.get(unit).copied());
    let number = previous.map_or(1, |(number, ..)| number + 1);
    let link = entry.unit.as_ref().map(|unit| Link { unit, number, previous: previous.map(|(_, hash, _)| hash) });
    let number = link.as_ref().map(|link| link.number);
    let body = entry.body.object();
    let leaf = Leaf { kind: entry.kind, at: entry.at, reference: &entry.reference, link, body: &body }.to_bytes();
    let (hash, index) = (Hash::of_leaf(&leaf), edge.size());
    if let (Some(unit), Some(number)) = (&entry.unit, number) {
        heads.insert(unit.clone(), (number, hash, index));
    }
    edge.append(hash);
    Appended { index, entry, number, leaf }
}

/// Reads a tile's row.
///
/// # Errors
/// Rows that this program cannot have written.
pub fn tile(row: &SqliteRow) -> Result<(Place, Vec<Hash>), StoreError> {
    let place = Place { level: row.try_get("level")?, number: row.try_get::<i64, _>("number")? as u64 };
    let hashes = tile_hashes(row.try_get("hashes")?)
        .ok_or_else(|| StoreError::Row { table: TABLE, what: "a tile is cut within a hash".to_owned() })?;
    Ok((place, hashes))
}

/// Reads the row of a unit's newest entry.
///
/// # Errors
/// Rows that this program cannot have written.
pub fn unit_head(row: &SqliteRow) -> Result<UnitHead, StoreError> {
    let hash = Hash::from_slice(row.try_get("hash")?)
        .ok_or_else(|| StoreError::Row { table: TABLE, what: "a unit's head is no hash".to_owned() })?;
    Ok(UnitHead { unit: word(TABLE, row.try_get("unit")?)?, number: row.try_get::<i64, _>("number")? as u64, hash })
}
