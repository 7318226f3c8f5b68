//! The RFC 6962 tree, kept as C2SP tiles of height 8: only the right edge is needed to let it grow.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};

use tlog_tiles::tile::Tile;
use tlog_tiles::tlog::{self, HashReader};

use super::hash::{Hash, LENGTH};

/// Levels of the tree that one tile spans.
const HEIGHT: u8 = 8;

/// Hashes in a full tile.
pub const WIDTH: usize = 1 << HEIGHT;

/// Where a tile stands: its level counts tiles, not nodes; its number counts from the left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub level: u8,
    pub number: u64,
}

/// The tree's right edge: its size and the tiles that are not full.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    /// By level; fewer than [`WIDTH`] hashes each.
    open: Vec<Vec<Hash>>,
    /// Tiles that became full since [`Edge::take_grown`].
    full: BTreeMap<Place, Vec<Hash>>,
    /// How many levels of open tiles have grown since then.
    grown: usize,
}

/// Tiles that do not belong to a tree of this size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("tile {number} of level {level} of a tree of {size} leaves must hold {expected} hashes, and holds {found}")]
pub struct BadEdge {
    pub size: u64,
    pub level: u8,
    pub number: u64,
    pub expected: usize,
    pub found: usize,
}

impl Edge {
    /// The open tiles of a tree of `size` leaves, lowest level first, each with how many hashes it holds.
    pub fn places(size: u64) -> impl Iterator<Item = (Place, usize)> {
        (0..HEIGHT).map_while(move |level| {
            let nodes = size >> (u32::from(HEIGHT) * u32::from(level));
            (nodes > 0).then_some((Place { level, number: nodes / WIDTH as u64 }, (nodes % WIDTH as u64) as usize))
        })
    }

    /// The edge of a tree of `size` leaves from its open tiles.
    ///
    /// # Errors
    /// [`BadEdge`] when a tile does not have the width that the size asks for.
    pub fn open(size: u64, tiles: &HashMap<Place, Vec<Hash>>) -> Result<Self, BadEdge> {
        let mut open = Vec::new();
        for (place, expected) in Self::places(size) {
            let tile = tiles.get(&place).cloned().unwrap_or_default();
            if tile.len() != expected {
                let Place { level, number } = place;
                return Err(BadEdge { size, level, number, expected, found: tile.len() });
            }
            open.push(tile);
        }
        Ok(Self { size, open, full: BTreeMap::new(), grown: 0 })
    }

    /// Leaves so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds one leaf at the right.
    pub fn append(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for level in 0.. {
            if self.open.len() == level {
                self.open.push(Vec::new());
            }
            let tile = &mut self.open[level];
            tile.push(hash);
            self.grown = self.grown.max(level + 1);
            if tile.len() < WIDTH {
                break;
            }
            hash = subtree(tile);
            let number = self.size >> (usize::from(HEIGHT) * (level + 1));
            self.full.insert(Place { level: level as u8, number }, std::mem::take(tile));
        }
        self.size += 1;
    }

    /// The tiles that changed, whole, and forgets that they did.
    pub fn take_grown(&mut self) -> BTreeMap<Place, Vec<Hash>> {
        let mut grown = std::mem::take(&mut self.full);
        let changed = std::mem::take(&mut self.grown);
        let open = Self::places(self.size).zip(&self.open).take(changed);
        grown.extend(open.filter(|(_, tile)| !tile.is_empty()).map(|((place, _), tile)| (place, tile.clone())));
        grown
    }

    /// The tiles that became full, and forgets that they did.
    pub fn take_full(&mut self) -> BTreeMap<Place, Vec<Hash>> {
        std::mem::take(&mut self.full)
    }

    /// The root of the tree as it is now.
    #[must_use]
    pub fn root(&self) -> Hash {
        // From the right: the lowest tile holds the smallest subtrees.
        let mut root: Option<Hash> = None;
        for tile in &self.open {
            let mut rest = tile.as_slice();
            while !rest.is_empty() {
                // The rightmost perfect subtree of a row of n nodes has as many as n's lowest set bit says.
                let width = 1 << rest.len().trailing_zeros();
                let (left, last) = rest.split_at(rest.len() - width);
                let subtree = subtree(last);
                root = Some(root.map_or(subtree, |right| Hash::of_node(subtree, right)));
                rest = left;
            }
        }
        root.unwrap_or_else(Hash::of_nothing)
    }
}

/// The root over a power of two of nodes.
fn subtree(nodes: &[Hash]) -> Hash {
    match nodes {
        [one] => *one,
        _ => {
            let (left, right) = nodes.split_at(nodes.len() / 2);
            Hash::of_node(subtree(left), subtree(right))
        }
    }
}

