//! How far each unit's own numbering had come: one hash over all units, so that a part can be proven to be complete.
//!
//! Each entry of a unit bears the next number of that unit and the hash of the one before. A `heads` entry holds the
//! root of a tree over (unit, number, hash of that entry) of every unit, in order of the units' ids. Two of them show
//! which numbers a unit used between them, so an export that lacks one is found (docs/decisions/0014).

use serde_json::Value;

use crate::domain::id::UnitId;

use super::hash::Hash;
use super::proof::{NotProven, check_inclusion};

use super::checkpoint::Head;
use super::spelling::Members;

/// A unit's newest entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitHead {
    pub unit: UnitId,
    /// The number of its newest entry, which is how many it has.
    pub number: u64,
    /// The hash of that entry.
    pub hash: Hash,
}

impl UnitHead {
    /// The bytes that stand for it in the tree over all units.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // An id needs no escape, and a hash has none.
        format!("[\"{}\",{},\"{}\"]", self.unit, self.number, self.hash).into_bytes()
    }
}

/// Every unit that has entries, in order of ids, and the tree over them.
#[derive(Debug, Clone, Default)]
pub struct Heads {
    rows: Vec<UnitHead>,
    /// Level by level from the leaves up. A node without a neighbour is its own parent, which gives RFC 6962's tree.
    /// Empty while a unit has been added and nobody has asked since.
    levels: Vec<Vec<Hash>>,
    /// Rows that have changed since the levels were made.
    stale: Vec<usize>,
}

impl Heads {
    /// The tree over these rows, in any order.
    #[must_use]
    pub fn new(mut rows: Vec<UnitHead>) -> Self {
        rows.sort_unstable_by(|one, other| one.unit.cmp(&other.unit));
        let mut heads = Self { rows, levels: Vec::new(), stale: Vec::new() };
        heads.build();
        heads
    }

    fn build(&mut self) {
        if self.levels.is_empty() {
            let mut level: Vec<Hash> = self.rows.iter().map(|row| Hash::of_leaf(&row.to_bytes())).collect();
            while level.len() > 1 {
                let above = level.chunks(2).map(parent).collect();
                self.levels.push(std::mem::replace(&mut level, above));
            }
            self.levels.push(level);
            self.stale.clear();
        }
        let mut stale = std::mem::take(&mut self.stale);
        stale.sort_unstable();
        stale.dedup();
        for &index in &stale {
            self.levels[0][index] = Hash::of_leaf(&self.rows[index].to_bytes());
        }
        for level in 1..self.levels.len() {
            stale.iter_mut().for_each(|index| *index /= 2);
            stale.dedup();
            for &index in &stale {
                let below = &self.levels[level - 1];
                self.levels[level][index] = parent(&below[2 * index..below.len().min(2 * index + 2)]);
            }
        }
    }

    /// A unit has a new entry. The tree over all units waits until somebody asks for it.
    pub fn put(&mut self, head: UnitHead) {
        match self.rows.binary_search_by(|row| row.unit.cmp(&head.unit)) {
            Err(place) => {
                self.rows.insert(place, head);
                self.levels.clear();
            }
            Ok(index) => {
                self.rows[index] = head;
                self.touched(index);
            }
        }
    }

    /// As [`Heads::put`] for the entry that follows; gives the number and the hash before. Looks the unit up once.
    pub fn advance(&mut self, unit: &str, number: u64, hash: Hash) -> Option<(u64, Hash)> {
        let index = self.rows.binary_search_by(|row| row.unit.as_str().cmp(unit)).ok()?;
        let row = &mut self.rows[index];
        let before = (row.number, row.hash);
        (row.number, row.hash) = (number, hash);
        self.touched(index);
        Some(before)
    }

    fn touched(&mut self, index: usize) {
        if self.levels.is_empty() {
            return;
        }
        self.stale.push(index);
        if self.stale.len() > 4 * self.rows.len() {
            self.stale.sort_unstable();
            self.stale.dedup();
        }
    }

    /// A unit's newest entry.
    #[must_use]
    pub fn get(&self, unit: &UnitId) -> Option<&UnitHead> {
        let index = self.rows.binary_search_by(|row| row.unit.cmp(unit)).ok()?;
        self.rows.get(index)
    }

    /// Units with entries.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.rows.len() as u64
    }

    /// The root over all of them.
    pub fn root(&mut self) -> Hash {
        self.build();
        self.levels.last().and_then(|top| top.first()).copied().unwrap_or_else(Hash::of_nothing)
    }

    /// What a `heads` entry says of them.
    pub fn body(&mut self) -> Members {
        let mut body = Members::default();
        body.text("root", &self.root().to_string());
        body.raw("units", &self.size().to_string());
        body
    }

    /// The proof of a unit's newest entry, or that it has none.
    pub fn prove(&mut self, unit: &UnitId) -> HeadProof {
        self.build();
        match self.rows.binary_search_by(|row| row.unit.cmp(unit)) {
            Ok(index) => HeadProof::Has(self.row(index)),
            Err(place) => HeadProof::HasNone {
                before: place.checked_sub(1).map(|index| self.row(index)),
                after: (place < self.rows.len()).then(|| self.row(place)),
            },
        }
    }

    fn row(&self, index: usize) -> ProvenRow {
        let mut at = index;
        let neighbour = |level: &Vec<Hash>| {
            let found = level.get(at ^ 1).copied();
            at /= 2;
            found
        };
        let path = self.levels.iter().filter_map(neighbour).collect();
        ProvenRow { head: self.rows[index].clone(), index: index as u64, path }
    }
}

