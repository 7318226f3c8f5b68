//! How far each unit's own numbering had come: one hash over all units, so that a part can be proven to be complete.
//!
//! Each entry of a unit bears the next number of that unit and the hash of the one before. A `heads` entry holds the
//! root of a tree over (unit, number, hash of that entry) of every unit, in order of the units' ids. Two of them show
//! which numbers a unit used between them, so an export that lacks one is found (docs/decisions/0014).

use serde_json::{Value, json};

use crate::domain::id::UnitId;

use super::hash::Hash;
use super::leaf::canonical;
use super::proof::{NotProven, check_inclusion};

use super::checkpoint::Head;

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
        canonical(&json!([self.unit.as_str(), self.number, self.hash.to_string()]))
    }
}

/// Every unit that has entries, in order of ids, and the tree over them.
#[derive(Debug, Clone, Default)]
pub struct Heads {
    rows: Vec<UnitHead>,
    /// Level by level from the leaves up. A node without a neighbour is its own parent, which gives RFC 6962's tree.
    /// Empty while a unit has been added and nobody has asked since.
    levels: Vec<Vec<Hash>>,
}

impl Heads {
    /// The tree over these rows, in any order.
    #[must_use]
    pub fn new(mut rows: Vec<UnitHead>) -> Self {
        rows.sort_unstable_by(|one, other| one.unit.cmp(&other.unit));
        let mut heads = Self { rows, levels: Vec::new() };
        heads.build();
        heads
    }

    fn build(&mut self) {
        if !self.levels.is_empty() {
            return;
        }
        let mut level: Vec<Hash> = self.rows.iter().map(|row| Hash::of_leaf(&row.to_bytes())).collect();
        while level.len() > 1 {
            let above = level.chunks(2).map(parent).collect();
            self.levels.push(std::mem::replace(&mut level, above));
        }
        self.levels.push(level);
    }

    /// A unit has a new entry. Costs one path for a unit that has been seen; a new one has the tree made anew when it is
    /// asked for next.
    pub fn put(&mut self, head: UnitHead) {
        match self.rows.binary_search_by(|row| row.unit.cmp(&head.unit)) {
            Err(place) => {
                self.rows.insert(place, head);
                self.levels.clear();
            }
            Ok(index) if self.levels.is_empty() => self.rows[index] = head,
            Ok(mut index) => {
                self.levels[0][index] = Hash::of_leaf(&head.to_bytes());
                self.rows[index] = head;
                for level in 1..self.levels.len() {
                    let pair = index & !1;
                    let below = &self.levels[level - 1];
                    let node = parent(&below[pair..below.len().min(pair + 2)]);
                    index /= 2;
                    self.levels[level][index] = node;
                }
            }
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
    pub fn body(&mut self) -> Value {
        json!({ "units": self.size(), "root": self.root().to_string() })
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
            let all = commitment(&heads.body()).unwrap();
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
            let number = grown.get(&unit).map_or(0, |head| head.number) + 1;
            grown.put(UnitHead { unit, number, hash: Hash::of_leaf(&[step]) });
            let mut at_once = Heads::new(grown.rows.clone());
            assert_eq!(grown.root(), at_once.root(), "step {step}");
        }
    }

    #[test]
    fn a_unit_that_has_entries_cannot_be_shown_to_have_none() {
        let mut heads = heads(&["a", "b", "c"]);
        let all = commitment(&heads.body()).unwrap();
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