/// A tile's bytes: its hashes one after another.
#[must_use]
pub fn tile_bytes(tile: &[Hash]) -> Vec<u8> {
    tile.iter().flat_map(|hash| hash.0).collect()
}

/// The hashes of a tile; `None` if the bytes are no whole number of them.
#[must_use]
pub fn tile_hashes(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<LENGTH>();
    rest.is_empty().then(|| hashes.iter().map(|hash| Hash(*hash)).collect())
}

/// Why a question about the tree has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The question is about leaves that the tree does not have.
    #[error("the tree has {size} leaves; {asked} is beyond it")]
    Beyond { size: u64, asked: u64 },
    /// A tile that the answer needs is missing or too short: the file is damaged.
    #[error("tile {number} of level {level} is missing or too short")]
    Tile { level: u8, number: u64 },
}

/// What one question about the tree needs, and then its answer. Ask [`Question::places`], fetch those tiles, and give
/// them to [`Question::answer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// The root of the first `size` leaves.
    Root { size: u64 },
    /// The proof that leaf `index` is in the tree of the first `size` leaves.
    Inclusion { size: u64, index: u64 },
    /// The proof that the tree of the first `from` leaves is a beginning of that of the first `size`.
    Consistency { size: u64, from: u64 },
}

impl Question {
    /// The tiles that the answer is made of.
    ///
    /// # Errors
    /// [`TreeError::Beyond`] when it asks for leaves that the tree does not have.
    pub fn places(self) -> Result<Vec<Place>, TreeError> {
        let wanted = Wanted::default();
        self.check()?;
        // It always fails at its first read, which is the only one: by then it has said what it reads.
        drop(self.ask(&wanted));
        let mut places: Vec<Place> = wanted.0.into_inner().into_iter().map(place_of).collect();
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }

    /// The answer: one root, or the hashes of a proof.
    ///
    /// # Errors
    /// [`TreeError`] when the question is beyond the tree, or a tile is missing.
    pub fn answer(self, tiles: &HashMap<Place, Vec<Hash>>) -> Result<Vec<Hash>, TreeError> {
        Ok(Self::answer_all(&[self], tiles)?.remove(0))
    }

    /// The answers to several questions. Proofs of neighbours share most of their hashes, and each is made once.
    ///
    /// # Errors
    /// As [`Question::answer`].
    pub fn answer_all(questions: &[Self], tiles: &HashMap<Place, Vec<Hash>>) -> Result<Vec<Vec<Hash>>, TreeError> {
        let reader = Tiles { tiles, made: RefCell::default(), missing: Cell::new(None) };
        let answer = |question: &Self| {
            question.check()?;
            match question.ask(&reader) {
                Ok(hashes) => Ok(hashes.into_iter().map(|hash| Hash(hash.0)).collect()),
                Err(_) => {
                    let Place { level, number } = reader.missing.take().unwrap_or(Place { level: 0, number: 0 });
                    Err(TreeError::Tile { level, number })
                }
            }
        };
        questions.iter().map(answer).collect()
    }

    fn check(self) -> Result<(), TreeError> {
        let beyond = |size, asked| Err(TreeError::Beyond { size, asked });
        match self {
            Self::Inclusion { size, index } if index >= size => beyond(size, index),
            Self::Consistency { size, from } if from > size => beyond(size, from),
            _ => Ok(()),
        }
    }

    fn ask<R: HashReader>(self, reader: &R) -> Result<Vec<tlog::Hash>, tlog::Error> {
        match self {
            Self::Root { size: 0 } => Ok(vec![Hash::of_nothing().inner()]),
            Self::Root { size } => Ok(vec![tlog::tree_hash(size, reader)?]),
            Self::Inclusion { size, index } => tlog::prove_record(size, index, reader),
            // Every tree continues the empty one, and itself: nothing has to be shown.
            Self::Consistency { from: 0, .. } => Ok(Vec::new()),
            Self::Consistency { size, from } => tlog::prove_tree(size, from, reader),
        }
    }
}

fn place_of(index: u64) -> Place {
    let tile = Tile::from_index(HEIGHT, index);
    Place { level: tile.level(), number: tile.level_index() }
}

/// Notes what is read, and has nothing.
#[derive(Default)]
struct Wanted(RefCell<Vec<u64>>);

impl HashReader for Wanted {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        self.0.borrow_mut().extend(indexes);
        Err(tlog::Error::IndexesNotInTree)
    }
}

struct Tiles<'a> {
    tiles: &'a HashMap<Place, Vec<Hash>>,
    made: RefCell<HashMap<u64, tlog::Hash>>,
    missing: Cell<Option<Place>>,
}