fn parent(nodes: &[Hash]) -> Hash {
    match nodes {
        [left, right, ..] => Hash::of_node(*left, *right),
        [one] => *one,
        [] => Hash::of_nothing(),
    }
}

/// One row and its way to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenRow {
    pub head: UnitHead,
    pub index: u64,
    pub path: Vec<Hash>,
}

/// What a `heads` entry says of one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadProof {
    Has(ProvenRow),
    /// Its neighbours stand side by side, so there is no place for it between them.
    HasNone {
        before: Option<ProvenRow>,
        after: Option<ProvenRow>,
    },
}

/// Reads what a `heads` entry says.
///
/// # Errors
/// [`NotProven::Form`] when the entry is of another form.
pub fn commitment(body: &Value) -> Result<Head, NotProven> {
    let size = body.get("units").and_then(Value::as_u64);
    let root = body.get("root").and_then(Value::as_str).and_then(|root| root.parse().ok());
    match (size, root) {
        (Some(size), Some(root)) => Ok(Head { size, root }),
        _ => Err(NotProven::Form("a heads entry without units and root")),
    }
}

impl HeadProof {
    /// The unit's newest entry by this proof; `None` if it is shown to have none.
    ///
    /// # Errors
    /// [`NotProven`] when the proof does not lead to the root, or is about another unit.
    pub fn check(&self, unit: &UnitId, all: Head) -> Result<Option<UnitHead>, NotProven> {
        let proven = |row: &ProvenRow| check_inclusion(&row.path, all, row.index, Hash::of_leaf(&row.head.to_bytes()));
        match self {
            Self::Has(row) => {
                proven(row)?;
                if row.head.unit != *unit {
                    return Err(NotProven::Form("a head of another unit"));
                }
                Ok(Some(row.head.clone()))
            }
            Self::HasNone { before, after } => {
                before.iter().chain(after).try_for_each(proven)?;
                let next = before.as_ref().map_or(0, |row| row.index + 1);
                let borders = after.as_ref().map_or(all.size, |row| row.index) == next
                    && before.as_ref().is_none_or(|row| row.head.unit < *unit)
                    && after.as_ref().is_none_or(|row| *unit < row.head.unit);
                if borders { Ok(None) } else { Err(NotProven::Form("neighbours that leave room for the unit")) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::canonical::canonical;

    fn heads(units: &[&str]) -> Heads {
        let row = |(number, unit): (usize, &&str)| UnitHead {
            unit: unit.parse().unwrap(),
            number: number as u64 + 1,
            hash: Hash::of_leaf(unit.as_bytes()),
        };
        Heads::new(units.iter().enumerate().map(row).collect())
    }

    #[test]
    fn a_unit_is_shown_to_have_its_newest_entry_or_to_have_none() {
        for count in 0..9 {
            let units: Vec<String> = (0..count).map(|n| format!("u{:02}", 2 * n + 1)).collect();
            let mut heads = heads(&units.iter().map(String::as_str).collect::<Vec<_>>());
            let all = commitment(&serde_json::from_str(&heads.body().object()).unwrap()).unwrap();
            for n in 0..=2 * count {
                let unit: UnitId = format!("u{n:02}").parse().unwrap();
                let shown = heads.prove(&unit).check(&unit, all).unwrap();
                assert_eq!(shown.map(|head| head.unit), (n % 2 == 1).then_some(unit), "u{n} of {count}");
            }
        }
    }

    #[test]
    fn a_tree_that_grew_entry_by_entry_is_the_tree_made_at_once() {
        let mut grown = Heads::default();
        let mut random = fastrand::Rng::with_seed(7);
        for step in 1..200 {
            let unit: UnitId = format!("u{}", random.u32(..23)).parse().unwrap();
            let before = grown.get(&unit).cloned();
            let (number, hash) = (before.as_ref().map_or(1, |head| head.number + 1), Hash::of_leaf(&[step]));
            let seen = grown.advance(unit.as_str(), number, hash);
            assert_eq!(seen, before.map(|head| (head.number, head.hash)));
            if seen.is_none() {
                grown.put(UnitHead { unit, number, hash });
            }
            // Asked now and then, so that several rows wait.
            if random.bool() {
                let mut at_once = Heads::new(grown.rows.clone());
                assert_eq!(grown.root(), at_once.root(), "step {step}");
            }
            let row = UnitHead { unit: "a.b".parse().unwrap(), number, hash };
            let expected = canonical(&serde_json::json!([row.unit.as_str(), number, hash.to_string()]));
            assert_eq!(row.to_bytes(), expected);
        }
    }

    #[test]
    fn a_unit_that_has_entries_cannot_be_shown_to_have_none() {
        let mut heads = heads(&["a", "b", "c"]);
        let all = commitment(&serde_json::from_str(&heads.body().object()).unwrap()).unwrap();
        let b: UnitId = "b".parse().unwrap();
        let (before, after) = (heads.row(0), heads.row(2));
        let hidden = HeadProof::HasNone { before: Some(before.clone()), after: Some(after.clone()) };
        assert!(hidden.check(&b, all).is_err());
        let renumbered = ProvenRow { index: 1, ..after };
        assert!(HeadProof::HasNone { before: Some(before), after: Some(renumbered) }.check(&b, all).is_err());
        let d: UnitId = "d".parse().unwrap();
        assert!(heads.prove(&b).check(&d, all).is_err());
    }
}
