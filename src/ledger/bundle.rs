//! What an auditor takes along: one unit's entries between two checkpoints, with the proof that each is in the log and
//! that none is missing. Checked here with nothing but the log's public key.

use serde::{Deserialize, Serialize};

use crate::domain::id::UnitId;

use super::checkpoint::{Head, PublicKey};
use super::hash::Hash;
use super::heads::{HeadProof, ProvenRow, UnitHead, commitment};
use super::leaf::{self, EntryKind, NotALeaf};
use super::proof::{NotProven, check_consistency, check_inclusion};

/// A bundle's proofs, as `proofs.json` holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    pub unit: String,
    /// The tree before the stretch; `None` when the stretch begins with the log itself.
    pub from: Option<End>,
    /// The tree after the stretch.
    pub to: End,
    /// That the later tree continues the earlier one.
    pub consistency: Vec<String>,
    pub entries: Vec<Entry>,
}

/// One end of the stretch: a signed tree and what it says of the unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// The signed note.
    pub checkpoint: String,
    /// The tree's last leaf, which says how far each unit had come.
    pub heads: String,
    pub path: Vec<String>,
    pub unit: UnitProof,
}

/// [`HeadProof`] as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum UnitProof {
    Has(Row),
    HasNone { before: Option<Row>, after: Option<Row> },
}

/// [`ProvenRow`] as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub unit: String,
    pub number: u64,
    pub hash: String,
    pub index: u64,
    pub path: Vec<String>,
}

/// One entry and its way to the root of [`Bundle::to`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub index: u64,
    pub leaf: String,
    pub path: Vec<String>,
}

/// What a bundle shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    pub unit: UnitId,
    pub from: Option<Head>,
    pub to: Head,
    /// The entries with their indexes, in the order of the log.
    pub entries: Vec<(u64, leaf::Read)>,
}