impl HashReader for Tiles<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        let read = |&index: &u64| {
            if let Some(hash) = self.made.borrow().get(&index) {
                return Ok(*hash);
            }
            let (tile, place) = (Tile::from_index(HEIGHT, index), place_of(index));
            let bytes = self.tiles.get(&place).map(|hashes| tile_bytes(hashes)).unwrap_or_default();
            let hash = tile.hash_at_index(&bytes, index).inspect_err(|_| self.missing.set(Some(place)))?;
            self.made.borrow_mut().insert(index, hash);
            Ok(hash)
        };
        indexes.iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::checkpoint::Head;
    use crate::ledger::proof::{check_consistency, check_inclusion};
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use sha2::Sha256;

    /// A tree kept as the store keeps it: tiles by place, the edge opened anew for each batch.
    #[derive(Default)]
    struct Kept {
        tiles: HashMap<Place, Vec<Hash>>,
        roots: Vec<Hash>,
    }

    impl Kept {
        fn of(leaves: u64) -> Self {
            let mut kept = Self { tiles: HashMap::new(), roots: vec![Hash::of_nothing()] };
            for index in 0..leaves {
                let mut edge = Edge::open(index, &kept.tiles).unwrap();
                edge.append(Hash::of_leaf(&leaf(index)));
                kept.roots.push(edge.root());
                kept.tiles.extend(edge.take_grown());
            }
            kept
        }

        fn head(&self, size: u64) -> Head {
            Head { size, root: self.roots[size as usize] }
        }

        fn answer(&self, question: Question) -> Vec<Hash> {
            let only: HashMap<Place, Vec<Hash>> =
                question.places().unwrap().into_iter().map(|place| (place, self.tiles[&place].clone())).collect();
            question.answer(&only).unwrap()
        }
    }

    fn leaf(index: u64) -> Vec<u8> {
        format!("leaf {index}").into_bytes()
    }

    /// RFC 6962's own test vectors: the leaves of Certificate Transparency's reference test and their roots.
    #[test]
    fn roots_are_those_of_the_reference_tests_of_certificate_transparency() {
        let leaves: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut edge = Edge::default();
        for (leaf, root) in leaves.iter().zip(roots) {
            edge.append(Hash::of_leaf(leaf));
            let hex: String = edge.root().0.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, root);
        }
    }

    #[test]
    fn roots_and_proofs_are_those_of_an_independent_tree_across_tile_borders() {
        let size = 600;
        let kept = Kept::of(size);
        let mut other = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        for index in 0..size {
            other.push(leaf(index));
            assert_eq!(other.root().as_bytes().as_slice(), kept.roots[index as usize + 1].0, "{index}");
        }
        for index in [0, 1, 100, 255, 256, 257, 511, 512, 598, 599] {
            let path = kept.answer(Question::Inclusion { size, index });
            let theirs = other.prove_inclusion(index as usize);
            assert_eq!(theirs.as_bytes(), tile_bytes(&path), "{index}");
            check_inclusion(&path, kept.head(size), index, Hash::of_leaf(&leaf(index))).unwrap();
            assert!(check_inclusion(&path, kept.head(size), index, Hash::of_leaf(b"edited")).is_err());
            assert!(check_inclusion(&path, kept.head(size), index ^ 1, Hash::of_leaf(&leaf(index))).is_err());
        }
        for from in [0, 1, 2, 255, 256, 257, 512, 599, 600] {
            let path = kept.answer(Question::Consistency { size, from });
            check_consistency(&path, kept.head(from), kept.head(size)).unwrap();
            let forged = Head { size: from, root: Hash::of_leaf(b"forged") };
            assert!(check_consistency(&path, forged, kept.head(size)).is_err(), "{from}");
        }
        for asked in 0..=size {
            assert_eq!(kept.answer(Question::Root { size: asked }), [kept.roots[asked as usize]], "{asked}");
        }
    }

    #[test]
    fn a_tile_that_is_missing_or_cut_is_told_by_its_place() {
        let mut kept = Kept::of(300);
        let place = Place { level: 0, number: 1 };
        kept.tiles.get_mut(&place).unwrap().truncate(10);
        let question = Question::Inclusion { size: 300, index: 290 };
        assert_eq!(question.answer(&kept.tiles), Err(TreeError::Tile { level: 0, number: 1 }));
        assert!(Edge::open(300, &kept.tiles).is_err());
        let beyond = Question::Inclusion { size: 300, index: 300 };
        assert_eq!(beyond.places(), Err(TreeError::Beyond { size: 300, asked: 300 }));
    }
}