/// Why a bundle does not show what it claims.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotShown {
    #[error("{place}: {source}")]
    NotProven { place: String, source: NotProven },
    #[error("{place}: {source}")]
    NotALeaf { place: String, source: NotALeaf },
    #[error("{0} is no hash")]
    NotAHash(String),
    #[error("{0:?} is no id of a unit")]
    NotAUnit(String),
    #[error(
        "{0}: its last entry does not say how far each unit had come, so nothing shows that the stretch is complete"
    )]
    NoHeads(String),
    #[error("entry {index} is of another unit")]
    Stranger { index: u64 },
    #[error("the unit's entry {number} is missing: the stretch goes from {first} to {last}")]
    Missing { number: u64, first: u64, last: u64 },
    #[error("entry {index} does not follow the unit's entry before it: {what}")]
    Broken { index: u64, what: &'static str },
    #[error("the question cannot be understood: {name} {value:?}")]
    Question { name: &'static str, value: String },
    #[error("the entry that closes the checkpoint is of another kind")]
    NotClosing,
    #[error("entry {index} stands twice, or not in the order of the log")]
    OutOfOrder { index: u64 },
    #[error("entry {index} is neither a visit that was asked for nor belongs to one")]
    Unasked { index: u64 },
    #[error("no visit in it is one that was asked for")]
    Nothing,
}

/// Checks everything that a bundle claims.
///
/// # Errors
/// [`NotShown`]: the first claim that does not hold, and where.
pub fn check(bundle: &Bundle, key: &PublicKey) -> Result<Shown, NotShown> {
    let unit: UnitId = bundle.unit.parse().map_err(|_| NotShown::NotAUnit(bundle.unit.clone()))?;
    let to = end(&bundle.to, key, "the later checkpoint", &unit)?;
    let from = bundle.from.as_ref().map(|from| end(from, key, "the earlier checkpoint", &unit)).transpose()?;
    if let Some((from, _)) = &from {
        check_consistency(&hashes(&bundle.consistency)?, *from, to.0)
            .map_err(|source| NotShown::NotProven { place: "the two checkpoints".to_owned(), source })?;
    }
    let mut before = from.as_ref().and_then(|(_, head)| head.clone());
    let first = before.as_ref().map_or(1, |head| head.number + 1);
    let last = to.1.as_ref().map_or(0, |head| head.number);
    let mut entries = Vec::with_capacity(bundle.entries.len());
    for entry in &bundle.entries {
        let (read, head) = follow(entry, to.0, &unit, before.as_ref(), (first, last))?;
        before = Some(head);
        entries.push((entry.index, read));
    }
    let reached = before.as_ref().map_or(0, |head| head.number);
    if reached != last {
        return Err(NotShown::Missing { number: reached + 1, first, last });
    }
    if before != to.1 {
        return Err(NotShown::Broken { index: to.0.size - 1, what: "the newest entry is not the one that was signed" });
    }
    Ok(Shown { unit, from: from.map(|(head, _)| head), to: to.0, entries })
}

/// Checks one end, and gives its tree and the unit's newest entry in it.
fn end(end: &End, key: &PublicKey, place: &str, unit: &UnitId) -> Result<(Head, Option<UnitHead>), NotShown> {
    let failed = |source: NotProven| NotShown::NotProven { place: place.to_owned(), source };
    let head = key.open(&end.checkpoint).map_err(|error| failed(error.into()))?;
    let Some(index) = head.size.checked_sub(1) else { return Err(NotShown::NoHeads(place.to_owned())) };
    let leaf = end.heads.as_bytes();
    check_inclusion(&hashes(&end.path)?, head, index, Hash::of_leaf(leaf)).map_err(failed)?;
    let read = leaf::read(leaf).map_err(|source| NotShown::NotALeaf { place: place.to_owned(), source })?;
    match read.body.filter(|_| read.kind == EntryKind::Heads) {
        None => Err(NotShown::NoHeads(place.to_owned())),
        Some(body) => {
            let all = commitment(&body).map_err(failed)?;
            Ok((head, unit_proof(&end.unit)?.check(unit, all).map_err(failed)?))
        }
    }
}

/// Checks that an entry is in the log and is the unit's next one.
fn follow(
    entry: &Entry,
    to: Head,
    unit: &UnitId,
    before: Option<&UnitHead>,
    (first, last): (u64, u64),
) -> Result<(leaf::Read, UnitHead), NotShown> {
    let index = entry.index;
    let place = || format!("entry {index}");
    let bytes = entry.leaf.as_bytes();
    let hash = Hash::of_leaf(bytes);
    check_inclusion(&hashes(&entry.path)?, to, index, hash)
        .map_err(|source| NotShown::NotProven { place: place(), source })?;
    let read = leaf::read(bytes).map_err(|source| NotShown::NotALeaf { place: place(), source })?;
    let Some((of, number, previous)) = &read.link else { return Err(NotShown::Stranger { index }) };
    if of != unit {
        return Err(NotShown::Stranger { index });
    }
    let next = before.map_or(1, |head| head.number + 1);
    if *number != next {
        return Err(NotShown::Missing { number: next, first, last });
    }
    if *previous != before.map(|head| head.hash) {
        return Err(NotShown::Broken { index, what: "it names another entry as the one before" });
    }
    let head = UnitHead { unit: unit.clone(), number: *number, hash };
    Ok((read, head))
}

/// Hashes as they were written.
///
/// # Errors
/// [`NotShown::NotAHash`].
pub fn hashes(texts: &[String]) -> Result<Vec<Hash>, NotShown> {
    texts.iter().map(|text| text.parse().map_err(|_| NotShown::NotAHash(text.clone()))).collect()
}

fn unit_proof(proof: &UnitProof) -> Result<HeadProof, NotShown> {
    let optional = |row: &Option<Row>| row.as_ref().map(proven_row).transpose();
    Ok(match proof {
        UnitProof::Has(row) => HeadProof::Has(proven_row(row)?),
        UnitProof::HasNone { before, after } => {
            HeadProof::HasNone { before: optional(before)?, after: optional(after)? }
        }
    })
}

fn proven_row(row: &Row) -> Result<ProvenRow, NotShown> {
    Ok(ProvenRow {
        head: UnitHead {
            unit: row.unit.parse().map_err(|_| NotShown::NotAUnit(row.unit.clone()))?,
            number: row.number,
            hash: row.hash.parse().map_err(|_| NotShown::NotAHash(row.hash.clone()))?,
        },
        index: row.index,
        path: hashes(&row.path)?,
    })
}

impl From<HeadProof> for UnitProof {
    fn from(proof: HeadProof) -> Self {
        match proof {
            HeadProof::Has(row) => Self::Has(row.into()),
            HeadProof::HasNone { before, after } => {
                Self::HasNone { before: before.map(Row::from), after: after.map(Row::from) }
            }
        }
    }
}

impl From<ProvenRow> for Row {
    fn from(row: ProvenRow) -> Self {
        Self {
            unit: row.head.unit.as_str().to_owned(),
            number: row.head.number,
            hash: row.head.hash.to_string(),
            index: row.index,
            path: texts(&row.path),
        }
    }
}

/// Hashes as a bundle writes them.
#[must_use]
pub fn texts(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(Hash::to_string).collect()
}
